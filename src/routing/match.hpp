// SPDX-License-Identifier: MIT
// baton: routing/match.hpp: which connections a route is for.
//
// A key that is empty says nothing; within a key one value suffices; all keys that say something have to match. Keys
// belong to protocols: sni, alpn to TLS; host, path to HTTP; called, calling to ISO; rdp_user to RDP; database, user to
// PostgreSQL; patterns to themselves. A route without protocol and without such keys takes any protocol, but not the
// silence of a client that was expected to speak: that has to be named.
//
// Of several routes that match, the most specific counts, and of equals the first. Compared in this order:
//   1. the name: sni, host, called, rdp_user, database, pattern: exact, then the longest wildcard, then none;
//   2. the path: the longest prefix, then none;
//   3. the second name: calling, user: exact, then the longest wildcard, then none;
//   4. the source: the smallest network, then none;
//   5. how many of alpn, protocols, listeners say something.
// Threads: values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recognise/facts.hpp"
#include "recognise/ip_address.hpp"

namespace baton::routing {

/// A DNS name, or "*." and what it ends in: one label or more stand for the star. "*" alone: any name; "": no name.
struct NamePattern {
  std::string name{};  ///< normalised (recognise/host_name.hpp); without the star and the dot behind it
  bool wildcard = false;
  [[nodiscard]] bool matches(std::string_view other) const noexcept;
  /// As it is written.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const NamePattern&, const NamePattern&) = default;
};
/// Nothing: no name and no wildcard of one.
[[nodiscard]] std::optional<NamePattern> parse_name_pattern(std::string_view text);

/// Octets, or what they begin with: TSELs, users, databases. Case counts.
struct TextPattern {
  std::string text{};
  bool prefix = false;
  [[nodiscard]] bool matches(std::string_view other) const noexcept {
    return prefix ? other.starts_with(text) : other == text;
  }
  friend bool operator==(const TextPattern&, const TextPattern&) = default;
};
/// "SERVER", "SRV*". The star may only be last.
[[nodiscard]] std::optional<TextPattern> parse_text_pattern(std::string_view text);
/// The same for a TSEL, which may also be written in hexadecimal: X'0a0B', X'0a'*. At most 32 octets.
[[nodiscard]] std::optional<TextPattern> parse_selector_pattern(std::string_view text);

struct Match {
  std::vector<std::string> listeners{};
  std::vector<recognise::Protocol> protocols{};
  std::vector<recognise::Network> sources{};
  std::vector<NamePattern> sni{};
  std::vector<std::string> alpn{};
  std::vector<NamePattern> host{};
  std::vector<std::string> path{};  ///< prefixes, in whole segments: /a is for /a, /a/b, not for /ab
  std::vector<TextPattern> called{};
  std::vector<TextPattern> calling{};
  std::vector<TextPattern> rdp_user{};
  std::vector<TextPattern> database{};
  std::vector<TextPattern> user{};
  std::vector<std::string> patterns{};
  friend bool operator==(const Match&, const Match&) = default;
};

/// Whether `path` is `prefix` or below it.
[[nodiscard]] bool is_below(std::string_view path, std::string_view prefix) noexcept;

/// The protocols that the keys belong to; empty: they name none.
[[nodiscard]] std::vector<recognise::Protocol> protocols_of_keys(const Match& match);
/// The protocols that a route can match: those it names, as far as its keys belong to them; empty: any.
[[nodiscard]] std::vector<recognise::Protocol> protocols_of(const Match& match);

/// Greater is more specific.
struct Specificity {
  std::uint32_t name = 0;
  std::uint32_t path = 0;
  std::uint32_t second_name = 0;
  std::uint32_t source = 0;
  std::uint32_t others = 0;
  friend auto operator<=>(const Specificity&, const Specificity&) = default;
};

/// A connection that wants to be routed.
struct Arrival {
  std::string_view listener;
  recognise::IpAddress source{};  ///< the client's: what a PROXY header says counts
  const recognise::Facts& facts;
};

/// Nothing: it does not match. Otherwise how specific the match is, by the best value of each key.
[[nodiscard]] std::optional<Specificity> matches(const Match& match, const Arrival& arrival);

}  // namespace baton::routing
