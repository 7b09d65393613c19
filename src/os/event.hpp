// SPDX-License-Identifier: MIT
// baton: os/event.hpp: a descriptor that one thread makes readable for another (eventfd(2)).
//
// Threads: any.
#pragma once

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// Non-blocking, close-on-exec, not readable.
[[nodiscard]] Result<UniqueFd> event_descriptor() noexcept;
/// Readable from now on.
void signal_event(FdRef event) noexcept;
/// Not readable from now on.
void reset_event(FdRef event) noexcept;

}  // namespace baton::os
