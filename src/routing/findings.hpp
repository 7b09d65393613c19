// SPDX-License-Identifier: MIT
// baton: routing/findings.hpp: what is wrong with a configuration, all of it, and what to do.
//
// A path names the value as a configuration file does: listener.web.address[0], pool.shop.fallback[1], route[3].sni[0],
// counted from 0. Whoever has read a file knows the line of each. Threads: pure functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "routing/configuration.hpp"

namespace baton::routing {

enum class Severity : std::uint8_t {
  Error,    ///< cannot be run
  Warning,  ///< can be run, and is hardly meant
};

struct Finding {
  Severity severity = Severity::Error;
  std::string path;
  std::string what;    ///< is wrong, as a clause
  std::string advice;  ///< what to do
  friend bool operator==(const Finding&, const Finding&) = default;
};

/// In the order of the configuration. Empty: nothing is wrong. What has no error can be given to Router and Balancers.
[[nodiscard]] std::vector<Finding> check(const Configuration& configuration);

[[nodiscard]] bool has_errors(const std::vector<Finding>& findings) noexcept;

}  // namespace baton::routing
