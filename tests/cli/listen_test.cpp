// SPDX-License-Identifier: MIT
// `baton iso listen`, called by `baton iso connect`.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "program.hpp"
#include "support/runtime_dir.hpp"

namespace baton::cli_tests {
namespace {

class Listen : public ::testing::TestWithParam<bool> {
 protected:
  static std::vector<std::string> listen(std::vector<std::string> more = {}) {
    std::vector<std::string> all{"iso", "listen"};
    all.insert(all.end(), more.begin(), more.end());
    if (GetParam()) all.emplace_back("127.0.0.1:0");
    return all;
  }
  /// Of a listener that has just started: the words of a connect to it.
  static std::vector<std::string> connect_to(Program& listener, std::vector<std::string> more = {}) {
    const std::string announced = listener.error_line();
    std::vector<std::string> all{"iso", "connect"};
    all.insert(all.end(), more.begin(), more.end());
    all.push_back(GetParam() ? address_in(announced) : ".");
    return all;
  }
  test::RuntimeDir folder_;
};
INSTANTIATE_TEST_SUITE_P(Over, Listen, ::testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "Tcp" : "LocalConnection"; });

TEST_P(Listen, TalksWithWhoeverCallsAndSaysWho) {
  Program listener{listen({"--once"})};
  Program caller{connect_to(listener, {"--calling", "CALLER", "--wait", "0"})};
  caller.write("question\n");
  EXPECT_EQ(listener.line(), "question");
  const std::string who = listener.error_line();
  EXPECT_NE(who.find("connection 1: called by TSEL 'CALLER'"), std::string::npos) << who;
  EXPECT_NE(who.find("as 'BATON'"), std::string::npos) << who;
  EXPECT_NE(who.find(GetParam() ? "at 127.0.0.1:" : "on this host"), std::string::npos) << who;
  listener.write("answer\n");
  EXPECT_EQ(caller.line(), "answer");
  caller.close_input();
  EXPECT_EQ(caller.finish(), 0);
  EXPECT_EQ(listener.finish(), 0);
  EXPECT_NE(listener.error().find("connection 1 ended: sent 6 octets, 1 TSDU"), std::string::npos);
}

TEST_P(Listen, TakesOneCallerAfterTheOther) {
  Program listener{listen()};
  const std::vector<std::string> connect = connect_to(listener, {"--wait", "0"});
  Program first{connect};
  first.write("first\n");
  EXPECT_EQ(listener.line(), "first");
  // Waits in the backlog.
  Program second{connect};
  second.write("second\n");
  second.close_input();
  first.write("first again\n");
  EXPECT_EQ(listener.line(), "first again");
  first.close_input();
  EXPECT_EQ(first.finish(), 0);
  EXPECT_EQ(listener.line(), "second");
  EXPECT_EQ(second.finish(), 0);
  listener.signal(SIGTERM);
  EXPECT_EQ(listener.finish(), 0);
}

TEST_P(Listen, KeepsSeveralAndTellsTheirLinesApart) {
  Program listener{listen({"--keep", "--hex"})};
  const std::vector<std::string> connect = connect_to(listener, {"--wait", "0"});
  Program first{connect};
  first.write("A\n");
  EXPECT_EQ(listener.line(), "1: 41");
  Program second{connect};
  second.write("B\n");
  EXPECT_EQ(listener.line(), "2: 42");
  first.write("C\n");
  EXPECT_EQ(listener.line(), "1: 43");
  listener.write("44\n");
  EXPECT_EQ(first.line(), "D");
  EXPECT_EQ(second.line(), "D");
  listener.signal(SIGINT);
  EXPECT_EQ(listener.finish(), 0);
  EXPECT_EQ(first.finish(), 0);
  EXPECT_EQ(second.finish(), 0);
}

TEST_P(Listen, SendsAFileAsOneTsdu) {
  const std::string file(300'000, 'f');
  Program listener{listen({"--once", "--one"})};
  const std::vector<std::string> connect = connect_to(listener, {"--raw", "--wait", "inf"});
  // The input is read only for somebody who has called.
  Program caller{connect};
  listener.write(file);
  listener.close_input();
  caller.await_output(file.size());
  caller.close_input();
  // Neither side ends by itself: the listener is told to.
  listener.signal(SIGTERM);
  EXPECT_EQ(listener.finish(), 0);
  EXPECT_NE(listener.error().find("sent 300000 octets, 1 TSDU"), std::string::npos) << listener.error();
  EXPECT_EQ(caller.finish(), 0);
  EXPECT_EQ(caller.output(), file);
}

TEST_P(Listen, ATselThatIsTakenIsASentence) {
  Program listener{listen({"--called", "TAKEN"})};
  (void)listener.error_line();
  const Outcome second = run(listen({"--called", "TAKEN"}));
  EXPECT_EQ(second.status, 1);
  EXPECT_NE(second.error.find("TSEL 'TAKEN' cannot be taken: "), std::string::npos) << second.error;
}

}  // namespace
}  // namespace baton::cli_tests
