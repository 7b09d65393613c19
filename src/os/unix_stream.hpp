// SPDX-License-Identifier: MIT
// baton: os/unix_stream.hpp: AF_UNIX stream sockets, to connect to servers of this host by a path (unix(7)).
//
// Threads: any.
#pragma once

#include <string_view>

#include "base/unique_fd.hpp"
#include "os/result.hpp"
#include "os/socket.hpp"

namespace baton::os {

/// Not connected, close-on-exec.
[[nodiscard]] Result<UniqueFd> unix_stream(bool nonblocking) noexcept;
/// Where the socket of that path is; of more than 107 octets the rest is left out.
[[nodiscard]] Address unix_address(std::string_view path) noexcept;

}  // namespace baton::os
