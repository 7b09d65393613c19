// SPDX-License-Identifier: MIT
// baton: os/status_query.hpp: the asking side of os/status_socket.hpp.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <string>

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// More than any process answers (octets).
inline constexpr std::size_t longest_status = std::size_t{64} * 1024;

/// What the process behind the socket `name` in `folder` answers, read up to the end of file, not looked into.
/// Errors: ENOENT no such name; ECONNREFUSED the process has ended; EACCES it is another user's; ETIMEDOUT no whole
/// answer up to `deadline`; EMSGSIZE more than longest_status; those of find_socket(), socket(2), recv(2).
[[nodiscard]] Result<std::string> ask_status(FdRef folder, const char* name, Instant deadline);

}  // namespace baton::os
