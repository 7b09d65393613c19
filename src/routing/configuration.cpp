// SPDX-License-Identifier: MIT
#include "routing/configuration.hpp"

#include <algorithm>
#include <array>

namespace baton::routing {
namespace {

using recognise::Protocol;

/// The order in which protocols are asked: what a first octet decides before what takes a line.
constexpr std::array asked_in_order{Protocol::Silent, Protocol::Iso, Protocol::Tls,   Protocol::Postgres,
                                    Protocol::Http2,  Protocol::Ssh, Protocol::Http1, Protocol::Pattern};

Protocol asked_as(Protocol protocol) noexcept { return protocol == Protocol::Rdp ? Protocol::Iso : protocol; }

bool contains(const std::vector<Protocol>& protocols, Protocol wanted) noexcept {
  return std::ranges::find(protocols, wanted) != protocols.end();
}

bool is_of(const Route& route, const Listener& listener) noexcept {
  const auto& names = route.match.listeners;
  return names.empty() || std::ranges::find(names, listener.name) != names.end();
}

template <class Named>
std::optional<std::size_t> find_named(const std::vector<Named>& all, std::string_view name) {
  const auto found = std::ranges::find(all, name, &Named::name);
  if (found == all.end()) return std::nullopt;
  return static_cast<std::size_t>(found - all.begin());
}

}  // namespace

std::optional<std::size_t> find_listener(const Configuration& configuration, std::string_view name) {
  return find_named(configuration.listeners, name);
}
std::optional<std::size_t> find_pool(const Configuration& configuration, std::string_view name) {
  return find_named(configuration.pools, name);
}

recognise::Questions questions_of(const Configuration& configuration, std::size_t index) {
  const Listener& listener = configuration.listeners[index];
  std::vector<Protocol> wanted;
  for (const Protocol protocol : listener.protocols) wanted.push_back(asked_as(protocol));
  bool patterns = contains(wanted, Protocol::Pattern);
  for (const Route& route : configuration.routes) {
    if (!is_of(route, listener)) continue;
    for (const Protocol protocol : protocols_of(route.match)) wanted.push_back(asked_as(protocol));
    if (!route.match.patterns.empty()) patterns = true;
  }
  recognise::Questions questions;
  questions.proxy = listener.proxy;
  questions.most_octets = listener.most_octets;
  for (const Protocol protocol : asked_in_order)
    if (contains(wanted, protocol)) questions.protocols.push_back(protocol);
  if (patterns) questions.patterns = configuration.patterns;
  return questions;
}

std::optional<recognise::ProxyUse> proxy_use(const Listener& listener, const recognise::IpAddress& peer) {
  const auto& from = listener.proxy_from;
  const bool trusted = from.empty() || std::ranges::any_of(from, [&](const auto& each) { return each.contains(peer); });
  if (trusted) return listener.proxy;
  if (listener.proxy == recognise::ProxyUse::Required) return std::nullopt;
  return recognise::ProxyUse::Never;
}

bool routes_silence(const Configuration& configuration, std::size_t index) {
  const Listener& listener = configuration.listeners[index];
  return std::ranges::any_of(configuration.routes, [&](const Route& route) {
    return is_of(route, listener) && contains(route.match.protocols, Protocol::Silent);
  });
}

}  // namespace baton::routing
