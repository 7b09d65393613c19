// SPDX-License-Identifier: MIT
// baton: os/control_socket.hpp: where a daemon takes requests: a listening AF_UNIX stream socket for its own user.
//
// Threads: any.
#pragma once

#include <string>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// A name in a folder (O_PATH will do).
struct RequestPlace {
  UniqueFd folder{};
  std::string name{};
};
/// Errors: open(2) of the folder.
[[nodiscard]] Result<RequestPlace> request_place(const std::string& path);
/// Whatever the two were called. Not where one is nowhere.
[[nodiscard]] bool is_same_place(const RequestPlace& one, const RequestPlace& other) noexcept;

/// Listens there, mode 0600, non-blocking, close-on-exec. A socket file that nobody listens at any more is replaced.
/// EADDRINUSE: somebody does, or something else is there.
[[nodiscard]] Result<UniqueFd> listen_for_requests(const RequestPlace& place) noexcept;
/// The same at a path.
[[nodiscard]] Result<UniqueFd> listen_for_requests(const std::string& path);
/// Removes the socket file there, if this user's and nobody listens at it any more.
void remove_left_over(const RequestPlace& place) noexcept;

/// The next connection, non-blocking. EPERM: of another user, who is not root; it is closed.
[[nodiscard]] Result<UniqueFd> accept_request(FdRef listening) noexcept;

}  // namespace baton::os
