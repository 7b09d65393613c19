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
    const std::size_t none = configuration.pools.size();
    for (const routing::Route& route : configuration.routes) {
      const auto* const to = std::get_if<routing::ToPool>(&route.action);
      targets.push_back(to == nullptr ? none : routing::find_pool(configuration, to->pool).value_or(none));
      names.push_back(route.name.empty() ? "route[" + std::to_string(names.size()) + "]" : route.name);
    }
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const routing::Configuration configuration;
  const routing::Router router;
  routing::Balancers balancers;
  std::vector<std::size_t> targets;  // of each route: its pool; none: as many as there are
  std::vector<std::string> names;    // of the routes, for logs and metrics
};

}  // namespace baton::dispatch
