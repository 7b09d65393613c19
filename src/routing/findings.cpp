// SPDX-License-Identifier: MIT
#include "routing/findings.hpp"

#include <algorithm>
#include <string_view>

#include "routing/findings_of_routes.hpp"
#include "routing/suggestion.hpp"

namespace baton::routing {
namespace {

constexpr std::uint32_t most_weight = 1000000;

void check_addresses(const Configuration& configuration, const Listener& listener, const std::string& path,
                     Report& report) {
  if (listener.addresses.empty() && listener.systemd.empty())
    report.error(path, "it listens nowhere",
                 "give address = \":443\", or systemd = the name of a socket unit's descriptor");
  for (std::size_t i = 0; i < listener.addresses.size(); ++i) {
    if (listener.addresses[i].port == 0) continue;
    for (const Listener& other : configuration.listeners) {
      const auto& theirs = other.addresses;
      const bool same = &other == &listener;
      const auto end = same ? theirs.begin() + static_cast<std::ptrdiff_t>(i) : theirs.end();
      const bool before = same || &other < &listener;
      if (!before || std::find(theirs.begin(), end, listener.addresses[i]) == end) continue;
      report.error(path + ".address" + at(i), "the address is in listener \"" + other.name + "\" already",
                   "leave one of them out");
    }
  }
}

void check_networks(const std::vector<recognise::Network>& networks, const std::string& path, Report& report) {
  for (std::size_t i = 0; i < networks.size(); ++i)
    if (!networks[i].is_exact())
      report.error(
          path + at(i), networks[i].text() + " is an address within a network",
          "clear the bits behind the first " + std::to_string(networks[i].bits) + ", or write the address alone");
}

void check_listener(const Configuration& configuration, const Listener& listener, Report& report) {
  const std::string path = "listener." + listener.name;
  check_addresses(configuration, listener, path, report);
  if (listener.wait <= Duration::zero())
    report.error(path + ".wait", "nobody can say anything in no time", "give a time such as \"10s\"");
  if (listener.silence <= Duration::zero())
    report.error(path + ".silence", "everybody is silent for no time", "give a time such as \"500ms\"");
  if (listener.silence > listener.wait)
    report.error(path + ".silence", "it is longer than `wait`, after which a client is closed",
                 "make it shorter than `wait`");
  if (listener.most_octets < recognise::least_most_octets || listener.most_octets > recognise::largest_most_octets)
    report.error(path + ".most_octets", std::to_string(listener.most_octets) + " is out of range",
                 "give " + std::to_string(recognise::least_most_octets) + " to " +
                     std::to_string(recognise::largest_most_octets));
  if (listener.backlog <= 0) report.error(path + ".backlog", "it is not positive", "give a number such as 4096");
  check_networks(listener.proxy_from, path + ".proxy_from", report);
  if (listener.proxy == recognise::ProxyUse::Never && !listener.proxy_from.empty())
    report.warning(path + ".proxy_from", "it says nothing, as no PROXY header is looked for",
                   "add proxy = \"required\", or leave it out");
  if (listener.proxy != recognise::ProxyUse::Never && listener.proxy_from.empty())
    report.warning(path + ".proxy", "whoever can connect can claim any address by a PROXY header",
                   "name the proxies in proxy_from");
  const bool routed = std::ranges::any_of(configuration.routes, [&](const Route& route) {
    const auto& names = route.match.listeners;
    return names.empty() || std::ranges::find(names, listener.name) != names.end();
  });
  if (!routed) report.warning(path, "no route takes its connections", "add a [[route]] for it, or leave it out");
}

void check_targets(const Pool& pool, const std::string& path, Report& report) {
  const bool tsaps = pool.kind == PoolKind::Tsaps;
  const std::string list = path + (tsaps ? ".tsaps" : ".connect");
  if (pool.kind == PoolKind::Workers) {
    if (pool.tsap.empty())
      report.error(path + ".tsap", "the empty TSEL cannot be bound", "give a name of 1 to 32 octets");
    return;
  }
  if (pool.targets.empty())
    report.error(list, "it is empty", "name at least one, or leave it out: workers then connect");
  std::uint64_t weights = 0;
  for (std::size_t i = 0; i < pool.targets.size(); ++i) {
    const Target& target = pool.targets[i];
    weights += target.weight;
    if (target.weight > most_weight)
      report.error(list + at(i) + ".weight", "it is too large", "give 0 to " + std::to_string(most_weight));
    if (tsaps && target.tsap.empty())
      report.error(list + at(i), "nobody can have the empty TSEL", "give the name that the server has bound");
    if (!tsaps && target.path.empty() && (target.host.empty() || target.port == 0))
      report.error(list + at(i), "it lacks a host or a port", "write \"host:port\"");
  }
  if (!pool.targets.empty() && weights == 0)
    report.error(list, "all weights are 0: it gets nothing", "give one of them a weight");
}

void check_pool(const Configuration& configuration, const Pool& pool, Report& report) {
  const std::string path = "pool." + pool.name;
  check_targets(pool, path, report);
  for (const Pool& other : configuration.pools) {
    if (&other == &pool) break;
    if (other.name == pool.name) report.error(path, "there are two pools of this name", "rename one of them");
    if (pool.kind == PoolKind::Workers && other.kind == PoolKind::Workers && other.tsap == pool.tsap)
      report.error(path + ".tsap", pool.tsap.printable() + " is the TSAP of pool \"" + other.name + "\" already",
                   "give each pool a TSAP of its own");
  }
  if (pool.hold < Duration::zero())
    report.error(path + ".hold", "it is negative", "give \"0s\" where nobody is to be kept");
  if (pool.tries == 0) report.error(path + ".tries", "nobody would ever be asked", "give 1 or more");
  if (pool.proxy_v2 && pool.kind != PoolKind::Connect)
    report.error(path + ".proxy_protocol", "only a pool with `connect` says a PROXY header",
                 "leave it out: a server that takes the connection itself sees the client's address");
  for (std::size_t i = 0; i < pool.fallback.size(); ++i) {
    const std::string place = path + ".fallback" + at(i);
    if (pool.fallback[i] == pool.name)
      report.error(place, "it falls back to itself", "leave it out");
    else if (!find_pool(configuration, pool.fallback[i]))
      report.unknown(place, "pool", pool.fallback[i], names_of(configuration.pools));
  }
}

void check_pool_use(const Configuration& configuration, Report& report) {
  std::vector<bool> used(configuration.pools.size());
  for (const Route& route : configuration.routes) {
    const auto* to = std::get_if<ToPool>(&route.action);
    const auto pool = to != nullptr ? find_pool(configuration, to->pool) : std::nullopt;
    if (!pool) continue;
    for (const std::size_t each : pools_in_order(configuration.pools, *pool)) used[each] = true;
  }
  for (std::size_t i = 0; i < used.size(); ++i)
    if (!used[i])
      report.warning("pool." + configuration.pools[i].name, "no route leads to it", "add a [[route]], or leave it out");
}

void check_pattern(const Configuration& configuration, const recognise::Pattern& pattern, Report& report) {
  const std::string path = "pattern." + pattern.name;
  if (pattern.octets.empty() || pattern.octets.size() > recognise::max_pattern_octets)
    report.error(path + ".octets", "it has " + std::to_string(pattern.octets.size()) + " octets",
                 "give 1 to " + std::to_string(recognise::max_pattern_octets));
  if (pattern.mask.size() != pattern.octets.size())
    report.error(path + ".mask", "it has not as many octets as the pattern", "give as many, or leave it out");
  else if (!pattern.mask.empty() &&
           std::ranges::all_of(pattern.mask, [](std::byte each) { return each == std::byte{0}; }))
    report.error(path + ".mask", "no bit counts: everything would match", "set the bits that tell it apart");
  const bool used = std::ranges::any_of(configuration.routes, [&](const Route& route) {
    return std::ranges::find(route.match.patterns, pattern.name) != route.match.patterns.end();
  });
  if (!used) report.warning(path, "no route names it", "add a [[route]] with pattern, or leave it out");
}

}  // namespace

std::vector<Finding> check(const Configuration& configuration) {
  Report report;
  if (configuration.listeners.empty())
    report.error("listener", "there is none, so nobody can connect", "add [listener.NAME] with an address");
  const Limits& limits = configuration.limits;
  if (limits.undecided == 0) report.error("limits.undecided", "nobody could connect", "give a number such as 16384");
  if (limits.undecided_per_source == 0)
    report.error("limits.undecided_per_source", "nobody could connect", "give a number such as 1024");
  if (limits.answer <= Duration::zero())
    report.error("limits.answer", "no worker can answer in no time", "give a time such as \"5s\"");
  if (limits.upgrade <= Duration::zero())
    report.error("limits.upgrade", "no batond starts in no time", "give a time such as \"30s\"");
  for (const Listener& listener : configuration.listeners) check_listener(configuration, listener, report);
  for (const recognise::Pattern& pattern : configuration.patterns) check_pattern(configuration, pattern, report);
  for (const Pool& pool : configuration.pools) check_pool(configuration, pool, report);
  check_pool_use(configuration, report);
  for (std::size_t i = 0; i < configuration.routes.size(); ++i) {
    check_networks(configuration.routes[i].match.sources, "route" + at(i) + ".source", report);
    check_route(configuration, i, report);
  }
  check_shadows(configuration, report);
  return std::move(report).findings();
}

bool has_errors(const std::vector<Finding>& findings) noexcept {
  return std::ranges::any_of(findings, [](const Finding& each) { return each.severity == Severity::Error; });
}

}  // namespace baton::routing
