// SPDX-License-Identifier: MIT
// baton: sim/random_walk.hpp: long runs in large worlds: many processes, many moves, batches, everything may go wrong.
//
// One seed is one run: the setup (a chain of processes with some further links, connections with their ways, what may
// go wrong) and every choice come from it alone. Frames travel through the real codec. Threads: none.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "events.hpp"
#include "setup.hpp"

namespace baton::sim {

struct Walk {
  std::size_t events = 0;
  std::size_t moves = 0;   // begun
  std::size_t groups = 0;  // completed by L
  std::size_t frames = 0;  // queued, each written and read by the codec
  std::array<std::size_t, happenings> happened{};
  std::string broken;
  std::vector<std::string> log;  // only where asked for
};

[[nodiscard]] Setup random_setup(std::uint64_t seed);
[[nodiscard]] Walk walk(std::uint64_t seed, bool with_log, Mutant mutant = Mutant::None);

}  // namespace baton::sim
