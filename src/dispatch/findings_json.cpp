// SPDX-License-Identifier: MIT
#include "dispatch/findings_json.hpp"

namespace baton::dispatch {

nlohmann::json json_of(std::span<const LocatedFinding> findings) {
  nlohmann::json all = nlohmann::json::array();
  for (const auto& [position, finding] : findings)
    all.push_back({{"severity", finding.severity == routing::Severity::Error ? "error" : "warning"},
                   {"line", position.line},
                   {"column", position.column},
                   {"path", finding.path},
                   {"what", finding.what},
                   {"advice", finding.advice}});
  return all;
}

}  // namespace baton::dispatch
