// SPDX-License-Identifier: MIT
// baton: sim/scenarios.hpp: the setups that are searched from end to end.
// Threads: pure functions.
#pragma once

#include <string_view>
#include <vector>

#include "setup.hpp"

namespace baton::sim {

/// How much may go wrong in one run: what a sanitizer has time for, what a test run has, or what fits into memory.
enum class Extent { Small, Normal, Full };

[[nodiscard]] std::vector<Setup> scenarios(Extent extent);
[[nodiscard]] Setup scenario(Extent extent, std::string_view name);
/// Where the search looks for a planted bug.
[[nodiscard]] Setup scenario_for(Mutant mutant);

}  // namespace baton::sim
