// SPDX-License-Identifier: MIT
#include "cli/top_frame.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "cli/batond_tables.hpp"

namespace baton::cli {
namespace {

using nlohmann::json;

constexpr ScreenSize large{.rows = 50, .columns = 200};

/// A batond with so many moves, at `seconds`; routes "r0" ... with `connections` each, and one worker.
Sample sample(int seconds, std::uint64_t moved, const std::vector<std::uint64_t>& connections, int process = 7) {
  Sample result;
  result.time = std::chrono::seconds{seconds};
  result.status = {{"process", process}, {"version", "1.2"}, {"configuration", "/c"}, {"uptime_s", 61},
                   {"undecided", 2},     {"held", 1},        {"draining", false},     {"counters", json::object()}};
  result.status["counters"] = {{"moved", moved}, {"moved_ns", moved * 2000}, {"no_route", moved / 10}, {"refused", 0}};
  result.routes = {{"routes", json::array()}};
  for (std::size_t i = 0; i < connections.size(); ++i)
    result.routes["routes"].push_back(
        {{"name", "r" + std::to_string(i)}, {"pool", "p"}, {"connections", connections[i]}});
  const json worker{{"id", 3},     {"name", "'w'"},  {"process", 9}, {"up", true}, {"moved", moved},
                    {"credit", 4}, {"under_way", 1}, {"refused", 0}, {"lost", 0},  {"draining", false}};
  result.workers = {{"pools", json::array({{{"name", "p"}, {"workers", json::array({worker})}}})}};
  // As they are read: from text.
  for (json* const each : {&result.status, &result.routes, &result.workers}) *each = json::parse(each->dump());
  result.processes[9] = {
      .pid = 9, .counters = {{"pause_count", moved}, {"pause_total_ns", moved * 1500}, {"pause_longest_ns", 9000}}};
  return result;
}

bool has(const std::vector<std::string>& lines, const std::string& line) {
  return std::ranges::find(lines, line) != lines.end();
}

TEST(TopFrame, RatesAreOfTheTimeBetween) {
  const auto lines = top_frame(sample(10, 100, {5, 100}), sample(12, 125, {5, 125}), large);
  EXPECT_EQ(lines[0], "batond 1.2, process 7, up 1 min 1 s, configuration /c");
  EXPECT_EQ(
      lines[1],
      "12.5 moves/s, accept to taken 2.0 us; each second refused 0.0, ended 1.0, came back 0.0; undecided 2, held "
      "1");
  EXPECT_TRUE(has(lines, "r0     p       0.0            5")) << lines[4];
  EXPECT_TRUE(has(lines, "r1     p      12.5          125")) << lines[5];
  EXPECT_TRUE(has(lines,
                  "p      3  'w'           9  up        12.5    125          1       4        0     0  1.5 us   "
                  "9.0 us"))
      << lines.back();
}

TEST(TopFrame, NothingIsKnownOfTheTimeBefore) {
  for (const auto& before : {std::optional<Sample>{}, std::optional{sample(10, 100, {5}, 6)}}) {
    const auto lines = top_frame(before, sample(12, 3, {5}), large);
    EXPECT_TRUE(lines[1].starts_with("- moves/s, accept to taken -; each second refused -, ended -")) << lines[1];
    EXPECT_TRUE(has(lines, "r0     p         -            5")) << lines[4];
  }
}

TEST(TopFrame, NeverMoreThanTheScreenHasRoomFor) {
  const std::vector<std::uint64_t> many(100, 1);
  for (std::size_t rows = 1; rows < 20; ++rows) {
    const auto lines = top_frame(std::nullopt, sample(1, 1, many), {.rows = rows, .columns = 30});
    EXPECT_LE(lines.size(), rows);
    for (const std::string& line : lines) EXPECT_LE(line.size(), 30U);
  }
}

TEST(TopFrame, TheBusiestRoutesKeepTheirOrder) {
  std::vector<std::uint64_t> before(100, 1);
  std::vector<std::uint64_t> now = before;
  now[80] += 5;
  now[20] += 3;
  // 3 lines of the head, 1 between, 2 for the worker; so 4 for routes: a head, two, and how many are left out.
  const auto lines = top_frame(sample(1, 1, before), sample(2, 1, now), {.rows = 10, .columns = 100});
  ASSERT_EQ(lines.size(), 10U);
  EXPECT_TRUE(lines[4].starts_with("r20 ")) << lines[4];
  EXPECT_TRUE(lines[5].starts_with("r80 ")) << lines[5];
  EXPECT_EQ(lines[6], "... 98 routes with less to do");
  EXPECT_TRUE(lines[9].starts_with("p ")) << lines[9];
}

TEST(Routes, LeadToAPoolToTheTsapCalledOrNowhere) {
  EXPECT_EQ(destination_of({{"pool", "shop"}, {"to_called_tsap", false}}), "shop");
  EXPECT_EQ(destination_of({{"pool", nullptr}, {"to_called_tsap", true}}), "(TSAP called)");
  EXPECT_EQ(destination_of({{"pool", nullptr}, {"to_called_tsap", false}}), "(refused)");
  EXPECT_EQ(destination_of({{"pool", nullptr}}), "(refused)") << "of a batond before";
}

}  // namespace
}  // namespace baton::cli
