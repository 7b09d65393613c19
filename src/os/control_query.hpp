// SPDX-License-Identifier: MIT
// baton: os/control_query.hpp: the asking side of os/control_socket.hpp: connections to it, and lines to and fro.
//
// Threads: any; a connection belongs to one thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// More than any daemon answers (octets).
inline constexpr std::size_t longest_answer = std::size_t{16} << 20;

/// A connection to whoever listens at `name` in `folder`.
/// Errors: ENOENT no such name; ENOTSOCK something else is there; ECONNREFUSED nobody listens any more; EACCES it is
/// another user's; ETIMEDOUT it does not accept up to `deadline`; those of socket(2).
[[nodiscard]] Result<UniqueFd> connect_for_requests(FdRef folder, const char* name, Instant deadline);
/// The same at a path.
[[nodiscard]] Result<UniqueFd> connect_for_requests(const std::string& path, Instant deadline);

/// What has come, up to the end of file, at most `most` octets.
/// Errors: ETIMEDOUT no end up to `deadline`; EMSGSIZE more than that; those of recv(2).
[[nodiscard]] Result<std::string> read_to_end(FdRef connection, std::size_t most, Instant deadline);

/// Sends `request` and a newline, and gives the line that comes back, without its newline.
/// Errors: ECONNRESET or EPIPE it was closed before a whole answer; ETIMEDOUT no whole answer up to `deadline`;
/// EMSGSIZE more than longest_answer.
[[nodiscard]] Result<std::string> ask_line(FdRef connection, std::string_view request, Instant deadline);

}  // namespace baton::os
