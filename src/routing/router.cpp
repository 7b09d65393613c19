// SPDX-License-Identifier: MIT
#include "routing/router.hpp"

#include <algorithm>

namespace baton::routing {
namespace {

/// Names of different protocols, exact ones and wildcards, share one table: an octet in front tells them apart.
enum class Kind : char {
  Sni = 's',
  Host = 'h',
  Called = 'c',
  RdpUser = 'r',
  Database = 'd',
  Pattern = 'p',
};

std::string exact_key(Kind kind, std::string_view name) {
  return std::string{static_cast<char>(kind), '='} + std::string{name};
}
std::string wildcard_key(Kind kind, std::string_view name) {
  return std::string{static_cast<char>(kind), '*'} + std::string{name};
}

struct Name {
  Kind kind;
  std::string_view text;
  bool has_labels;  ///< a wildcard stands for labels in front; otherwise for octets at the end
};

/// What a route may know the connection by.
std::optional<Name> name_at(const recognise::What& what) {
  if (const auto* tls = std::get_if<recognise::Tls>(&what)) return Name{Kind::Sni, tls->server_name, true};
  if (const auto* http = std::get_if<recognise::Http1>(&what)) return Name{Kind::Host, http->host, true};
  if (const auto* http = std::get_if<recognise::Http2>(&what)) return Name{Kind::Host, http->host, true};
  if (const auto* iso = std::get_if<recognise::Iso>(&what)) {
    if (iso->is_rdp) return Name{Kind::RdpUser, iso->rdp_cookie, false};
    return Name{Kind::Called, as_text(iso->called.octets()), false};
  }
  if (const auto* postgres = std::get_if<recognise::Postgres>(&what))
    return Name{Kind::Database, postgres->database, false};
  if (const auto* pattern = std::get_if<recognise::PatternMatch>(&what))
    return Name{Kind::Pattern, pattern->name, false};
  return std::nullopt;
}

}  // namespace

Router::Router(const Configuration& configuration) : routes_{&configuration.routes} {
  for (std::size_t index = 0; index < routes_->size(); ++index) add(index, (*routes_)[index].match);
}

void Router::add(std::size_t index, const Match& match) {
  bool named = false;
  const auto enter = [&](std::string key) {
    Indices& indices = named_[std::move(key)];
    if (indices.empty() || indices.back() != index) indices.push_back(index);
    named = true;
  };
  const auto enter_names = [&](Kind kind, const std::vector<NamePattern>& patterns) {
    for (const NamePattern& each : patterns)
      enter(each.wildcard ? wildcard_key(kind, each.name) : exact_key(kind, each.name));
  };
  const auto enter_texts = [&](Kind kind, const std::vector<TextPattern>& patterns) {
    for (const TextPattern& each : patterns)
      enter(each.prefix ? wildcard_key(kind, each.text) : exact_key(kind, each.text));
  };
  enter_names(Kind::Sni, match.sni);
  enter_names(Kind::Host, match.host);
  enter_texts(Kind::Called, match.called);
  enter_texts(Kind::RdpUser, match.rdp_user);
  enter_texts(Kind::Database, match.database);
  for (const std::string& each : match.patterns) enter(exact_key(Kind::Pattern, each));
  if (!named) unnamed_.push_back(index);
}

std::optional<std::size_t> Router::best(const Indices& candidates, const Arrival& arrival) const {
  std::optional<std::size_t> chosen;
  Specificity most;
  for (const std::size_t index : candidates) {
    const auto specificity = matches((*routes_)[index].match, arrival);
    if (!specificity || (chosen && *specificity <= most)) continue;
    chosen = index;
    most = *specificity;
  }
  return chosen;
}

std::optional<std::size_t> Router::find(const Arrival& arrival) const {
  if (!recognise::fault_of(arrival.facts).empty()) return std::nullopt;
  // From the most specific name to none; matches() says the same of each of them, so the first that has one has the
  // best.
  std::optional<std::size_t> found;
  const auto look_up = [&](const std::string& key) {
    const auto at = named_.find(key);
    if (at != named_.end()) found = best(at->second, arrival);
    return found.has_value();
  };
  if (const auto name = named_.empty() ? std::nullopt : name_at(arrival.facts.what)) {
    if (look_up(exact_key(name->kind, name->text))) return found;
    std::string_view rest = name->text;
    if (name->has_labels) {
      for (std::size_t dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
        rest.remove_prefix(dot + 1);
        if (look_up(wildcard_key(name->kind, rest))) return found;
      }
      if (look_up(wildcard_key(name->kind, {}))) return found;
    } else {
      for (std::size_t size = rest.size() + 1; size > 0; --size)
        if (look_up(wildcard_key(name->kind, rest.substr(0, size - 1)))) return found;
    }
  }
  return best(unnamed_, arrival);
}

}  // namespace baton::routing
