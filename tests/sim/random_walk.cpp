// SPDX-License-Identifier: MIT
#include "random_walk.hpp"

#include <algorithm>

#include "invariants.hpp"

namespace baton::sim {
namespace {

/// SplitMix64: the same numbers everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15U} {}
  std::uint64_t next() {
    std::uint64_t value = state_ += 0x9e3779b97f4a7c15U;
    value = (value ^ value >> 30U) * 0xbf58476d1ce4e5b9U;
    value = (value ^ value >> 27U) * 0x94d049bb133111ebU;
    return value ^ value >> 31U;
  }
  /// 0 .. below - 1.
  std::size_t below(std::size_t below) { return static_cast<std::size_t>(next() % below); }
  std::uint8_t up_to(std::size_t most) { return static_cast<std::uint8_t>(below(most + 1)); }
  bool in(std::size_t percent) { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

constexpr std::size_t most_plans = 96;

/// `count` connections over one link in one CALL, or in one group: plans with consecutive numbers.
void add_batch(Setup& setup, Dice& dice, Id link, Id giver_end) {
  const std::size_t count = 1 + dice.below(std::min<std::size_t>(8, setup.homes.size()));
  const std::size_t first = dice.below(setup.homes.size());
  const Manner manner = dice.in(50) ? Manner::Express : Manner::Held;
  for (std::size_t i = 0; i < count && setup.plans.size() < most_plans; ++i)
    setup.plans.push_back({static_cast<Id>((first + i) % setup.homes.size()), link, giver_end, manner});
}

/// A connection's way along the chain.
void add_journey(Setup& setup, Dice& dice) {
  const Id connection = static_cast<Id>(dice.below(setup.homes.size()));
  Id at = setup.homes[connection];
  const std::size_t legs = 1 + dice.below(setup.processes);
  for (std::size_t leg = 0; leg < legs && setup.plans.size() < most_plans; ++leg) {
    std::vector<Port> ways;
    for (Id link = 0; link < setup.links.size(); ++link)
      for (Id end = 0; end < 2; ++end)
        if (process_at(setup, {link, end}) == at) ways.push_back({link, end});
    const Port way = ways[dice.below(ways.size())];
    const Manner manner = dice.in(60) ? Manner::Seed : dice.in(60) ? Manner::Express : Manner::Held;
    setup.plans.push_back({connection, way.link, way.end, manner});
    at = process_at(setup, other(way));
  }
}

Budget random_budget(Dice& dice, std::size_t processes) {
  // A quiet half, in which the moves get far, and a wild one.
  const std::size_t much = dice.in(50) ? 1 : 4;
  Budget budget;
  budget.deaths = dice.up_to(std::min(processes, much));
  budget.cancels = dice.up_to(2 * much);
  budget.abandons = dice.up_to(much / 2);
  budget.give_ups = dice.up_to(much);
  budget.closed_numbers = dice.up_to(much);
  budget.closes = dice.up_to(much);
  budget.plain_closes = dice.up_to(much / 2);
  budget.forks = dice.up_to(much / 2);
  budget.shortages = dice.up_to(2 * much);
  budget.timeouts = dice.up_to(much);
  budget.late_reads = dice.up_to(much / 2);
  budget.client_octets = dice.up_to(8 * much);
  budget.client_ends = dice.up_to(much);
  budget.uses = dice.up_to(12 * much);
  return budget;
}

std::size_t queued_frames(const World& world) {
  std::size_t count = 0;
  for (const Link& link : world.links)
    for (const End& end : link.ends) count += end.queue.size();
  return count;
}

}  // namespace

Setup random_setup(std::uint64_t seed) {
  Dice dice{seed};
  Setup setup;
  setup.name = "seed " + std::to_string(seed);
  setup.processes = static_cast<Id>(2 + dice.below(max_processes - 1));
  for (Id process = 0; process + 1 < setup.processes; ++process)
    setup.links.push_back({process, static_cast<Id>(process + 1)});
  for (std::size_t more = dice.below(3); more > 0; --more) {
    const Id from = static_cast<Id>(dice.below(setup.processes));
    const Id to = static_cast<Id>(dice.below(setup.processes));
    if (from != to) setup.links.push_back({from, to});
  }
  setup.homes.resize(1 + dice.below(10));
  for (Id each = 0; each < setup.homes.size(); ++each)
    if (dice.in(10)) setup.listening.push_back(each);
  const bool scattered = dice.in(40);
  for (Id& home : setup.homes) home = scattered ? static_cast<Id>(dice.below(setup.processes)) : Id{0};
  const std::size_t groups = 1 + dice.below(12);
  for (std::size_t group = 0; group < groups && setup.plans.size() < most_plans; ++group) {
    if (dice.in(35))
      add_batch(setup, dice, static_cast<Id>(dice.below(setup.links.size())), static_cast<Id>(dice.below(2)));
    else
      add_journey(setup, dice);
  }
  setup.budget = random_budget(dice, setup.processes);
  setup.capacity = static_cast<std::uint8_t>(1 + dice.below(8));
  setup.credit = static_cast<std::uint8_t>(1 + dice.below(8));
  setup.octets = dice.up_to(3);
  setup.refusals = dice.in(50);
  setup.codec = true;
  return setup;
}

Walk walk(std::uint64_t seed, bool with_log, Mutant mutant) {
  Walk result;
  Setup setup = random_setup(seed);
  setup.mutant = mutant;
  Dice dice{~seed};
  const std::size_t haste = 60 + dice.below(39);  // percent of the choices that go to progress
  World world{setup};
  std::vector<Event> events;
  std::vector<Event> some;
  for (;;) {
    enumerate(setup, world, events);
    some.clear();
    const bool progress = std::ranges::any_of(events, [](const Event& each) { return is_progress(each.what); });
    if (!progress) {
      result.broken = broken_at_rest(setup, world);
      // What is left may never happen. Sometimes it does not.
      if (!result.broken.empty() || events.empty() || dice.in(20)) return result;
    }
    const bool wanted = progress && dice.in(haste);
    std::ranges::copy_if(events, std::back_inserter(some),
                         [&](const Event& each) { return is_progress(each.what) == wanted; });
    if (some.empty()) some = events;
    const Event event = some[dice.below(some.size())];
    if (with_log) result.log.push_back(describe(setup, world, event));
    const std::size_t frames = queued_frames(world);
    happen(setup, world, event);
    const std::size_t after = queued_frames(world);
    result.frames += after > frames ? after - frames : 0;
    ++result.events;
    ++result.happened[static_cast<std::size_t>(event.what)];
    if (event.what == Happening::Offer) ++result.moves;
    if (event.what == Happening::Give || event.what == Happening::Hold) result.moves += event.count;
    if (event.what == Happening::BeginToSend && event.subject != none) result.moves += event.count;
    if (event.what == Happening::Complete) ++result.groups;
    result.broken = broken_in(setup, world);
    if (!result.broken.empty()) return result;
  }
}

}  // namespace baton::sim
