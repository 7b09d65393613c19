// SPDX-License-Identifier: MIT
// baton: recognise/verdict.hpp: what can be said of the first octets of a connection.
//
// Every recogniser is a total function of octets that were peeked, so always from the start of the connection, and
// keeps to three laws (tests ask it of every prefix):
//   - Not and facts are final: with more octets behind them the answer is the same.
//   - NeedMore names more octets than were given, and with fewer than it names the answer is NeedMore again: this is
//     what SO_RCVLOWAT (socket(7)) may be set to.
//   - At its bound of octets a recogniser has decided.
// Threads: values.
#pragma once

#include <cstddef>
#include <string_view>
#include <variant>

namespace baton::recognise {

/// The octets so far may be the start of this protocol.
struct NeedMore {
  std::size_t at_least = 1;  ///< octets from the start of the connection
  friend bool operator==(const NeedMore&, const NeedMore&) = default;
};

/// It cannot be this protocol, whatever follows.
struct Not {
  std::string_view why;  ///< for logs; a literal
  friend bool operator==(const Not&, const Not&) { return true; }
};

template <class Facts>
using Verdict = std::variant<NeedMore, Not, Facts>;

/// The first octets that are looked at, at most: a TLS record of full size (RFC 8446 §5.1) and its header fit.
inline constexpr std::size_t default_most_octets = 16384 + 1024;
/// Bounds that a configuration may set.
inline constexpr std::size_t least_most_octets = 1024;
inline constexpr std::size_t largest_most_octets = std::size_t{1} << 18;

}  // namespace baton::recognise
