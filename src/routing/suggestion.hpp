// SPDX-License-Identifier: MIT
// baton: routing/suggestion.hpp: the name that was probably meant.
//
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::routing {

/// Letters to insert, leave out or change (Levenshtein's distance).
[[nodiscard]] inline std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  for (std::size_t i = 0; i <= right.size(); ++i) row[i] = i;
  for (std::size_t i = 1; i <= left.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t changed = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row.back();
}

/// The nearest of `known`, where it is near; else empty.
[[nodiscard]] inline std::string_view nearest(std::string_view name, std::span<const std::string_view> known) {
  constexpr std::size_t longest_compared = 64;
  std::string_view best;
  std::size_t least = name.size() / 3 + 2;
  for (const std::string_view each : known) {
    if (name.size() > longest_compared || each.size() > longest_compared) continue;
    const std::size_t apart = distance(name, each);
    if (apart >= least || apart >= each.size()) continue;
    least = apart;
    best = each;
  }
  return best;
}

/// "did you mean "web"?", or `otherwise`.
[[nodiscard]] inline std::string suggestion(std::string_view name, std::span<const std::string_view> known,
                                            std::string otherwise) {
  const std::string_view meant = nearest(name, known);
  return meant.empty() ? std::move(otherwise) : "did you mean \"" + std::string{meant} + "\"?";
}

}  // namespace baton::routing
