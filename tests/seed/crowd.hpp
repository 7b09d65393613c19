// SPDX-License-Identifier: MIT
// baton: seed/crowd.hpp: many clients at once, each with streams of its own, and who serves them before and after a
// move.
//
//   client k  --- stream 2k+1, first_part octets --> listener reads `read_before_move` of them
//             ... move ...
//             --- second_part octets, end of file -> server reads all that is left
//             <-- stream 2k+2, answer_part octets, end of file
//
// Whoever serves a connection as that of the wrong client finds the wrong octets.
#pragma once

#include <cstdint>
#include <vector>

#include "support/octets.hpp"
#include "support/process.hpp"
#include "support/seed_steps.hpp"

namespace baton::test {

inline constexpr std::uint64_t first_part = 700;
inline constexpr std::uint64_t second_part = 300;
inline constexpr std::uint64_t answer_part = 500;
inline constexpr std::size_t read_before_move = 100;

/// Connects `count` clients to the port that comes by `port`, waits for a number by `moved`, and acts as above. Ends
/// when every client has its whole answer.
void run_clients(std::size_t count, const Mailbox& port, const Mailbox& moved);

/// What goes with a connection: whose it is, and what the listener has read of it.
struct Passport {
  std::uint32_t client = 0;
  std::array<std::byte, read_before_move> octets;
};
[[nodiscard]] inline MutableBytes octets_of(Passport& passport) {
  return std::as_writable_bytes(std::span{&passport, 1});
}

struct Guest {
  EndPoint end_point;
  Passport passport;
};
/// Listens, sends the port, accepts `count` clients and reads the first octets of each.
[[nodiscard]] std::vector<Guest> accept_clients(const Steps& steps, std::size_t count, const Mailbox& port);

/// The server's part, to the end, and the close. Blocking mode.
void serve_to_the_end(const Steps& steps, int number, const Passport& passport);

}  // namespace baton::test
