// SPDX-License-Identifier: MIT
// baton: os/control_socket.hpp: where a daemon takes requests: a listening AF_UNIX stream socket for its own user.
//
// Threads: any.
#pragma once

#include <string>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// Listens at `name` in `folder`, mode 0600, non-blocking, close-on-exec. A socket file that nobody listens at any more
/// is replaced. EADDRINUSE: somebody does, or something else is there.
[[nodiscard]] Result<UniqueFd> listen_for_requests(FdRef folder, const char* name) noexcept;
/// The same at a path.
[[nodiscard]] Result<UniqueFd> listen_for_requests(const std::string& path);

/// The next connection, non-blocking. EPERM: of another user, who is not root; it is closed.
[[nodiscard]] Result<UniqueFd> accept_request(FdRef listening) noexcept;

}  // namespace baton::os
