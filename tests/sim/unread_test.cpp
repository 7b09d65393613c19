// SPDX-License-Identifier: MIT
// Unread CRs: every order of events, and the planted bugs.
#include <gtest/gtest.h>

#include <iostream>

#include "unread_world.hpp"

namespace baton::sim::unread {
namespace {

#ifdef BATON_SIM_SMALL
constexpr Extent extent = Extent::Small;
#else
constexpr Extent extent = Extent::Normal;
#endif
constexpr std::size_t most_states = 4'000'000;

std::string lines(const std::vector<std::string>& trace) {
  std::string text;
  for (const std::string& line : trace) text += "\n  " + line;
  return text;
}

TEST(UnreadRequests, KeepThePromiseInEveryOrder) {
  std::vector<std::size_t> happened(kinds);
  for (const sim::unread::Setup& setup : setups(extent)) {
    const Exploration all = explore(setup, most_states);
    ASSERT_EQ(all.broken, "") << setup.name << lines(all.trace);
    EXPECT_TRUE(all.complete);
    EXPECT_TRUE(all.acyclic) << setup.name << lines(all.trace);
    EXPECT_GT(all.at_rest, 0U);
    for (std::size_t i = 0; i < kinds; ++i) happened[i] += all.happened[i];
    std::cout << setup.name << ": " << all.states << " states, " << all.transitions << " transitions, " << all.at_rest
              << " at rest, depth " << all.depth << '\n';
  }
  for (std::size_t i = 0; i < kinds; ++i) EXPECT_GT(happened[i], 0U) << "never happened: " << i;
}

class PlantedBugOfUnreadRequests : public testing::TestWithParam<MutantName> {};

TEST_P(PlantedBugOfUnreadRequests, IsFound) {
  sim::unread::Setup setup = setups(extent).front();
  setup.mutant = GetParam().mutant;
  const Exploration found = explore(setup, most_states);
  EXPECT_NE(found.broken, "") << GetParam().name;
  std::cout << GetParam().name << " (" << setup.name << ")" << lines(found.trace) << "\n  => " << found.broken << '\n';
}
INSTANTIATE_TEST_SUITE_P(Number, PlantedBugOfUnreadRequests, testing::ValuesIn(mutant_names),
                         [](const auto& each) { return std::to_string(static_cast<int>(each.param.mutant)); });

}  // namespace
}  // namespace baton::sim::unread
