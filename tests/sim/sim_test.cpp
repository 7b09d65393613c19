// SPDX-License-Identifier: MIT
// Every order of events of the setups in scenarios.cpp, and a fixed set of random runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <sstream>

#include "explore.hpp"
#include "invariants.hpp"
#include "random_walk.hpp"
#include "scenarios.hpp"

namespace baton::sim {
namespace {

#ifdef BATON_SIM_SMALL
constexpr Extent extent = Extent::Small;
constexpr std::uint64_t random_runs = 1'000;
#else
constexpr Extent extent = Extent::Normal;
constexpr std::uint64_t random_runs = 6'000;
#endif
constexpr std::size_t most_states = 4'000'000;

std::string lines(const std::vector<std::string>& trace) {
  std::ostringstream text;
  for (const std::string& line : trace) text << "\n  " << line;
  return text.str();
}

std::string name_of(const testing::TestParamInfo<sim::Setup>& info) {
  std::string name;
  bool upper = true;
  for (const char each : info.param.name) {
    const bool letter = each >= 'a' && each <= 'z';
    if (letter) name += upper ? static_cast<char>(each - 'a' + 'A') : each;
    upper = !letter;
  }
  return name;
}

class EveryOrder : public testing::TestWithParam<sim::Setup> {};

TEST_P(EveryOrder, KeepsThePromise) {
  const Exploration all = explore(GetParam(), most_states);
  EXPECT_EQ(all.broken, "") << lines(all.trace);
  EXPECT_TRUE(all.complete);
  EXPECT_TRUE(all.acyclic) << "some run never ends" << lines(all.trace);
  const auto happened = [&](Happening what) { return all.happened[static_cast<std::size_t>(what)]; };
  EXPECT_GT(all.at_rest, 100U);
  EXPECT_GT(happened(Happening::Take) + happened(Happening::TakeArrivals) + happened(Happening::TakeGroup), 0U);
  const bool groups =
      std::ranges::any_of(GetParam().plans, [](const Plan& plan) { return plan.manner == Manner::Held; });
  for (const Happening what : {Happening::Hold, Happening::Complete, Happening::Park, Happening::SayReady,
                               Happening::Commit, Happening::TakeGroup, Happening::Abort})
    EXPECT_EQ(happened(what) > 0, groups);
  for (const Happening what : {Happening::Kill, Happening::NoticeDeath, Happening::Cancel, Happening::Close,
                               Happening::ReceiveTableFull, Happening::Write}) {
    const bool nobody_left = GetParam().together && GetParam().processes == 2;
    const bool unused = (what == Happening::Write && GetParam().budget.uses == 0) ||
                        (what == Happening::Cancel && groups);  // a group is called off whole
    EXPECT_TRUE(happened(what) > 0 || (what == Happening::NoticeDeath && nobody_left) || unused);
  }
  std::cout << GetParam().name << (extent == Extent::Small ? " (smaller bounds)" : "") << ": " << all.states
            << " states, " << all.transitions << " transitions, " << all.at_rest << " at rest, depth " << all.depth
            << '\n';
}
INSTANTIATE_TEST_SUITE_P(Of, EveryOrder, testing::ValuesIn(scenarios(extent)), name_of);

TEST(RandomRuns, KeepThePromise) {
  std::array<std::size_t, happenings> happened{};
  Walk total;
  for (std::uint64_t seed = 1; seed <= random_runs; ++seed) {
    const Walk found = walk(seed, false);
    ASSERT_EQ(found.broken, "") << "sim_random --seed " << seed << " --runs 1 --log" << lines(walk(seed, true).log);
    total.events += found.events;
    total.moves += found.moves;
    total.groups += found.groups;
    total.frames += found.frames;
    for (std::size_t i = 0; i < happenings; ++i) happened[i] += found.happened[i];
  }
  for (std::size_t i = 0; i < happenings; ++i) EXPECT_GT(happened[i], 0U) << "never happened: " << i;
  std::cout << random_runs << " runs: " << total.events << " events, " << total.moves << " moves, " << total.groups
            << " groups, " << total.frames << " frames through the codec\n";
}

TEST(RandomRuns, AreTheSameForTheSameSeed) {
  for (const std::uint64_t seed : {1U, 77U, 4711U}) EXPECT_EQ(walk(seed, true).log, walk(seed, true).log);
}

/// The key by which the search knows a world says all of it, and a frame is the same before the codec and behind it.
TEST(World, IsTheSameAfterEncodingAndDecoding) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    sim::Setup setup = random_setup(seed);
    sim::Setup plain = setup;
    plain.codec = false;
    World world{setup};
    World untravelled{plain};
    std::vector<Event> events;
    std::string key;
    std::string again;
    for (std::size_t step = 0; step < 60; ++step) {
      enumerate(setup, world, events);
      if (events.empty()) break;
      const Event event = events[(seed * 7919 + step * 104729) % events.size()];
      happen(setup, world, event);
      happen(plain, untravelled, event);
      encode(world, key);
      encode(untravelled, again);
      ASSERT_EQ(key, again) << "the codec makes a difference, seed " << seed;
      World copy;
      decode(key, copy);
      encode(copy, again);
      ASSERT_EQ(key, again);
      ASSERT_EQ(broken_in(setup, copy), broken_in(setup, world));
    }
  }
}

}  // namespace
}  // namespace baton::sim
