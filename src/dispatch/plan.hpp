// SPDX-License-Identifier: MIT
// baton: dispatch/plan.hpp: a configuration that is in force, with what decides by it.
//
// Invariant: does not move, for its parts refer to its configuration. Threads: the one of the event loop.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "routing/balance.hpp"
#include "routing/configuration.hpp"
#include "routing/router.hpp"

namespace baton::dispatch {

struct Plan {
  explicit Plan(routing::Configuration given)
      : configuration{std::move(given)}, router{configuration}, balancers{configuration} {
    const auto& pools = configuration.pools;
    for (std::size_t i = 0; i < pools.size(); ++i) orders.push_back(routing::pools_in_order(pools, i));
    for (const routing::Route& route : configuration.routes) {
      const auto* const to = std::get_if<routing::ToPool>(&route.action);
      targets.push_back(to == nullptr ? pools.size()
                                      : routing::find_pool(configuration, to->pool).value_or(pools.size()));
    }
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  /// For logs and metrics.
  [[nodiscard]] std::string route_name(std::size_t route) const {
    const std::string& name = configuration.routes[route].name;
    return name.empty() ? "route[" + std::to_string(route) + "]" : name;
  }

  const routing::Configuration configuration;
  const routing::Router router;
  routing::Balancers balancers;
  std::vector<std::vector<std::size_t>> orders;  // of each pool: itself and those it falls back to
  std::vector<std::size_t> targets;              // of each route: its pool; none: as many as there are
};

}  // namespace baton::dispatch
