// SPDX-License-Identifier: MIT
// baton: os/message_head.hpp: looks at a message without receiving it, and drops one unread.
//
// Neither installs descriptors: without a control buffer the kernel leaves them with the message, or closes them with
// it. Threads: any.
#pragma once

#include <cstddef>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// Copies the first octets of the next message into `head` and leaves it where it is; 0: the other side is gone.
/// Never waits: EAGAIN. ECONNRESET is only a hint, as in receive_message().
[[nodiscard]] Result<std::size_t> peek_head(FdRef socket, MutableBytes head) noexcept;

/// Drops the next message with all that it carries. Never waits: EAGAIN.
Result<void> drop_message(FdRef socket) noexcept;

}  // namespace baton::os
