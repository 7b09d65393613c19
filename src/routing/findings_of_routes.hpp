// SPDX-License-Identifier: MIT
// baton: routing/findings_of_routes.hpp: the part of check() that looks at routes, and how both parts report.
//
// Threads: one Report belongs to one thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routing/balance.hpp"
#include "routing/findings.hpp"

namespace baton::routing {

[[nodiscard]] inline std::string at(std::size_t index) { return '[' + std::to_string(index) + ']'; }

template <class Named>
[[nodiscard]] std::vector<std::string_view> names_of(const std::vector<Named>& all) {
  std::vector<std::string_view> names;
  for (const Named& each : all) names.push_back(each.name);
  return names;
}

class Report {
 public:
  void error(std::string path, std::string what, std::string advice) {
    findings_.push_back({Severity::Error, std::move(path), std::move(what), std::move(advice)});
  }
  void warning(std::string path, std::string what, std::string advice) {
    findings_.push_back({Severity::Warning, std::move(path), std::move(what), std::move(advice)});
  }
  /// There is no `kind` (pool, listener, pattern) of that name.
  void unknown(std::string path, const std::string& kind, const std::string& name,
               const std::vector<std::string_view>& known);

  [[nodiscard]] std::vector<Finding> findings() && { return std::move(findings_); }

 private:
  std::vector<Finding> findings_;
};

void check_route(const Configuration& configuration, std::size_t index, Report& report);
/// Routes that never get a connection, as an earlier one matches all of it and is as specific.
void check_shadows(const Configuration& configuration, Report& report);

}  // namespace baton::routing
