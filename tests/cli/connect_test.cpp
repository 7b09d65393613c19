// SPDX-License-Identifier: MIT
// `baton iso connect` and `baton iso echo`, over a local connection and over TCP.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "program.hpp"
#include "raw_server.hpp"
#include "support/octets.hpp"
#include "support/runtime_dir.hpp"

namespace baton::cli_tests {
namespace {

/// `baton iso echo`, with the local TSEL that is its own name, or TCP too.
class Echo {
 public:
  explicit Echo(bool tcp, std::vector<std::string> more = {}) : program_{words(tcp, more)} {
    announced_ = program_.error_line();
    if (tcp) address_ = address_in(announced_);
  }
  /// The words of a connect to it, `more` before.
  [[nodiscard]] std::vector<std::string> connect(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"iso", "connect"};
    all.insert(all.end(), more.begin(), more.end());
    // The answers come, and a busy machine may be silent for longer than the second that is waited by default.
    if (std::ranges::find(more, "--answers") != more.end()) all.insert(all.end(), {"--wait", "inf"});
    all.push_back(address_);
    return all;
  }
  [[nodiscard]] const std::string& announced() const { return announced_; }
  [[nodiscard]] const std::string& address() const { return address_; }
  Program& program() { return program_; }

 private:
  static std::vector<std::string> words(bool tcp, const std::vector<std::string>& more) {
    std::vector<std::string> all{"iso", "echo"};
    all.insert(all.end(), more.begin(), more.end());
    if (tcp) all.emplace_back("127.0.0.1:0");
    return all;
  }
  Program program_;
  std::string announced_;
  std::string address_ = ".";
};

class Connect : public ::testing::TestWithParam<bool> {
 protected:
  test::RuntimeDir folder_;
};
INSTANTIATE_TEST_SUITE_P(Over, Connect, ::testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "Tcp" : "LocalConnection"; });

TEST_P(Connect, EachLineComesBackAsALine) {
  const Echo echo{GetParam()};
  const Outcome outcome = run(echo.connect({"--answers", "3"}), "one\ntwo words\nlast");
  EXPECT_EQ(outcome.output, "one\ntwo words\nlast\n");
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.status, 0);
}

TEST_P(Connect, TalksWhileTheInputIsOpen) {
  const Echo echo{GetParam()};
  Program connect{echo.connect({"--wait", "0"})};
  connect.write("one\n");
  EXPECT_EQ(connect.line(), "one");
  connect.write("two\n");
  EXPECT_EQ(connect.line(), "two");
  connect.close_input();
  EXPECT_EQ(connect.finish(), 0);
  EXPECT_EQ(connect.output(), "");
}

TEST_P(Connect, HexadecimalBothWays) {
  const Echo echo{GetParam()};
  const Outcome outcome = run(echo.connect({"--hex", "--answers", "2"}), "0300 0016\n00 FF\n");
  EXPECT_EQ(outcome.output, "03 00 00 16\n00 ff\n");
  EXPECT_EQ(outcome.status, 0);
}

TEST_P(Connect, LinesThatAreNoTsduAreToldAndLeftOut) {
  const Echo echo{GetParam()};
  const Outcome outcome = run(echo.connect({"--hex", "--answers", "1"}), "zz\n\n41\n");
  EXPECT_EQ(outcome.output, "41\n");
  EXPECT_NE(outcome.error.find("line 1 is left out: 'zz' is no octet"), std::string::npos);
  EXPECT_NE(outcome.error.find("line 2 is left out"), std::string::npos);
  EXPECT_EQ(outcome.status, 1);
}

