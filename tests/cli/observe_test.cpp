// SPDX-License-Identifier: MIT
// `baton status` and `baton trace` beside processes that move connections: what they say is what happened.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "program.hpp"
#include "system/parties.hpp"

namespace baton::cli_tests {
namespace {

using namespace system_tests;

class Observed : public Parties {
 protected:
  void SetUp() override {
    trace_ = std::filesystem::temp_directory_path() / ("baton-trace-" + std::to_string(::getpid()));
    ::setenv("BATON_TRACE", trace_.c_str(), 1);
    Parties::SetUp();
    ::unsetenv("BATON_TRACE");
    for (Agent* const each : {&*listener_, &*server_}) EXPECT_EQ(each->call([] { return soc_status(1); }).value, 0);
  }
  void TearDown() override {
    Parties::TearDown();
    std::error_code ignored;
    std::filesystem::remove(trace_, ignored);
  }
  /// What `baton status --json` says of an agent.
  static nlohmann::json status_of(const Agent& agent) {
    const Outcome told = run({"status", "--json", std::to_string(agent.pid())});
    EXPECT_EQ(told.status, 0) << told.error;
    const auto all = nlohmann::json::parse(told.output, nullptr, false);
    EXPECT_TRUE(all.is_array() && all.size() == 1) << told.output;
    return all.is_array() && all.size() == 1 ? all[0] : nlohmann::json::object();
  }
  std::string trace_;
};

TEST_F(Observed, StatusCountsWhatHasHappenedAndWhatIsUnderWay) {
  const Connection goes = connect_client();
  const int taken = moved(goes);
  const Connection stays = connect_client();
  offered(stays);
  EXPECT_STEP(answer(-7));
  EXPECT_STEP(await_answer(stays));
  const Connection doubtful = connect_client();
  called(doubtful);

  const auto listeners = status_of(*listener_);
  EXPECT_EQ(listeners.value("offered", 0), 3) << listeners;
  EXPECT_EQ(listeners.value("moved", 0), 1) << listeners;
  EXPECT_EQ(listeners.value("refused", 0), 1) << listeners;
  EXPECT_EQ(listeners.value("in_doubt", 0), 1) << listeners;
  const auto servers = status_of(*server_);
  EXPECT_EQ(servers.value("received", 0), 3) << servers;
  EXPECT_EQ(servers.value("taken", 0), 1) << servers;

  EXPECT_STEP(take());
  EXPECT_STEP(outcome(doubtful));
  EXPECT_EQ(status_of(*listener_).value("in_doubt", 1), 0);
  EXPECT_EQ(status_of(*listener_).value("moved", 0), 2);
  // Both in one table, and nobody once they no longer answer.
  const Outcome table = run({"status"});
  EXPECT_EQ(table.status, 0) << table.error;
  for (const Agent* const each : {&*listener_, &*server_})
    EXPECT_NE(table.output.find(std::to_string(each->pid())), std::string::npos) << table.output;
  for (Agent* const each : {&*listener_, &*server_}) EXPECT_EQ(each->call([] { return soc_status(0); }).value, 0);
  EXPECT_EQ(run({"status"}).status, 1);
  expect_serves(*server_, taken, goes);
}

TEST_F(Observed, TraceTellsEachMoveStepByStep) {
  const Connection goes = connect_client();
  const int taken = moved(goes);
  const Connection stays = connect_client();
  offered(stays);
  EXPECT_STEP(answer(-7));
  EXPECT_STEP(await_answer(stays));
  const Connection returns = connect_client();
  called(returns);
  server_->kill();
  EXPECT_ERRNO(ECONNRESET, outcome(returns));

  const Outcome list = run({"trace", trace_});
  EXPECT_EQ(list.status, 0) << list.error;
  EXPECT_EQ(list.error, "");
  std::istringstream lines{list.output};
  std::string id;
  for (std::string line; std::getline(lines, line);)
    if (line.ends_with("  moved")) id = line.substr(0, line.find(' '));
  ASSERT_FALSE(id.empty()) << list.output;
  for (const char* const ending : {"refused", "given back"})
    EXPECT_NE(list.output.find(ending), std::string::npos) << list.output;

  const Outcome steps = run({"trace", trace_, "--move", id});
  EXPECT_EQ(steps.status, 0) << steps.error;
  std::size_t at = 0;
  for (const char* const step : {"OFFER", "ANSWER", "data stop", "CALL", "TAKEN"}) {
    const std::size_t next = steps.output.find(step, at);
    ASSERT_NE(next, std::string::npos) << step << " is missing or too early:\n" << steps.output;
    at = next;
  }
  const Outcome drawn = run({"trace", trace_, "--move", id, "--svg", "-"});
  EXPECT_EQ(drawn.status, 0) << drawn.error;
  EXPECT_TRUE(drawn.output.starts_with("<svg") || drawn.output.starts_with("<?xml")) << drawn.output.substr(0, 80);
  EXPECT_TRUE(drawn.output.ends_with("</svg>\n"));
  EXPECT_GE(taken, 0);

  // The newest connection is the one that came back; those before it have a way of their own.
  const Outcome way = run({"trace", trace_, "--newest"});
  EXPECT_EQ(way.status, 0) << way.error;
  EXPECT_EQ(way.output.find("connection "), 0U) << way.output;
  EXPECT_NE(way.output.find(" of client 127.0.0.1:"), std::string::npos) << way.output;
  EXPECT_NE(way.output.find(": 1 move\n"), std::string::npos) << way.output;
  EXPECT_NE(way.output.find("given back"), std::string::npos) << way.output;
}

}  // namespace
}  // namespace baton::cli_tests
