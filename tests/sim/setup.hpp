// SPDX-License-Identifier: MIT
// baton: sim/setup.hpp: what a simulated world begins with: who is there, what is to move, and what may go wrong.
//
// A setup never changes during a run; the world (world.hpp) is what does. `Budget` bounds what need not happen: a run
// ends because every such event uses one unit up. Threads: plain values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "mutants.hpp"

namespace baton::sim {

/// Number of a process, connection, link or move.
using Id = std::uint8_t;
inline constexpr Id none = 0xff;

/// A link joins two processes; end 0 is that of `first`.
struct LinkSetup {
  Id first = 0;
  Id second = 1;
};

enum class Manner : std::uint8_t { Seed, Express, Held };

/// One attempt to move a connection over a link, begun by the process at `giver_end`. Its number is its move id.
struct Plan {
  Id connection = 0;
  Id link = 0;
  Id giver_end = 0;
  Manner manner = Manner::Seed;
};

/// How often something that need not happen may happen.
struct Budget {
  std::uint8_t deaths = 0;
  std::uint8_t cancels = 0;         // L's time is over, or it wants the end point back, or the whole group
  std::uint8_t abandons = 0;        // L's program lets go without knowing
  std::uint8_t give_ups = 0;        // S's program closes the number that stands for an end point to come, or aborts
  std::uint8_t closed_numbers = 0;  // L's program closes the number of an end point that is moving
  std::uint8_t closes = 0;          // soc_close of a link
  std::uint8_t plain_closes = 0;    // close(2) of a link, behind the library's back
  std::uint8_t forks = 0;           // a child inherits the link's end, and may exit
  std::uint8_t shortages = 0;       // S's table is full when a descriptor comes
  std::uint8_t timeouts = 0;        // the time of a call is over that waits for room: TAKEN, or a group's frames
  std::uint8_t late_reads = 0;      // a call that was inside the kernel at the data stop reads an octet
  std::uint8_t client_octets = 0;   // C sends one
  std::uint8_t client_ends = 0;     // C half-closes or resets
  std::uint8_t uses = 0;            // a program reads or writes an octet
  friend bool operator==(const Budget&, const Budget&) = default;
};

struct Setup {
  std::string name;
  Id processes = 2;
  std::vector<LinkSetup> links;
  std::vector<Id> homes;      // of each connection: the process that has it first
  std::vector<Id> listening;  // connections that are none: listening sockets, whose clients wait to be accepted
  std::vector<Plan> plans;
  Budget budget;
  std::uint8_t capacity = 8;   // frames that fit into one direction of a link
  std::uint8_t credit = 0;     // express and held moves that a taker announces; 0: it announces nothing
  std::uint8_t octets = 1;     // that each client has sent before the beginning
  bool refusals = true;        // S may refuse an offer
  std::uint8_t mortal = 0xff;  // processes that may die, a bit for each
  bool together = false;       // ... all in one event, as when a service manager kills a whole service
  bool codec = false;          // frames travel as octets, written and read by the real codec
  Mutant mutant = Mutant::None;
};

[[nodiscard]] constexpr bool is_mortal(const Setup& setup, Id process) { return (setup.mortal >> process & 1U) != 0; }

[[nodiscard]] constexpr bool is_listening(const Setup& setup, Id connection) {
  return std::ranges::find(setup.listening, connection) != setup.listening.end();
}

}  // namespace baton::sim
