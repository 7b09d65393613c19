// SPDX-License-Identifier: MIT
// The search is worth something: it finds every planted bug, and prints the shortest way to its harm.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <string>

#include "explore.hpp"
#include "random_walk.hpp"
#include "scenarios.hpp"

namespace baton::sim {
namespace {

class PlantedBug : public testing::TestWithParam<MutantName> {};

TEST_P(PlantedBug, IsFound) {
  const sim::Setup setup = scenario_for(GetParam().mutant);
  const Exploration found = explore(setup, 4'000'000);
  ASSERT_NE(found.broken, "") << GetParam().name << ", searched in: " << setup.name;
  std::cout << GetParam().name << " (" << setup.name << ")\n";
  for (std::size_t i = 0; i < found.trace.size(); ++i) std::cout << "  " << i + 1 << ". " << found.trace[i] << '\n';
  std::cout << "  => " << found.broken << '\n';

  sim::Setup sound = setup;
  sound.mutant = Mutant::None;
  EXPECT_EQ(explore(sound, found.states).broken, "") << "found without the bug as well";
}
INSTANTIATE_TEST_SUITE_P(Number, PlantedBug, testing::ValuesIn(mutant_names),
                         [](const auto& each) { return std::to_string(static_cast<int>(each.param.mutant)); });

TEST(PlantedBugs, AreAllNamedOnce) {
  for (std::size_t i = 0; i < mutant_names.size(); ++i)
    EXPECT_EQ(static_cast<std::size_t>(mutant_names[i].mutant), i + 1);
}

TEST(PlantedBugs, AreFoundWhereOnlyTheListenerOfTheSecondMoveDies) {
  for (const Mutant mutant : {Mutant::IgnoresTakenOfTheDead, Mutant::TakesBackOnLinkEnd, Mutant::RefusesDeadListener}) {
    sim::Setup setup = scenario(Extent::Small, "onward, its listener dies");
    setup.mutant = mutant;
    EXPECT_NE(explore(setup, 4'000'000).broken, "") << mutant_names[static_cast<std::size_t>(mutant) - 1].name;
  }
}

TEST(PlantedBugs, AreFoundByRandomRunsToo) {
  for (const Mutant mutant : {Mutant::ClosesBeforeTaken, Mutant::TakesBackOnLinkEnd, Mutant::KeepsAfterCancelled,
                              Mutant::TimeoutDecides, Mutant::UsesBeforeTaken}) {
    std::uint64_t seed = 1;
    while (seed < 2'000 && walk(seed, false, mutant).broken.empty()) ++seed;
    EXPECT_LT(seed, 2'000U) << mutant_names[static_cast<std::size_t>(mutant) - 1].name;
  }
}

}  // namespace
}  // namespace baton::sim
