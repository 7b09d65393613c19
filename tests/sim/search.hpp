// SPDX-License-Identifier: MIT
// baton: sim/search.hpp: every world of a model that can be reached from its first one, breadth first.
//
// A world is known by 128 bits of hash of its octets: two different worlds are taken for one with a probability below
// 10^-24 at ten million worlds. Because the search is breadth first, the first counterexample is a shortest one. Every
// run ends: the graph has no cycle, and in each world from which no progress leads on the invariants of rest hold; so
// whatever happened before, when the living parties go on, every move comes to its end.
//
// A Model has the types World and Event, the number `kinds` of kinds of events, and: first(), enumerate(world, events),
// happen(world, event), describe(world, event), is_progress(event), kind_of(event), broken_in(world),
// broken_at_rest(world), broken_by_step(world), encode(world, key), decode(key, world). Threads: none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace baton::sim {

struct Exploration {
  std::size_t states = 0;
  std::size_t transitions = 0;
  std::size_t at_rest = 0;
  std::size_t depth = 0;              // events of the longest of the shortest ways
  bool complete = true;               // false: `limit` was reached
  bool acyclic = true;                // known only where nothing is broken and the search is complete
  std::vector<std::size_t> happened;  // transitions of each kind
  std::string broken;                 // empty: all invariants hold
  std::vector<std::string> trace;     // the events that lead there
};

namespace search_detail {

struct Fingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

[[nodiscard]] Fingerprint fingerprint(const std::string& key);

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

/// Events from a world to itself again.
struct Cycle {
  std::uint32_t world = 0;
  std::vector<std::uint16_t> choices;  // none: there is no cycle
};

/// The worlds can be put in an order that every event follows, or there is a cycle. `successors` of world i lie before
/// `ends[i]`.
[[nodiscard]] Cycle find_cycle(const std::vector<std::uint32_t>& successors, const std::vector<std::size_t>& ends);

template <class Model>
std::vector<std::string> trace_to(const Model& model, const std::vector<Way>& ways, std::uint32_t at,
                                  const std::vector<std::uint16_t>& and_then = {}) {
  std::vector<std::uint16_t> choices;
  for (; at != 0; at = ways[at].from) choices.push_back(ways[at].choice);
  std::ranges::reverse(choices);
  const std::size_t there = choices.size();
  choices.insert(choices.end(), and_then.begin(), and_then.end());
  typename Model::World world = model.first();
  std::vector<typename Model::Event> events;
  std::vector<std::string> trace;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    model.enumerate(world, events);
    trace.push_back((i < there ? "" : "for ever: ") + model.describe(world, events[choices[i]]));
    model.happen(world, events[choices[i]]);
  }
  return trace;
}

}  // namespace search_detail

/// `limit`: most states.
template <class Model>
Exploration search(const Model& model, std::size_t limit) {
  Exploration result;
  result.happened.resize(Model::kinds);
  using namespace search_detail;
  Known known;
  std::vector<Way> ways{Way{}};
  std::vector<std::uint32_t> successors;
  std::vector<std::size_t> ends;
  std::deque<std::string> frontier;
  std::size_t last_of_level = 0;

  typename Model::World world = model.first();
  typename Model::World next;
  std::string key;
  std::vector<typename Model::Event> events;
  model.encode(world, key);
  known.add(fingerprint(key));
  frontier.push_back(key);
  for (std::uint32_t at = 0; !frontier.empty(); ++at) {
    model.decode(frontier.front(), world);
    frontier.pop_front();
    model.enumerate(world, events);
    bool rest = true;
    for (std::size_t choice = 0; choice < events.size(); ++choice) {
      rest = rest && !model.is_progress(events[choice]);
      ++result.happened[model.kind_of(events[choice])];
      next = world;
      model.happen(next, events[choice]);
      model.encode(next, key);
      const auto [number, is_new] = known.add(fingerprint(key));
      successors.push_back(number);
      const bool broken_by_step = model.broken_by_step(next);
      if (!is_new && !broken_by_step) continue;
      if (is_new) ways.push_back({at, static_cast<std::uint16_t>(choice)});
      if (std::string why = model.broken_in(next); !why.empty()) {
        result.broken = std::move(why);
        result.trace = trace_to(model, ways, at);
        result.trace.push_back(model.describe(world, events[choice]));
        result.states = ways.size();
        result.transitions = successors.size();
        return result;
      }
      if (is_new) frontier.push_back(key);
    }
    ends.push_back(successors.size());
    if (rest) {
      ++result.at_rest;
      if (std::string why = model.broken_at_rest(world); !why.empty()) {
        result.broken = std::move(why);
        result.trace = trace_to(model, ways, at);
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
    if (!result.acyclic) result.trace = trace_to(model, ways, cycle.world, cycle.choices);
  }
  return result;
}

}  // namespace baton::sim
