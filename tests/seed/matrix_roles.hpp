// SPDX-License-Identifier: MIT
// baton: seed/matrix_roles.hpp: client, listener and server of one cell of the matrix.
//
// A cell moves `moves` connections, one after the other. After each the listener closes its accept descriptor at once,
// or after the outcome; it keeps the link for the next move after every other one.
//
//   client <--TCP--> listener --offer, answer--> server
//                       | data stop
//                       |---- Handover, as user data on the link ---->|
//                       |---- call ---------------------------------->| takes, serves the client to the end
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>

#include "support/octets.hpp"
#include "support/process.hpp"
#include "support/waiter.hpp"

namespace baton::test {

/// What the client and the listener are doing while the connection moves.
enum class Doing {
  ClientIdle,
  ClientSends,     // throughout
  ClientReceives,  // throughout
  HalfClosed,      // the client has sent everything and closed its side
  PartRead,        // the listener has read a part and offers it
  UnsentOutput,    // the kernel holds what the listener has written, for the client does not read
};
[[nodiscard]] const char* name_of(Doing doing) noexcept;

struct Cell {
  int family = AF_INET;
  Waits waits = Waits::Blocking;
  Doing doing = Doing::ClientIdle;
};

inline constexpr unsigned moves = 4;
/// After these the listener asks for the outcome before it closes the accept descriptor.
[[nodiscard]] constexpr bool waits_for_outcome(unsigned move) { return move == 1 || move == 2; }
/// After these it keeps the link.
[[nodiscard]] constexpr bool keeps_link(unsigned move) { return move % 2 == 0; }

/// Streams are named after the move and the direction.
[[nodiscard]] constexpr std::uint64_t upward(unsigned move) { return 2 * std::uint64_t{move} + 10; }
[[nodiscard]] constexpr std::uint64_t downward(unsigned move) { return 2 * std::uint64_t{move} + 11; }

/// What each side says of one connection in the end; listener and server as one.
struct Account {
  Tally client_sent;
  Tally client_received;
  Tally served_received;
  Tally served_sent;
};

/// What the roles share. Mailboxes: made before the fork.
struct Stage {
  Mailbox server_ready;
  Mailbox port;         // of the listener's TCP socket
  Mailbox client_done;  // HalfClosed, PartRead: the client has sent what comes before the move
  Mailbox under_way;    // ClientReceives: the client has read something
  Mailbox taken;        // the server has the end point: the client goes on, or stops sending
  Shared<std::array<Account, moves>> accounts;
};

void run_client(const Cell& cell, const Stage& stage);
void run_listener(const Cell& cell, const Stage& stage);
void run_server(const Cell& cell, const Stage& stage);

}  // namespace baton::test