TEST_P(Connect, OneTsduOfTenMebibytesComesBackWhole) {
  constexpr std::size_t size = 10 * 1024 * 1024;
  constexpr std::uint64_t name = 7;
  std::string octets(size, '\0');
  test::fill_from_stream(name, 0, std::as_writable_bytes(std::span{octets}));
  const Echo echo{GetParam()};
  const Outcome outcome = run(echo.connect({"--one", "--progress", "--answers", "1"}), octets);
  EXPECT_EQ(outcome.status, 0);
  test::Tally tally;
  tally.add(as_bytes(outcome.output));
  EXPECT_EQ(tally, test::tally_of_stream(name, size));
  EXPECT_NE(outcome.error.find("sent 10485760 octets, 1 TSDU"), std::string::npos);
  EXPECT_NE(outcome.error.find("received 10485760 octets, 1 TSDU"), std::string::npos);
}

TEST_P(Connect, RawOctetsKeepTheirOrderInManyTsdus) {
  constexpr std::size_t size = 1'000'000;
  constexpr std::uint64_t name = 8;
  std::string octets(size, '\0');
  test::fill_from_stream(name, 0, std::as_writable_bytes(std::span{octets}));
  Echo echo{GetParam()};
  Program connect{echo.connect({"--raw", "--wait", "inf"})};
  connect.write(octets);
  connect.close_input();
  connect.await_output(size);
  // It would wait for ever: it is the other side that ends.
  echo.program().signal(SIGTERM);
  EXPECT_EQ(echo.program().finish(), 0);
  EXPECT_EQ(connect.finish(), 0);
  test::Tally tally;
  tally.add(as_bytes(connect.output()));
  EXPECT_EQ(tally, test::tally_of_stream(name, size));
}

TEST_P(Connect, AnswersToUnknownSelectorsAreSentences) {
  const Echo echo{GetParam()};
  const Outcome outcome = run(echo.connect({"--called", "NOBODY"}));
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.error.find("TSEL 'NOBODY'"), std::string::npos);
  if (GetParam()) {
    EXPECT_NE(outcome.error.find("the called selector is unknown"), std::string::npos) << outcome.error;
  }
}

TEST_P(Connect, SelectorsOfTwoOctetsAsS7HasThem) {
  const Echo echo{GetParam(), {"--called", "0x0102", "--called", "0x0200"}};
  EXPECT_NE(echo.announced().find("TSELs X'0102', X'0200'"), std::string::npos) << echo.announced();
  for (const char* called : {"0x0102", "X'0200'"})
    EXPECT_EQ(run(echo.connect({"--called", called, "--calling", "0x0100", "--answers", "1"}), "S7\n").output, "S7\n");
}

TEST_P(Connect, VerboseTellsWhatWasAgreed) {
  const Echo echo{GetParam()};
  const Outcome outcome = run(echo.connect({"-v", "--answers", "1"}), "x\n");
  EXPECT_NE(outcome.error.find("connected to TSEL 'BATON'"), std::string::npos) << outcome.error;
  EXPECT_NE(outcome.error.find(GetParam() ? "TPDUs of 2048 octets" : "on this host"), std::string::npos);
}

TEST_P(Connect, ManyTalkToOneEchoAtOnce) {
  Echo echo{GetParam()};
  constexpr std::size_t count = 8;
  std::vector<std::unique_ptr<Program>> programs;
  for (std::size_t i = 0; i < count; ++i) programs.push_back(std::make_unique<Program>(echo.connect({"--wait", "0"})));
  for (std::size_t i = 0; i < count; ++i) programs[i]->write("from " + std::to_string(i) + "\n");
  // The last first: nobody waits for anybody.
  for (std::size_t i = count; i-- > 0;) EXPECT_EQ(programs[i]->line(), "from " + std::to_string(i));
  for (auto& each : programs) {
    each->close_input();
    EXPECT_EQ(each->finish(), 0);
  }
  echo.program().signal(SIGTERM);
  EXPECT_EQ(echo.program().finish(), 0);
  EXPECT_TRUE(echo.program().output().starts_with("8 connections: sent 48 octets, 8 TSDUs")) << echo.program().output();
}

