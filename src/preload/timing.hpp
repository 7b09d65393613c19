// SPDX-License-Identifier: MIT
// baton: preload/timing.hpp: how long a program's call may wait, in the forms that the calls have for it.
//
// Threads: pure functions, but for the clock.
#pragma once

#include <algorithm>
#include <ctime>
#include <limits>
#include <optional>

#include "base/time.hpp"
#include "os/process.hpp"

namespace baton::preload {

/// Nothing: for ever.
using Timeout = std::optional<Duration>;

[[nodiscard]] inline Timeout from_milliseconds(int timeout) noexcept {
  return timeout < 0 ? Timeout{} : std::chrono::milliseconds{timeout};
}
/// Rounded up; at most what an int holds.
[[nodiscard]] inline int as_milliseconds(Timeout timeout) noexcept {
  if (!timeout) return -1;
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(*timeout).count();
  return static_cast<int>(std::min<std::int64_t>(rounded, std::numeric_limits<int>::max()));
}

/// Longer than 292 years is for ever.
[[nodiscard]] inline Timeout from_timespec(const timespec* timeout) noexcept {
  constexpr std::int64_t longest = std::chrono::duration_cast<std::chrono::seconds>(Duration::max()).count();
  if (timeout == nullptr || timeout->tv_sec >= longest) return {};
  return std::chrono::seconds{timeout->tv_sec} + Duration{timeout->tv_nsec};
}
/// Into `room`; nullptr: for ever.
[[nodiscard]] inline const timespec* as_timespec(Timeout timeout, timespec& room) noexcept {
  if (!timeout) return nullptr;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(*timeout);
  room = {seconds.count(), (*timeout - seconds).count()};
  return &room;
}

[[nodiscard]] inline Instant deadline_after(Timeout timeout) noexcept {
  const Instant now = os::monotonic_now();
  return !timeout || *timeout >= never - now ? never : now + *timeout;
}
[[nodiscard]] inline Timeout rest_until(Instant deadline) noexcept {
  if (deadline == never) return {};
  return std::max(deadline - os::monotonic_now(), Duration{0});
}

}  // namespace baton::preload
