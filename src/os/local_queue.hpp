// SPDX-License-Identifier: MIT
// baton: os/local_queue.hpp: the queues of a local socket: how much is in one, closing the other, and what is shut.
#pragma once

#include <cstddef>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// Octets of the send buffer taken by messages that the other side has not read, with the kernel's overhead (SIOCOUTQ,
/// unix(7)): the measure that SO_SNDBUF limits.
[[nodiscard]] Result<std::size_t> queued_octets(FdRef socket) noexcept;

/// The other side's next send gives EPIPE; what has arrived stays to be read (shutdown(2), SHUT_RD).
void refuse_messages(FdRef socket) noexcept;

/// All descriptors of the other side are closed (POLLHUP): what has arrived can be read, nothing said is heard. So also
/// where both sides refuse messages. False for no socket.
[[nodiscard]] bool hung_up(FdRef socket) noexcept;

/// Somebody has shut it down for reading here (POLLRDHUP): whoever reads sees an end.
[[nodiscard]] bool is_shut_down(FdRef socket) noexcept;

}  // namespace baton::os
