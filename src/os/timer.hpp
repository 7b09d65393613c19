// SPDX-License-Identifier: MIT
// baton: os/timer.hpp: a descriptor that is readable from an instant on (timerfd_create(2)).
#pragma once

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// Close-on-exec, not set.
[[nodiscard]] Result<UniqueFd> timer_descriptor() noexcept;
/// Readable from `at` (CLOCK_MONOTONIC) on, and not before; `never`: not at all.
void set_timer(FdRef timer, Instant at) noexcept;

}  // namespace baton::os
