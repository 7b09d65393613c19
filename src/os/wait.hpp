// SPDX-License-Identifier: MIT
// baton: os/wait.hpp: waiting for descriptors until an instant.
//
// Threads: any.
#pragma once

#include <poll.h>

#include <span>

#include "base/time.hpp"
#include "os/result.hpp"

namespace baton::os {

/// ppoll(2) up to `deadline` (CLOCK_MONOTONIC; `never` waits for ever; one that has passed only looks).
/// Gives the number of entries with events, 0 at the deadline. EINTR is given back: the caller honours signals and
/// calls again with the same deadline.
[[nodiscard]] Result<int> poll_until(std::span<pollfd> entries, Instant deadline) noexcept;

}  // namespace baton::os
