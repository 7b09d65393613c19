// SPDX-License-Identifier: MIT
// baton: os/option.hpp: options of sockets, and from one socket to another.
//
// Threads: any.
#pragma once

#include <optional>

#include "base/time.hpp"
#include "base/unique_fd.hpp"

namespace baton::os {

struct Option {
  int level;
  int name;
};
/// Nothing: the socket has no such option.
[[nodiscard]] std::optional<int> int_option(const Option& option, FdRef socket) noexcept;
/// Gives `to` the value that `from` has, where it has another (at most 64 octets). What one of them does not know
/// stays.
void copy_option(const Option& option, FdRef from, FdRef to) noexcept;

/// SO_RCVTIMEO: how long a blocking call for input waits; zero: for ever.
[[nodiscard]] Duration receive_timeout(FdRef socket) noexcept;

}  // namespace baton::os
