// SPDX-License-Identifier: MIT
// baton: load/soak.hpp: very many connections in one process, all moved to another and back, again and again, under
// traffic: what the roles share.
//
//   client ==== connections ==== member 0 <---- link ----> member 1
//
// A round moves every connection from the member that holds them to the other; the members take turns. Both serve what
// they hold all the while. Every octet both ways is checked, and goes on where the last holder left it.
// Threads: one in each role.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "support/octets.hpp"
#include "support/process.hpp"

namespace baton::load {

struct Settings {
  std::uint32_t connections = 10000;
  std::uint32_t active = 100;  // connections with a message under way at any time
  std::uint64_t moves = 0;     // ends after the round that reaches it; 0: by time
  std::uint64_t seconds = 60;  // ends after the round in which they pass; with `moves`: no limit
  std::uint32_t room = 0;  // RLIMIT_NOFILE of member 1, less than the connections: it takes what it can; 0: as it is
};

/// Of a connection. Whoever holds it reads and writes `received` and `sent`; the client the rest, at the end.
struct Connection {
  test::Tally received;
  test::Tally sent;
  test::Tally client_sent;
  test::Tally client_received;
};

struct MemberState {
  std::atomic<std::uint64_t> given;      // moves that ended with "taken"
  std::atomic<std::uint64_t> came_back;  // ... with the end point back
  std::atomic<std::uint64_t> held;
  std::atomic<std::uint64_t> descriptors;
  std::atomic<std::uint64_t> memory;  // octets
  std::atomic<std::uint64_t> longest_pause_ns;
  std::atomic<std::uint64_t> pause_total_ns;
  std::atomic<std::uint64_t> pauses;
  std::atomic<bool> full;  // its descriptor table has no room
  // When this member holds none, after its second round and last: equal where nothing leaks.
  std::uint64_t descriptors_before;
  std::uint64_t descriptors_after;
  std::uint64_t memory_before;
  std::uint64_t memory_after;
};

struct State {
  Settings settings;
  std::atomic<std::uint32_t> round;  // member `round % 2` gives
  std::atomic<bool> stop;            // no further round
  std::atomic<bool> over;            // no round goes on: the client may close
  std::array<MemberState, 2> members;
  std::atomic<std::uint64_t> exchanges;
  std::atomic<std::uint64_t> longest_exchange_ns;
  std::atomic<std::uint64_t> longest_round_ns;
  std::atomic<std::uint64_t> rounds_ns;
};

struct Stage {
  Stage(const Settings& settings);
  test::Shared<State> state;
  test::SharedMemory memory;
  std::span<Connection> connections;
  test::Mailbox port;
  test::Mailbox accepted;
  test::Mailbox listening;
};

/// The streams of a connection.
[[nodiscard]] constexpr std::uint64_t upward(std::uint32_t connection) noexcept { return connection * 2ULL + 1; }
[[nodiscard]] constexpr std::uint64_t downward(std::uint32_t connection) noexcept { return connection * 2ULL + 2; }
inline constexpr std::size_t message_size = 64;

/// Rounds by express moves and by the seed's steps take turns, two of each. Who has no room says so by its credit.
[[nodiscard]] constexpr bool is_express(const Settings& settings, std::uint32_t round) noexcept {
  return settings.room > 0 || round / 2 % 2 == 0;
}

void raise_descriptor_limit();

void run_client(const Stage& stage);
void run_member(const Stage& stage, std::uint32_t number);

}  // namespace baton::load
