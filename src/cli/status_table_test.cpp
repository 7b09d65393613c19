// SPDX-License-Identifier: MIT
#include "cli/status_table.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace baton::cli {
namespace {

// As endpoint/statistics.cpp writes it.
constexpr std::string_view document =
    R"({"pid":7,"offered":9,"moved":5,"refused":1,"cancelled":0,"given_back":2,"in_doubt":1,"touched":0,)"
    R"("abandoned":0,"received":0,"taken":3,"links":4,"pause_count":3,"pause_total_ns":360300,"pause_longest_ns":250000})"
    "\n";

TEST(StatusTable, ALineForEachProcess) {
  const std::vector<Status> processes{*parse_status(7, document), *parse_status(12, R"({"pid":12,"moved":1})")};
  EXPECT_EQ(table_of(processes),
            "pid  moved  taken  in doubt  given back  refused  touched  links  longest pause  mean pause\n"
            "  7      5      3         1           2        1        0      4       250.0 us    120.1 us\n"
            " 12      1      -         -           -        -        -      -              -           -\n");
}

TEST(StatusTable, AProcessThatHasTakenNothingHasNoPause) {
  const std::vector<Status> processes{*parse_status(7, R"({"pause_count":0,"pause_total_ns":0,"pause_longest_ns":0})")};
  EXPECT_EQ(table_of(processes).find(" us"), std::string::npos);
}

TEST(StatusTable, AsJsonTheCountersKeepTheirNames) {
  const std::vector<Status> processes{*parse_status(7, R"({"pid":9,"moved":1,"name":"\u001b"})"),
                                      *parse_status(8, "{}")};
  EXPECT_EQ(json_of(processes), "[\n{\"moved\":1,\"pid\":7},\n{\"pid\":8}\n]\n");
}

TEST(StatusTable, WhatIsNoObjectIsNoStatus) {
  EXPECT_FALSE(parse_status(1, ""));
  EXPECT_FALSE(parse_status(1, "[]"));
  EXPECT_FALSE(parse_status(1, R"({"moved":1)"));
  EXPECT_FALSE(parse_status(1, std::string(60'000, '[')));
}

TEST(StatusTable, MembersThatAreNoCountersAreLeftOut) {
  const auto status = parse_status(1, R"({"moved":-1,"taken":1.5,"links":"2","touched":18446744073709551615})");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->counters.size(), 1U);
  EXPECT_NE(table_of({&*status, 1}).find("18446744073709551615"), std::string::npos);
}

}  // namespace
}  // namespace baton::cli
