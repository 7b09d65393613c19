// SPDX-License-Identifier: MIT
// baton: endpoint/waiting.hpp: the library's poll: the truth about every number.
//
// For numbers that the library knows, readiness is what the library's calls would do: control frames are consumed, what
// is buffered counts, a parked number is not writable. Waiting for reading on a connection that is not confirmed
// confirms it. A moved end point shows POLLHUP. All other numbers go to the kernel as they are. Threads: any.
#pragma once

#include <poll.h>

#include <span>

#include "base/time.hpp"
#include "endpoint/fault.hpp"

namespace baton::endpoint {

/// How many entries have events; 0 at the deadline. Interrupted: a signal, or soc_wake.
Result<int> poll(std::span<pollfd> entries, Instant deadline);

}  // namespace baton::endpoint
