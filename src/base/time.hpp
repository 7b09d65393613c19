// SPDX-License-Identifier: MIT
// baton: base/time.hpp: instants without a clock.
//
// The pure half never asks for the time; `now` is a parameter. An Instant is a point on CLOCK_MONOTONIC,
// which all processes of one host share (clock_gettime(2)).
#pragma once

#include <chrono>

namespace baton {

using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::nanoseconds;

/// Later than every real instant.
inline constexpr Instant never = Instant::max();

}  // namespace baton
