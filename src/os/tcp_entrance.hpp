// SPDX-License-Identifier: MIT
// baton: os/tcp_entrance.hpp: TCP connections that are accepted for somebody else, who gets them as they came.
//
// Nothing is set on them but what these functions say. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/unique_fd.hpp"
#include "os/result.hpp"
#include "os/socket.hpp"

namespace baton::os {

enum class Families : std::uint8_t {
  One,   // the address' own: an AF_INET6 socket takes no IPv4
  Both,  // an AF_INET6 socket takes IPv4 too
};

/// Non-blocking, close-on-exec, with SO_REUSEADDR. Errors: socket(2), bind(2), listen(2).
[[nodiscard]] Result<UniqueFd> listen_for_others(const Address& at, int backlog, Families families) noexcept;

struct Accepted {
  UniqueFd connection;  // in blocking mode, close-on-exec
  Address peer;
};
/// Errors: accept4(2).
[[nodiscard]] Result<Accepted> accept_for_others(FdRef listener) noexcept;

/// SO_RCVLOWAT: the connection polls readable when so many octets are there, or no more will come. Errors:
/// setsockopt(2).
Result<void> set_low_mark(FdRef connection, std::size_t octets) noexcept;
/// The peer has sent its FIN, or the connection is gone.
[[nodiscard]] bool input_has_ended(FdRef connection) noexcept;

/// epoll(7): the set polls readable while a member does, or the peer of one ends.
Result<void> watch_input(FdRef set, FdRef member, std::uint64_t key) noexcept;
/// The keys of members that have events now, at most the room; gives how many. Never waits.
[[nodiscard]] std::size_t keys_with_input(FdRef set, std::span<std::uint64_t> keys) noexcept;

}  // namespace baton::os
