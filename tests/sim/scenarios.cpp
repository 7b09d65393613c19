// SPDX-License-Identifier: MIT
#include "scenarios.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace baton::sim {
namespace {

constexpr Manner seed = Manner::Seed;
constexpr Manner express = Manner::Express;
constexpr Manner held = Manner::Held;

/// All that can go wrong with one move.
Setup one(Extent extent, const char* name, Manner manner) {
  Setup setup;
  setup.name = name;
  setup.links = {{0, 1}};
  setup.homes = {0};
  setup.plans = {{0, 0, 0, manner}};
  setup.credit = manner == seed ? 0 : 1;
  setup.budget = {.deaths = 2,
                  .cancels = 1,
                  .abandons = 1,
                  .give_ups = 1,
                  .closed_numbers = 1,
                  .closes = 1,
                  .plain_closes = 1,
                  .forks = 1,
                  .shortages = 1,
                  .timeouts = 1,
                  .late_reads = 1,
                  .client_octets = 0,
                  .client_ends = 1,
                  .uses = 1};
  if (extent == Extent::Small) setup.budget.abandons = setup.budget.client_ends = 0;
  if (extent != Extent::Full) return setup;
  setup.octets = 2;
  setup.budget.late_reads = 2;
  setup.budget.shortages = 2;
  setup.budget.closes = 2;
  setup.budget.uses = 2;
  return setup;
}

/// The same where one frame fills the link.
Setup one_narrow(Extent extent, const char* name, Manner manner) {
  Setup setup = one(extent, name, manner);
  setup.capacity = 1;
  setup.budget.abandons = 0;
  setup.budget.closed_numbers = 0;
  setup.budget.client_ends = 0;
  setup.budget.shortages = 1;
  return setup;
}

Budget of_two(Extent extent) {
  Budget budget{.deaths = 2, .cancels = 1, .closes = 1, .shortages = 1, .uses = 1};
  if (extent == Extent::Small) return budget;
  budget.cancels = 2;
  budget.give_ups = 1;
  budget.timeouts = 1;
  if (extent == Extent::Normal) return budget;
  budget.forks = 1;
  budget.plain_closes = 1;
  budget.closes = 2;
  budget.shortages = 2;
  return budget;
}

/// Two connections over one link, at once.
Setup two(Extent extent, const char* name, Manner first, Manner second, std::uint8_t capacity) {
  Setup setup;
  setup.name = name;
  setup.links = {{0, 1}};
  setup.homes = {0, 0};
  setup.plans = {{0, 0, 0, first}, {1, 0, 0, second}};
  setup.credit = static_cast<std::uint8_t>((first != seed ? 1 : 0) + (second != seed ? 1 : 0));
  setup.budget = of_two(extent);
  setup.capacity = capacity;
  if (capacity == 1 && first == express && second == express) setup.budget.forks = 1;
  return setup;
}

/// One connection from L to S and on to T.
Setup onward(Extent extent, const char* name, Manner first, Manner second) {
  Setup setup;
  setup.name = name;
  setup.processes = 3;
  setup.links = {{0, 1}, {1, 2}};
  setup.homes = {0};
  setup.plans = {{0, 0, 0, first}, {0, 1, 0, second}};
  setup.credit = first != seed || second != seed ? 1 : 0;
  setup.budget = of_two(extent);
  if (extent != Extent::Small) setup.budget.deaths = 3;
  setup.budget.uses = 1;
  return setup;
}

/// The same where only S may die, the listener of the second move, and more else goes wrong.
Setup onward_listener_dies(Extent extent, const char* name, Manner first, Manner second) {
  Setup setup = onward(extent, name, first, second);
  setup.mortal = 0b010;
  setup.budget.deaths = 1;
  setup.budget.late_reads = 1;
  setup.budget.plain_closes = 1;
  setup.octets = 2;
  if (extent == Extent::Full) setup.budget.closed_numbers = 1;
  return setup;
}

/// Both sides of a move are killed in one event. With a third process, to which S moves it on, that is L and S.
Setup together(Setup setup, const char* name) {
  setup.name = name;
  setup.mortal = 0b011;
  setup.together = true;
  setup.budget.deaths = 1;
  setup.budget.forks = 2;
  return setup;
}

/// A link on which each process gives one connection and takes the other's.
Setup both_ways(Extent extent, const char* name, Manner first, Manner second, std::uint8_t capacity) {
  Setup setup;
  setup.name = name;
  setup.links = {{0, 1}};
  setup.homes = {0, 1};
  setup.plans = {{0, 0, 0, first}, {1, 0, 1, second}};
  setup.credit = first != seed || second != seed ? 1 : 0;
  setup.budget = of_two(extent);
  setup.budget.closes = 2;
  setup.capacity = capacity;
  return setup;
}

/// One connection from L to S and back, over one link or over two.
Setup there_and_back(Extent extent, const char* name, Manner first, Manner second, Id links) {
  Setup setup;
  setup.name = name;
  setup.links.resize(links, {0, 1});
  setup.homes = {0};
  setup.plans = {{0, 0, 0, first}, {0, static_cast<Id>(links - 1), 1, second}};
  setup.credit = first != seed || second != seed ? 1 : 0;
  setup.budget = of_two(extent);
  setup.budget.closes = 2;
  return setup;
}

/// The second of two is a listening socket, at which a client waits.
Setup with_listening(Setup setup, const char* name) {
  setup.name = name;
  setup.listening = {1};
  return setup;
}

/// One connection is held twice: in one group that does not come about, then in another.
Setup again(Extent extent, const char* name) {
  Setup setup;
  setup.name = name;
  setup.links = {{0, 1}};
  setup.homes = {0, 0};
  setup.plans = {{0, 0, 0, held}, {0, 0, 0, held}, {1, 0, 0, held}};
  setup.credit = 1;
  setup.budget = of_two(extent);
  setup.budget.uses = 0;
  return setup;
}

}  // namespace

