// SPDX-License-Identifier: MIT
// baton: os/epoll.hpp: one descriptor that is readable when any of several is (epoll(7)), and taking connections.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <span>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// An empty set, close-on-exec.
[[nodiscard]] Result<UniqueFd> epoll_set() noexcept;
/// Level-triggered, for reading.
Result<void> epoll_add(FdRef set, FdRef member) noexcept;
Result<void> epoll_remove(FdRef set, FdRef member) noexcept;
/// Whether `number` names an epoll descriptor that has `member`: tells one set from others, which have no cookie.
[[nodiscard]] bool epoll_has(int number, FdRef member) noexcept;

/// Fills `ready` from the front with the numbers of members that have events now; gives how many. Never waits.
[[nodiscard]] std::size_t epoll_ready(FdRef set, std::span<int> ready) noexcept;

/// Whether `number` names an epoll descriptor, of whatever members.
[[nodiscard]] bool is_epoll_set(int number) noexcept;

/// accept4(2), close-on-exec, the new socket in blocking mode. Never waits when the listening socket is non-blocking.
[[nodiscard]] Result<UniqueFd> accept_connection(FdRef listening) noexcept;

}  // namespace baton::os
