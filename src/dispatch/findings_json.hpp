// SPDX-License-Identifier: MIT
// baton: dispatch/findings_json.hpp: what is wrong with a configuration, as the control socket and `baton check` say
// it.
//
//   [{"severity": "error", "line": 12, "column": 7, "path": "route[0].pool", "what": "...", "advice": "..."}]
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "dispatch/configuration.hpp"

namespace baton::dispatch {

[[nodiscard]] nlohmann::json json_of(std::span<const LocatedFinding> findings);

}  // namespace baton::dispatch
