// SPDX-License-Identifier: MIT
// baton: os/local_queue.hpp: how much of a local socket's send buffer is taken.
#pragma once

#include <cstddef>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// Octets of the send buffer taken by messages that the other side has not read, with the kernel's overhead (SIOCOUTQ,
/// unix(7)): the measure that SO_SNDBUF limits.
[[nodiscard]] Result<std::size_t> queued_octets(FdRef socket) noexcept;

}  // namespace baton::os
