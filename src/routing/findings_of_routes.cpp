// SPDX-License-Identifier: MIT
#include "routing/findings_of_routes.hpp"

#include <algorithm>
#include <unordered_map>

#include "routing/suggestion.hpp"

namespace baton::routing {
namespace {

using recognise::Protocol;

constexpr std::size_t longest_alpn = 255;  // RFC 7301 §3.1

void check_names(const std::vector<std::string>& given, const std::string& path, const std::string& kind,
                 const std::vector<std::string_view>& known, Report& report) {
  for (std::size_t i = 0; i < given.size(); ++i)
    if (std::ranges::find(known, std::string_view{given[i]}) == known.end())
      report.unknown(path + at(i), kind, given[i], known);
}

/// The keys that a route has, by the protocol that they belong to.
std::vector<std::string_view> key_groups(const Match& match) {
  std::vector<std::string_view> groups;
  if (!match.sni.empty() || !match.alpn.empty()) groups.emplace_back("sni and alpn (TLS)");
  if (!match.host.empty() || !match.path.empty()) groups.emplace_back("host and path (HTTP)");
  if (!match.called.empty() || !match.calling.empty()) groups.emplace_back("tsap and calling_tsap (ISO)");
  if (!match.rdp_user.empty()) groups.emplace_back("rdp_user (RDP)");
  if (!match.database.empty() || !match.user.empty()) groups.emplace_back("database and user (PostgreSQL)");
  if (!match.patterns.empty()) groups.emplace_back("pattern");
  return groups;
}

/// Whether the keys of a route can match one connection together.
void check_keys(const Match& match, const std::string& path, Report& report) {
  const auto groups = key_groups(match);
  if (groups.size() > 1) {
    report.error(path,
                 "no connection has " + std::string{groups[0]} + " as well as " + std::string{groups[1]} +
                     ": they belong to different protocols",
                 "make it two routes");
  } else if (groups.size() == 1 && protocols_of(match).empty()) {
    report.error(path + ".protocol", std::string{groups[0]} + " do not belong to it", "leave the protocol out");
  }
}

void check_action(const Configuration& configuration, const Route& route, const std::string& path, Report& report) {
  if (const auto* to = std::get_if<ToPool>(&route.action)) {
    if (to->pool.empty())
      report.error(path, "it leads nowhere", "give pool = \"NAME\", to_called_tsap = true or refuse = true");
    else if (!find_pool(configuration, to->pool))
      report.unknown(path + ".pool", "pool", to->pool, names_of(configuration.pools));
  }
  const bool iso_alone = route.match.protocols == std::vector{Protocol::Iso};
  if (std::holds_alternative<ToCalledTsap>(route.action) && !iso_alone)
    report.error(path + ".to_called_tsap", "only a connection request of ISO transport calls a TSAP",
                 "give the route protocol = \"iso\", or leave the protocol out");
}

template <class T>
bool is_subset(const std::vector<T>& part, const std::vector<T>& whole) {
  if (part.empty() != whole.empty()) return false;
  return std::ranges::all_of(part, [&](const T& each) { return std::ranges::find(whole, each) != whole.end(); });
}

/// `first` matches all that `second` does, and as specifically.
bool shadows(const Match& first, const Match& second) {
  return is_subset(second.listeners, first.listeners) && is_subset(second.protocols, first.protocols) &&
         is_subset(second.sources, first.sources) && is_subset(second.sni, first.sni) &&
         is_subset(second.alpn, first.alpn) && is_subset(second.host, first.host) &&
         is_subset(second.path, first.path) && is_subset(second.called, first.called) &&
         is_subset(second.calling, first.calling) && is_subset(second.rdp_user, first.rdp_user) &&
         is_subset(second.database, first.database) && is_subset(second.user, first.user) &&
         is_subset(second.patterns, first.patterns);
}

/// Names of a route, so that only routes with a name in common are compared.
std::vector<std::string> names_in(const Match& match) {
  std::vector<std::string> names;
  for (const auto& each : match.sni) names.push_back("sni " + each.text());
  for (const auto& each : match.host) names.push_back("host " + each.text());
  for (const auto& each : match.called) names.push_back("tsap " + each.text);
  for (const auto& each : match.rdp_user) names.push_back("rdp_user " + each.text);
  for (const auto& each : match.database) names.push_back("database " + each.text);
  for (const auto& each : match.patterns) names.push_back("pattern " + each);
  if (names.empty()) names.emplace_back();
  return names;
}

}  // namespace

void Report::unknown(std::string path, const std::string& kind, const std::string& name,
                     const std::vector<std::string_view>& known) {
  error(std::move(path), "there is no " + kind + " \"" + name + '"',
        suggestion(name, known, "add [" + kind + '.' + name + "], or name one that there is"));
}

void check_route(const Configuration& configuration, std::size_t index, Report& report) {
  const Route& route = configuration.routes[index];
  const Match& match = route.match;
  const std::string path = "route" + at(index);
  check_action(configuration, route, path, report);
  check_keys(match, path, report);
  check_names(match.listeners, path + ".listener", "listener", names_of(configuration.listeners), report);
  check_names(match.patterns, path + ".pattern", "pattern", names_of(configuration.patterns), report);
  for (std::size_t i = 0; i < match.path.size(); ++i) {
    const std::string& prefix = match.path[i];
    if (!prefix.starts_with('/'))
      report.error(path + ".path" + at(i), '"' + prefix + "\" is no path", "begin it with /");
    else if (prefix.find_first_of("?#*") != std::string::npos)
      report.error(path + ".path" + at(i), "a query or a star cannot match",
                   "give the first segments: /a is for /a/b too");
  }
  for (std::size_t i = 0; i < match.alpn.size(); ++i)
    if (match.alpn[i].empty() || match.alpn[i].size() > longest_alpn)
      report.error(path + ".alpn" + at(i), "no protocol has such a name", "give a name such as \"h2\"");
}

void check_shadows(const Configuration& configuration, Report& report) {
  std::unordered_map<std::string, std::vector<std::size_t>> earlier;
  for (std::size_t i = 0; i < configuration.routes.size(); ++i) {
    const Match& match = configuration.routes[i].match;
    const auto names = names_in(match);
    for (const std::size_t other : earlier[names.front()]) {
      if (!shadows(configuration.routes[other].match, match)) continue;
      report.warning("route" + at(i), "it never gets a connection: route" + at(other) + " matches all of it",
                     "leave it out, or move it up");
      break;
    }
    for (const std::string& name : names) earlier[name].push_back(i);
  }
}

}  // namespace baton::routing
