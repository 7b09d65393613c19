// SPDX-License-Identifier: MIT
// baton: os/tcp.hpp: TCP sockets as a carrier of other protocols.
//
// New ones are close-on-exec and have TCP_NODELAY and SO_KEEPALIVE set (RFC 2126 6.1, 6.2). Threads: any.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>

#include "base/unique_fd.hpp"
#include "os/result.hpp"
#include "os/socket.hpp"

namespace baton::os {

/// Not connected. `domain` AF_INET or AF_INET6.
[[nodiscard]] Result<UniqueFd> tcp_socket(int domain, bool nonblocking) noexcept;
/// connect(2) that never waits: true when connected. Called again it tells how far it is: false while under way, then
/// true or the error with which it failed.
[[nodiscard]] Result<bool> connect_step(FdRef socket, const Address& to) noexcept;
/// Non-blocking, with SO_REUSEADDR; an AF_INET6 one takes no IPv4. Errors: bind(2), listen(2).
[[nodiscard]] Result<UniqueFd> tcp_listener(const Address& at, int backlog) noexcept;
/// The next connection of a listener, in blocking mode. Errors: accept4(2).
[[nodiscard]] Result<UniqueFd> accept_tcp(FdRef listener) noexcept;
/// A connection that another process has accepted becomes as accept_tcp() gives it: blocking, with the options above,
/// without the other's signals and lingering.
void make_accepted(FdRef connection) noexcept;

struct StreamFlags {
  bool peek = false;  // what is read stays
  bool wait = false;  // as the socket's mode says; else never
};
/// What is there, at most the room; 0 at the end of input (and only there: the room is not empty). EAGAIN: nothing.
[[nodiscard]] Result<std::size_t> receive_stream(FdRef socket, std::span<const iovec> room,
                                                 StreamFlags flags = {}) noexcept;
/// Gives how many octets the kernel has taken, perhaps fewer than there are. EAGAIN: none. Never raises SIGPIPE.
[[nodiscard]] Result<std::size_t> send_stream(FdRef socket, std::span<const iovec> octets) noexcept;

/// Octets that have arrived and are not read; 0 where the kernel does not say.
[[nodiscard]] std::size_t unread_octets(FdRef socket) noexcept;

/// Nothing more comes: reads give the end, and the socket polls readable from now on.
void end_input(FdRef socket) noexcept;
/// The peer is told that nothing more comes (FIN).
void end_output(FdRef socket) noexcept;

}  // namespace baton::os