TEST_P(Connect, TheEndOfThePeerIsTheEnd) {
  Echo echo{GetParam()};
  Program connect{echo.connect()};
  connect.write("x\n");
  EXPECT_EQ(connect.line(), "x");
  echo.program().signal(SIGINT);
  EXPECT_EQ(echo.program().finish(), 0);
  EXPECT_TRUE(echo.program().output().starts_with("1 connection: sent 1 octet, 1 TSDU"));
  EXPECT_EQ(connect.finish(), 0);
}

TEST_P(Connect, ATsduThatIsTooLongForTheEchoEndsTheConnection) {
  Echo echo{GetParam(), {"--max-tsdu", "1000"}};
  const Outcome outcome = run(echo.connect({"--one"}), std::string(1001, 'x'));
  EXPECT_EQ(outcome.output, "");
  EXPECT_NE(echo.program().error_line().find("a TSDU of more than 1000 octets; closed"), std::string::npos);
  EXPECT_EQ(run(echo.connect({"--one", "--answers", "1"}), std::string(1000, 'x')).output, std::string(1000, 'x'));
}

class ConnectTcp : public ::testing::Test {
 protected:
  test::RuntimeDir folder_;
};

TEST_F(ConnectTcp, TheSizeOfTpdusIsAgreed) {
  const Echo echo{true};
  const Outcome outcome =
      run(echo.connect({"-v", "--tpdu-size", "128", "--answers", "1"}), std::string(1000, 'x') + "\n");
  EXPECT_NE(outcome.error.find("TPDUs of 128 octets"), std::string::npos) << outcome.error;
  EXPECT_EQ(outcome.output, std::string(1000, 'x') + "\n");
}

TEST_F(ConnectTcp, AHostOfTheHostsFileIsReachedByItsName) {
  const Echo echo{true};
  const std::string file = folder_.path() + "/hosts";
  std::ofstream{file} << "PLC1 " << echo.address() << "\n";
  ::setenv("BATON_HOSTS", file.c_str(), 1);
  EXPECT_EQ(run({"iso", "connect", "--answers", "1", "--wait", "inf", "PLC1"}, "by name\n").output, "by name\n");
  ::unsetenv("BATON_HOSTS");
}

TEST_F(ConnectTcp, ARefusalIsToldInThePeersWords) {
  const RawServer server{[](std::string_view request) {
    std::string refusal{"\x03\x00\x00\x16\x11\x80", 6};
    refusal += request.substr(8, 2);  // the caller's reference
    refusal += std::string{"\x00\x00\x01\xe0\x09", 5};
    return refusal + "not today";
  }};
  const Outcome outcome = run({"iso", "connect", server.address()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.error.find("the called application is busy"), std::string::npos) << outcome.error;
  EXPECT_NE(outcome.error.find("(reason 1)"), std::string::npos) << outcome.error;
  EXPECT_NE(outcome.error.find("'not today'"), std::string::npos) << outcome.error;
}

TEST_F(ConnectTcp, WhoeverSaysNothingOrNonsenseIsNotWaitedForLong) {
  const RawServer silent{[](std::string_view) { return std::nullopt; }};
  const Outcome late = run({"iso", "connect", "--timeout", "0.2", silent.address()});
  EXPECT_EQ(late.status, 1);
  EXPECT_NE(late.error.find("no answer in time"), std::string::npos) << late.error;
  const RawServer web{[](std::string_view) { return "HTTP/1.1 400 Bad Request\r\n\r\n"; }};
  EXPECT_EQ(run({"iso", "connect", web.address()}).status, 1);
}

TEST_F(ConnectTcp, NobodyAtThePortIsASentence) {
  std::string address;
  {
    const RawServer gone{[](std::string_view) { return std::nullopt; }};
    address = gone.address();
  }
  const Outcome outcome = run({"iso", "connect", address});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.error.find(address), std::string::npos);
}

}  // namespace
}  // namespace baton::cli_tests
