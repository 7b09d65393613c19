// SPDX-License-Identifier: MIT
#include "routing/match.hpp"

#include <algorithm>
#include <limits>

#include "recognise/host_name.hpp"
#include "tsap/selector.hpp"

namespace baton::routing {
namespace {

using recognise::Protocol;

constexpr std::uint32_t exact = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t v4_as_v6_bits = 96;  // so that networks of both families compare

bool has(const std::vector<Protocol>& protocols, Protocol wanted) noexcept {
  return std::ranges::find(protocols, wanted) != protocols.end();
}

std::uint32_t specificity_of(const NamePattern& pattern) noexcept {
  return pattern.wildcard ? static_cast<std::uint32_t>(1 + pattern.name.size()) : exact;
}
std::uint32_t specificity_of(const TextPattern& pattern) noexcept {
  return pattern.prefix ? static_cast<std::uint32_t>(1 + pattern.text.size()) : exact;
}

/// Raises `specificity` to that of the best pattern that matches; false: none does, and there are some.
template <class Pattern>
bool matches_any(const std::vector<Pattern>& patterns, std::string_view value, std::uint32_t& specificity) noexcept {
  if (patterns.empty()) return true;
  bool any = false;
  for (const Pattern& pattern : patterns) {
    if (!pattern.matches(value)) continue;
    any = true;
    specificity = std::max(specificity, specificity_of(pattern));
  }
  return any;
}

bool contains(const std::vector<std::string>& values, std::string_view wanted) noexcept {
  return std::ranges::find(values, wanted) != values.end();
}

/// A key of another protocol than the one at hand rules the route out.
bool keys_allow(const Match& match, Protocol protocol) noexcept {
  const bool tls = match.sni.empty() && match.alpn.empty();
  const bool http = match.host.empty() && match.path.empty();
  const bool iso = match.called.empty() && match.calling.empty();
  const bool postgres = match.database.empty() && match.user.empty();
  return (tls || protocol == Protocol::Tls) && (http || protocol == Protocol::Http1 || protocol == Protocol::Http2) &&
         (iso || protocol == Protocol::Iso) && (match.rdp_user.empty() || protocol == Protocol::Rdp) &&
         (postgres || protocol == Protocol::Postgres) && (match.patterns.empty() || protocol == Protocol::Pattern);
}

/// The keys of the protocol at hand.
struct KeysMatch {
  const Match& match;
  Specificity& found;

  bool operator()(const recognise::Unknown&) const { return true; }
  bool operator()(const recognise::Silent&) const { return true; }
  bool operator()(const recognise::Ssh&) const { return true; }

  bool operator()(const recognise::Iso& iso) const {
    if (iso.is_rdp) return matches_any(match.rdp_user, iso.rdp_cookie, found.name);
    return matches_any(match.called, as_text(iso.called.octets()), found.name) &&
           matches_any(match.calling, as_text(iso.calling.octets()), found.second_name);
  }
  bool operator()(const recognise::Tls& tls) const {
    if (!matches_any(match.sni, tls.server_name, found.name)) return false;
    return match.alpn.empty() ||
           std::ranges::any_of(match.alpn, [&](const std::string& each) { return contains(tls.alpn, each); });
  }
  bool operator()(const recognise::Http1& http) const { return http_matches(http.host, http.path, http.dot_segments); }
  bool operator()(const recognise::Http2& http) const { return http_matches(http.host, http.path, http.dot_segments); }
  bool operator()(const recognise::Postgres& postgres) const {
    if (postgres.kind != recognise::Postgres::Kind::Startup) return match.database.empty() && match.user.empty();
    return matches_any(match.database, postgres.database, found.name) &&
           matches_any(match.user, postgres.user, found.second_name);
  }
  bool operator()(const recognise::PatternMatch& pattern) const {
    if (match.patterns.empty()) return true;
    found.name = exact;
    return contains(match.patterns, pattern.name);
  }

