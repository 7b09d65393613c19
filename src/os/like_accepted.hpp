// SPDX-License-Identifier: MIT
// baton: os/like_accepted.hpp: a TCP connection that came another way becomes as accept4(2) on a listening socket gives
// it.
//
// Threads: any.
#pragma once

#include "base/unique_fd.hpp"
#include "os/socket.hpp"

namespace baton::os {

/// Gives `connection` the options that Linux copies from a listening socket, and the `flags` SOCK_NONBLOCK and
/// SOCK_CLOEXEC.
void make_like_accepted(FdRef connection, FdRef listening, int flags) noexcept;

/// Whose addresses a listening TCP socket shows: AF_INET; AF_INET6, which shows ::ffff:a.b.c.d too; 0: any as it is,
/// for one for IPv6 alone has another for IPv4 beside it.
[[nodiscard]] int shown_family(FdRef listening) noexcept;
/// `peer` as such a socket shows it.
[[nodiscard]] Address as_shown(const Address& peer, int shown_family) noexcept;

}  // namespace baton::os
