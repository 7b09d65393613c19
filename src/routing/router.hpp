// SPDX-License-Identifier: MIT
// baton: routing/router.hpp: which route takes a connection.
//
// The rules stand in match.hpp. A router knows its routes by name, so that thousands of them cost a look-up or two.
// Invariant: the routes are those that it was made of; the configuration outlives it. Threads: find() may be called by
// several at the same time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/configuration.hpp"

namespace baton::routing {

class Router {
 public:
  explicit Router(const Configuration& configuration);

  /// The index of the route. Nothing: none matches. Facts with a fault match nothing.
  [[nodiscard]] std::optional<std::size_t> find(const Arrival& arrival) const;

 private:
  using Indices = std::vector<std::size_t>;

  void add(std::size_t index, const Match& match);
  /// The best of `candidates`.
  [[nodiscard]] std::optional<std::size_t> best(const Indices& candidates, const Arrival& arrival) const;

  const std::vector<Route>* routes_;
  std::unordered_map<std::string, Indices> named_;  // by the key of an exact name or of a wildcard
  Indices unnamed_;
};

}  // namespace baton::routing