std::vector<Setup> scenarios(Extent extent) {
  // Of the larger ones a test run has time for no more than a sanitizer.
  const Extent less = extent == Extent::Normal ? Extent::Small : extent;
  return {
      one(less, "one move", seed),
      one(extent, "one express move", express),
      one_narrow(extent, "one move, narrow link", seed),
      one_narrow(extent, "one express move, narrow link", express),
      two(extent, "two moves", seed, seed, 8),
      two(less, "two moves, narrow link", seed, seed, 1),
      two(extent, "a move and an express move", seed, express, 8),
      two(extent, "two express moves", express, express, 8),
      two(extent, "two express moves, narrow link", express, express, 1),
      onward(extent, "onward", seed, seed),
      onward(extent, "onward by express", seed, express),
      onward(extent, "by express, onward", express, seed),
      both_ways(extent, "both ways", seed, seed, 8),
      both_ways(extent, "both ways, one express", seed, express, 8),
      both_ways(extent, "both ways by express", express, express, 8),
      both_ways(extent, "both ways by express, narrow link", express, express, 1),
      there_and_back(extent, "there and back", seed, seed, 1),
      there_and_back(extent, "there and back by express", express, express, 1),
      there_and_back(extent, "there and back on two links", seed, express, 2),
      together(one(less, "", seed), "one move, both die"),
      together(one(extent, "", express), "one express move, both die"),
      together(onward(less, "", seed, seed), "onward, both listeners die"),
      onward_listener_dies(less, "onward, its listener dies", seed, seed),
      onward_listener_dies(extent, "onward by express, its listener dies", express, express),
      one(less, "a group of one", held),
      two(less, "a group of two", held, held, 8),
      two(less, "a group of two, narrow link", held, held, 1),
      with_listening(two(less, "", held, held, 8), "a group with a listening socket"),
      two(less, "a group and an express move, narrow link", held, express, 1),
      again(extent, "a group, and the same again"),
      both_ways(less, "groups both ways", held, held, 8),
      onward(less, "onward in groups", held, held),
      together(one(less, "", held), "a group of one, both die"),
  };
}

Setup scenario(Extent extent, std::string_view name) {
  const auto all = scenarios(extent);
  const auto found = std::ranges::find(all, name, &Setup::name);
  BATON_CHECK(found != all.end());
  return *found;
}

Setup scenario_for(Mutant mutant) {
  const auto in = [mutant](const char* name) {
    Setup setup = scenario(Extent::Small, name);
    setup.mutant = mutant;
    return setup;
  };
  switch (mutant) {
    case Mutant::DeafWhileInDoubt:
    case Mutant::BlockedLinkCountsAsRead:
      return in("both ways");
    case Mutant::StaysOutOfRoom: {
      Setup setup = in("two moves");
      setup.budget.cancels = setup.budget.closes = setup.budget.uses = 0;
      setup.budget.forks = setup.budget.give_ups = 1;
      return setup;
    }
    case Mutant::ForgetsPromisedCredit:
      return in("one express move");
    case Mutant::DropsRepliesOnClose:
    case Mutant::WaitsForTheDead:
      return in("two express moves, narrow link");
    case Mutant::None:
    case Mutant::ClosesBeforeTaken:
    case Mutant::TakesBackOnLinkEnd:
    case Mutant::TimeoutDecides:
    case Mutant::IgnoresTakenOfTheDead:
    case Mutant::TakesBackUnverified:
    case Mutant::ServesDuringDataStop:
    case Mutant::UsesBeforeTaken:
    case Mutant::TakesBehindOwnCancelled:
    case Mutant::KeepsAfterCancelled:
    case Mutant::CancelBeatsDeadListener:
    case Mutant::RefusesDeadListener:
    case Mutant::DropsUnansweredOnClose:
    case Mutant::LinkEndBeforeCall:
    case Mutant::TakesUnchecked:
    case Mutant::ObeysUnhearing:
      return in("one move");
    case Mutant::ClosesHeldAtOnce:
    case Mutant::LetsGoAtCommit:
    case Mutant::CommitsUnready:
    case Mutant::AbortsCommitted:
    case Mutant::ForgetsAbortOfListener:
    case Mutant::HeldWaitsForDeath:
    case Mutant::UsesBeforeCommit:
    case Mutant::ForgetsAbortOfServer:
    case Mutant::DeathBeforeCommit:
    case Mutant::TakesGroupUnchecked:
      return in("a group of one");
    case Mutant::KeepsTheRest:
      return in("a group of two");
    case Mutant::ReadyTooEarly:
    case Mutant::TakesBehindOwnAbort: {  // after which no close comes to an end
      Setup setup = in("a group of one");
      setup.budget.closes = setup.budget.plain_closes = 0;
      return setup;
    }
    case Mutant::KeepsEmptyGroup: {
      Setup setup = in("a group, and the same again");
      setup.budget.give_ups = 1;
      return setup;
    }
    case Mutant::LeavesLateCall:
      return in("a group and an express move, narrow link");
  }
  return in("one move");
}

}  // namespace baton::sim
