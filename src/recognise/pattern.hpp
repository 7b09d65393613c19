// SPDX-License-Identifier: MIT
// baton: recognise/pattern.hpp: protocols that a configuration describes by their first octets.
//
// Threads: pure functions and a value.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "recognise/facts.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

/// Bits of the first octets. Invariant (validated with a configuration): at least one octet, and as many in `mask`.
struct Pattern {
  std::string name;
  std::vector<std::byte> octets;
  std::vector<std::byte> mask;  ///< the bits that count
  friend bool operator==(const Pattern&, const Pattern&) = default;
};
inline constexpr std::size_t max_pattern_octets = 256;

[[nodiscard]] inline Verdict<PatternMatch> recognise_pattern(Bytes octets, const Pattern& pattern) {
  for (std::size_t at = 0; at < pattern.octets.size(); ++at) {
    // Octets that do not count in between: the next that does decides.
    if (at >= octets.size()) {
      while (at + 1 < pattern.octets.size() && pattern.mask[at] == std::byte{0}) ++at;
      return NeedMore{at + 1};
    }
    if (((octets[at] ^ pattern.octets[at]) & pattern.mask[at]) != std::byte{0}) return Not{"another pattern"};
  }
  return PatternMatch{pattern.name};
}

}  // namespace baton::recognise
