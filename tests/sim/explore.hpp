// SPDX-License-Identifier: MIT
// baton: sim/explore.hpp: every world that can be reached from a setup, breadth first.
//
// A world is known by 128 bits of hash of its octets (state_key.cpp): two different worlds are taken for one with a
// probability below 10^-24 at ten million worlds. Because the search is breadth first, the first counterexample is a
// shortest one. Every run ends: the graph has no cycle, and in each world from which no progress leads on the
// invariants of rest hold; so whatever happened before, when the living parties go on, every move comes to its end.
// Threads: none.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "events.hpp"
#include "setup.hpp"

namespace baton::sim {

struct Exploration {
  std::size_t states = 0;
  std::size_t transitions = 0;
  std::size_t at_rest = 0;
  std::size_t depth = 0;                           // events of the longest of the shortest ways
  bool complete = true;                            // false: `limit` was reached
  bool acyclic = true;                             // known only where nothing is broken and the search is complete
  std::array<std::size_t, happenings> happened{};  // transitions of each kind
  std::string broken;                              // empty: all invariants hold
  std::vector<std::string> trace;                  // the events that lead there
};

/// `limit`: most states.
[[nodiscard]] Exploration explore(const Setup& setup, std::size_t limit);

}  // namespace baton::sim
