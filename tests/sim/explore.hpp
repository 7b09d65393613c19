// SPDX-License-Identifier: MIT
// baton: sim/explore.hpp: every world of moves that can be reached from a setup.
// Threads: none.
#pragma once

#include "events.hpp"
#include "search.hpp"
#include "setup.hpp"

namespace baton::sim {

/// `limit`: most states.
[[nodiscard]] Exploration explore(const Setup& setup, std::size_t limit);

}  // namespace baton::sim
