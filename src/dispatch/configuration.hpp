// SPDX-License-Identifier: MIT
// baton: dispatch/configuration.hpp: the text of batond's configuration -> values, and all that is wrong with it.
//
// TOML 1.0; docs/batond.example.toml shows every setting. Reading a file is the caller's.
// Threads: pure functions.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "routing/configuration.hpp"
#include "routing/findings.hpp"

namespace baton::dispatch {

/// Counted from 1.
struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  friend auto operator<=>(const Position&, const Position&) = default;
};

struct LocatedFinding {
  Position position;
  routing::Finding finding;
  friend bool operator==(const LocatedFinding&, const LocatedFinding&) = default;
};

/// Larger than any that somebody has written (octets).
inline constexpr std::size_t most_configuration = std::size_t{16} << 20;

struct ReadConfiguration {
  routing::Configuration configuration;
  std::vector<LocatedFinding> findings;  ///< errors and warnings, by line

  /// Whether it can be run.
  [[nodiscard]] bool usable() const noexcept;
};

/// Both what the text says wrongly and what routing::check() says of it. Where the text is no TOML there is one
/// finding.
[[nodiscard]] ReadConfiguration read_configuration(std::string_view text);

/// "batond.toml:12:7: error: route[0].pool: there is no pool "shp": did you mean "shop"?"
[[nodiscard]] std::string printable(const LocatedFinding& found, std::string_view file);

}  // namespace baton::dispatch