 private:
  [[nodiscard]] bool http_matches(std::string_view host, std::string_view path, bool dot_segments) const {
    if (!matches_any(match.host, host, found.name)) return false;
    if (match.path.empty()) return true;
    bool any = false;
    for (const std::string& prefix : match.path) {
      // A path that leads elsewhere is below nothing but the root.
      if (!is_below(path, prefix) || (dot_segments && prefix != "/")) continue;
      any = true;
      found.path = std::max(found.path, static_cast<std::uint32_t>(1 + prefix.size()));
    }
    return any;
  }
};

bool source_matches(const Match& match, const recognise::IpAddress& source, Specificity& found) {
  if (match.sources.empty()) return true;
  bool any = false;
  for (const recognise::Network& network : match.sources) {
    if (!network.contains(source)) continue;
    any = true;
    found.source = std::max(found.source, 1U + network.bits + (network.address.is_v4() ? v4_as_v6_bits : 0U));
  }
  return any;
}

std::optional<std::string> octets_of_hex(std::string_view text) {
  const auto selector = tsap::Selector::from_hex(recognise::lower_case(text));
  if (!selector) return std::nullopt;
  return std::string{as_text(selector->octets())};
}

}  // namespace

bool NamePattern::matches(std::string_view other) const noexcept {
  if (!wildcard) return other == name;
  if (name.empty()) return !other.empty();
  return other.size() > name.size() + 1 && other.ends_with(name) && other[other.size() - name.size() - 1] == '.';
}

std::string NamePattern::text() const {
  if (!wildcard) return name;
  return name.empty() ? "*" : "*." + name;
}

std::optional<NamePattern> parse_name_pattern(std::string_view text) {
  if (text.empty()) return NamePattern{};
  if (text == "*") return NamePattern{.name = {}, .wildcard = true};
  const bool wildcard = text.starts_with("*.");
  if (wildcard) text.remove_prefix(2);
  if (text.contains('*')) return std::nullopt;
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  auto name = recognise::normalise_name(text);
  if (!name) return std::nullopt;
  return NamePattern{.name = std::move(*name), .wildcard = wildcard};
}

std::optional<TextPattern> parse_text_pattern(std::string_view text) {
  const bool prefix = text.ends_with('*');
  if (prefix) text.remove_suffix(1);
  if (text.contains('*')) return std::nullopt;
  return TextPattern{.text = std::string{text}, .prefix = prefix};
}

std::optional<TextPattern> parse_selector_pattern(std::string_view text) {
  const bool prefix = text.ends_with('*');
  std::string_view rest = text.substr(0, text.size() - (prefix ? 1 : 0));
  if ((rest.starts_with("X'") || rest.starts_with("x'")) && rest.ends_with('\'') && rest.size() > 2) {
    auto octets = octets_of_hex(rest.substr(2, rest.size() - 3));
    if (!octets) return std::nullopt;
    return TextPattern{.text = std::move(*octets), .prefix = prefix};
  }
  auto pattern = parse_text_pattern(text);
  if (pattern && pattern->text.size() > tsap::Selector::max_size) return std::nullopt;
  return pattern;
}

bool is_below(std::string_view path, std::string_view prefix) noexcept {
  if (!path.starts_with(prefix)) return false;
  return prefix.ends_with('/') || path.size() == prefix.size() || path[prefix.size()] == '/';
}

std::vector<Protocol> protocols_of_keys(const Match& match) {
  std::vector<Protocol> protocols;
  if (!match.sni.empty() || !match.alpn.empty()) protocols.push_back(Protocol::Tls);
  if (!match.host.empty() || !match.path.empty()) protocols.insert(protocols.end(), {Protocol::Http1, Protocol::Http2});
  if (!match.called.empty() || !match.calling.empty()) protocols.push_back(Protocol::Iso);
  if (!match.rdp_user.empty()) protocols.push_back(Protocol::Rdp);
  if (!match.database.empty() || !match.user.empty()) protocols.push_back(Protocol::Postgres);
  if (!match.patterns.empty()) protocols.push_back(Protocol::Pattern);
  return protocols;
}

std::vector<Protocol> protocols_of(const Match& match) {
  const std::vector<Protocol> keys = protocols_of_keys(match);
  if (keys.empty()) return match.protocols;
  if (match.protocols.empty()) return keys;
  std::vector<Protocol> both;
  for (const Protocol each : match.protocols)
    if (has(keys, each)) both.push_back(each);
  return both;
}

std::optional<Specificity> matches(const Match& match, const Arrival& arrival) {
  Specificity found;
  const Protocol protocol = recognise::protocol_of(arrival.facts.what);
  if (!match.listeners.empty() && !contains(match.listeners, arrival.listener)) return std::nullopt;
  if (!match.protocols.empty() && !has(match.protocols, protocol)) return std::nullopt;
  if (protocol == Protocol::Silent && match.protocols.empty()) return std::nullopt;
  if (!keys_allow(match, protocol)) return std::nullopt;
  if (!source_matches(match, arrival.source, found)) return std::nullopt;
  if (!std::visit(KeysMatch{match, found}, arrival.facts.what)) return std::nullopt;
  found.others =
      (match.alpn.empty() ? 0U : 1U) + (match.protocols.empty() ? 0U : 1U) + (match.listeners.empty() ? 0U : 1U);
  return found;
}

}  // namespace baton::routing
