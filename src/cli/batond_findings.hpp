// SPDX-License-Identifier: MIT
// baton: cli/batond_findings.hpp: what is wrong with a configuration, as text.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "dispatch/configuration.hpp"

namespace baton::cli {

/// Of dispatch/findings_json.hpp: "batond.toml:12:7: error: route[0].pool: there is no pool "shp": did you mean
/// "shop"?"
[[nodiscard]] std::string finding_line(const nlohmann::json& finding, std::string_view file);
/// The line of `text` that it is about, with its number, and a mark below its column. Empty where there is none.
[[nodiscard]] std::string excerpt(const dispatch::LocatedFinding& found, std::string_view text);

}  // namespace baton::cli
