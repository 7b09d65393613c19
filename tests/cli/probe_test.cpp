// SPDX-License-Identifier: MIT
// `baton iso probe` against baton itself, and against peers that answer little or nonsense.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "program.hpp"
#include "raw_server.hpp"
#include "support/runtime_dir.hpp"

namespace baton::cli_tests {
namespace {

class ProbeProgram : public ::testing::Test {
 protected:
  static nlohmann::json finding(const nlohmann::json& document, const char* question) {
    for (const auto& each : document["findings"])
      if (each["question"] == question) return each;
    return {};
  }
  /// To the reference of the request; to 0 where the packet is too short to be one.
  static std::string with_reference(std::string_view request, std::string_view before, std::string_view after) {
    const std::string reference{request.size() < 10 ? std::string_view{"\0\0", 2} : request.substr(8, 2)};
    return std::string{before} + reference + std::string{after};
  }
  test::RuntimeDir folder_;
};

TEST_F(ProbeProgram, BatonItselfKeepsToTheStandard) {
  Program echo{{"iso", "echo", "--called", "PLC", "127.0.0.1:0"}};
  const std::string address = address_in(echo.error_line());
  const Outcome outcome = run({"iso", "probe", "--called", "PLC", "--json", address});
  ASSERT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_EQ(outcome.error, "");
  const auto document = nlohmann::json::parse(outcome.output);
  EXPECT_EQ(document["usable"], true);
  EXPECT_EQ(document["tpdu_size"], 65531);
  EXPECT_EQ(document["findings"].size(), 23U);
  EXPECT_EQ(finding(document, "unknown_called")["reason"], 3);
  EXPECT_EQ(finding(document, "no_size")["tpdu_size"], 2048);
  EXPECT_EQ(finding(document, "class_4_or_0")["answer"], "confirm");
  EXPECT_EQ(finding(document, "class_4")["reason"], 130);
  EXPECT_EQ(finding(document, "data_first")["answer"], "error");
  EXPECT_EQ(finding(document, "reserved_octet")["answer"], "confirm");
  echo.signal(SIGTERM);
  EXPECT_EQ(echo.finish(), 0);
}

TEST_F(ProbeProgram, MalformedPacketsHarmNoneOfBatonsListeners) {
  Program echo{{"iso", "echo", "127.0.0.1:0"}};
  const std::string address = address_in(echo.error_line());
  const Outcome outcome = run({"iso", "probe", "--malformed", address});
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_NE(outcome.output.find("checks the version of packets"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("checks the length indicator"), std::string::npos);
  EXPECT_NE(outcome.output.find("To connect: baton iso connect --called BATON --tpdu-size 65531 " + address),
            std::string::npos);
  EXPECT_EQ(run({"iso", "connect", "--answers", "1", "--wait", "inf", address}, "alive\n").output, "alive\n");
}

TEST_F(ProbeProgram, APeerThatRefusesAllIsTold) {
  const RawServer server{[](std::string_view request) {
    return with_reference(request, {"\x03\x00\x00\x0b\x06\x80", 6}, {"\x00\x00\x03", 3});
  }};
  const Outcome outcome = run({"iso", "probe", server.address()});
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_NE(outcome.output.find("DR 3: the called selector is unknown"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("It does not know the TSEL BATON"), std::string::npos);
}

TEST_F(ProbeProgram, APeerThatReportsErrorsOnlyIsTold) {
  const RawServer server{[](std::string_view request) {
    return with_reference(request, {"\x03\x00\x00\x0b\x06\x70", 6}, {"\x02\xc1\x00", 3});
  }};
  const Outcome outcome = run({"iso", "probe", server.address()});
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_NE(outcome.output.find("ER 2: an invalid TPDU type"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("refuses the usual request"), std::string::npos);
}

TEST_F(ProbeProgram, AnEchoOfTheRequestAsAConfirmationIsSeenThrough) {
  // As one widespread server does it: the request with the code of a CC and the references exchanged.
  const RawServer server{[](std::string_view request) {
    std::string answer{request};
    answer[5] = '\xd0';
    answer[6] = request[8];
    answer[7] = request[9];
    answer[8] = '\0';
    answer[9] = '\1';
    return answer;
  }};
  const Outcome outcome = run({"iso", "probe", server.address()});
  EXPECT_EQ(outcome.status, 0) << outcome.error;
  EXPECT_NE(outcome.output.find("ignores the called TSEL: any is accepted"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("confirms class 4: does not look at the class"), std::string::npos);
  EXPECT_NE(outcome.output.find("returns the invalid size"), std::string::npos);
  EXPECT_NE(outcome.output.find("answers a request without size without one"), std::string::npos);
  EXPECT_EQ(server.connections(), 23);
  EXPECT_EQ(server.overlapping(), 0);
}

TEST_F(ProbeProgram, SilenceEndsWithItsTime) {
  const RawServer server{[](std::string_view) { return std::nullopt; }};
  const Outcome outcome = run({"iso", "probe", "--timeout", "0.05", server.address()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.output.find("no answer"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.error.find("nothing that speaks ISO transport was seen at " + server.address()), std::string::npos);
}

TEST_F(ProbeProgram, AnotherProtocolIsNoIsoTransport) {
  const RawServer server{[](std::string_view) { return "HTTP/1.1 400 Bad Request\r\n\r\n"; }};
  const Outcome outcome = run({"iso", "probe", server.address()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.output.find("no ISO transport: 48 54 54 50"), std::string::npos) << outcome.output;
}

TEST_F(ProbeProgram, WhoeverClosesWithoutAWordIsToldSo) {
  const RawServer server{[](std::string_view) { return ""; }};
  const Outcome outcome = run({"iso", "probe", server.address()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.output.find("closes without a word"), std::string::npos) << outcome.output;
}

TEST_F(ProbeProgram, NobodyAtThePortIsASentence) {
  std::string address;
  {
    const RawServer gone{[](std::string_view) { return std::nullopt; }};
    address = gone.address();
  }
  const Outcome outcome = run({"iso", "probe", address});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.output, "");
  EXPECT_NE(outcome.error.find("no connection to " + address + ": Connection refused"), std::string::npos)
      << outcome.error;
}

}  // namespace
}  // namespace baton::cli_tests
