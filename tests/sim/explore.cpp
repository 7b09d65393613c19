// SPDX-License-Identifier: MIT
#include "explore.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <deque>
#include <utility>

#include "invariants.hpp"

namespace baton::sim {
namespace {

struct Fingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 32U;
  value *= 0xd6e8feb86659fd93U;
  value ^= value >> 32U;
  value *= 0xd6e8feb86659fd93U;
  return value ^ value >> 32U;
}

Fingerprint fingerprint(const std::string& key) {
  std::uint64_t one = 0x9e3779b97f4a7c15U + key.size();
  std::uint64_t two = 0xc2b2ae3d27d4eb4fU;
  for (std::size_t at = 0; at < key.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, key.data() + at, std::min<std::size_t>(8, key.size() - at));
    one = mix(one ^ word);
    two = mix(std::rotl(two, 23) + word * 0x9ddfea08eb382d69U);
  }
  return {one, two};
}

/// Fingerprint -> number of the world. Open addressing; never shrinks.
class Known {
 public:
  /// The world's number, and whether it is new.
  std::pair<std::uint32_t, bool> add(Fingerprint print) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    Slot& slot = find(print);
    if (slot.number != 0) return {slot.number - 1, false};
    slot = {print, ++count_};
    return {count_ - 1, true};
  }

 private:
  struct Slot {
    Fingerprint print;
    std::uint32_t number = 0;  // 0: free
  };
  Slot& find(Fingerprint print) {
    std::size_t at = print.low & (slots_.size() - 1);
    while (slots_[at].number != 0 && slots_[at].print != print) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }
  void grow() {
    std::vector<Slot> old(std::max<std::size_t>(1024, slots_.size() * 2));
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.number != 0) find(slot.print) = slot;
  }
  std::vector<Slot> slots_;
  std::uint32_t count_ = 0;
};

struct Way {
  std::uint32_t from = 0;
  std::uint16_t choice = 0;
};

std::vector<std::string> trace_to(const Setup& setup, const std::vector<Way>& ways, std::uint32_t at,
                                  const std::vector<std::uint16_t>& and_then = {}) {
  std::vector<std::uint16_t> choices;
  for (; at != 0; at = ways[at].from) choices.push_back(ways[at].choice);
  std::ranges::reverse(choices);
  const std::size_t there = choices.size();
  choices.insert(choices.end(), and_then.begin(), and_then.end());
  World world{setup};
  std::vector<Event> events;
  std::vector<std::string> trace;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    enumerate(setup, world, events);
    trace.push_back((i < there ? "" : "for ever: ") + describe(setup, world, events[choices[i]]));
    happen(setup, world, events[choices[i]]);
  }
  return trace;
}

/// Events from a world to itself again.
struct Cycle {
  std::uint32_t world = 0;
  std::vector<std::uint16_t> choices;  // none: there is no cycle
};

/// The worlds can be put in an order that every event follows, or there is a cycle. `successors` of world i lie before
/// `ends[i]`.
Cycle find_cycle(const std::vector<std::uint32_t>& successors, const std::vector<std::size_t>& ends) {
  const auto first = [&](std::uint32_t at) { return at == 0 ? std::size_t{0} : ends[at - 1]; };
  std::vector<std::uint32_t> entries(ends.size());
  for (const std::uint32_t each : successors) ++entries[each];
  std::vector<std::uint32_t> ready{0};
  std::size_t ordered = 0;
  for (; !ready.empty(); ++ordered) {
    const std::uint32_t at = ready.back();
    ready.pop_back();
    for (std::size_t i = first(at); i < ends[at]; ++i)
      if (--entries[successors[i]] == 0) ready.push_back(successors[i]);
  }
  if (ordered == ends.size()) return {};
  // Each of the rest comes after another of the rest: back from one to the other, until one is there again.
  std::vector<Way> before(ends.size());
  for (std::uint32_t at = 0; at < ends.size(); ++at)
    for (std::size_t i = first(at); entries[at] > 0 && i < ends[at]; ++i)
      before[successors[i]] = {at, static_cast<std::uint16_t>(i - first(at))};
  auto at =
      static_cast<std::uint32_t>(std::ranges::find_if(entries, [](auto each) { return each > 0; }) - entries.begin());
  std::vector<bool> seen(ends.size());
  for (; !seen[at]; at = before[at].from) seen[at] = true;
  Cycle cycle{at, {}};
  do {
    cycle.choices.push_back(before[at].choice);
    at = before[at].from;
  } while (at != cycle.world);
  std::ranges::reverse(cycle.choices);
  return cycle;
}

}  // namespace

Exploration explore(const Setup& setup, std::size_t limit) {
  Exploration result;
  Known known;
  std::vector<Way> ways{Way{}};
  std::vector<std::uint32_t> successors;
  std::vector<std::size_t> ends;
  std::deque<std::string> frontier;
  std::size_t last_of_level = 0;

  World world{setup};
  World next;
  std::string key;
  std::vector<Event> events;
  encode(world, key);
  known.add(fingerprint(key));
  frontier.push_back(key);
  for (std::uint32_t at = 0; !frontier.empty(); ++at) {
    decode(frontier.front(), world);
    frontier.pop_front();
    enumerate(setup, world, events);
    bool rest = true;
    for (std::size_t choice = 0; choice < events.size(); ++choice) {
      rest = rest && !is_progress(events[choice].what);
      ++result.happened[static_cast<std::size_t>(events[choice].what)];
      next = world;
      happen(setup, next, events[choice]);
      encode(next, key);
      const auto [number, is_new] = known.add(fingerprint(key));
      successors.push_back(number);
      const bool broken_by_step = !next.broken.empty();
      if (!is_new && !broken_by_step) continue;
      if (is_new) ways.push_back({at, static_cast<std::uint16_t>(choice)});
      if (std::string why = broken_in(setup, next); !why.empty()) {
        result.broken = std::move(why);
        result.trace = trace_to(setup, ways, at);
        result.trace.push_back(describe(setup, world, events[choice]));
        result.states = ways.size();
        result.transitions = successors.size();
        return result;
      }
      if (is_new) frontier.push_back(key);
    }
    ends.push_back(successors.size());
    if (rest) {
      ++result.at_rest;
      if (std::string why = broken_at_rest(setup, world); !why.empty()) {
        result.broken = std::move(why);
        result.trace = trace_to(setup, ways, at);
        break;
      }
    }
    if (at == last_of_level) {
      last_of_level = ways.size() - 1;
      if (!frontier.empty()) ++result.depth;
    }
    if (ways.size() > limit) {
      result.complete = false;
      break;
    }
  }
  result.states = ways.size();
  result.transitions = successors.size();
  if (result.complete && result.broken.empty()) {
    const Cycle cycle = find_cycle(successors, ends);
    result.acyclic = cycle.choices.empty();
    if (!result.acyclic) result.trace = trace_to(setup, ways, cycle.world, cycle.choices);
  }
  return result;
}

}  // namespace baton::sim
