// SPDX-License-Identifier: MIT
// baton: routing/configuration.hpp: all that batond is told, as values.
//
// Whoever reads a configuration file fills these; findings.hpp says what is wrong with them; router.hpp and balance.hpp
// decide by them. Names tie them together: a route names its pool. Threads: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "recognise/ip_address.hpp"
#include "recognise/recognise.hpp"
#include "routing/match.hpp"
#include "tsap/selector.hpp"

namespace baton::routing {

struct ListenAddress {
  std::optional<recognise::IpAddress> address{};  ///< nothing: all of the host, IPv4 and IPv6
  std::uint16_t port = 0;                         ///< 0: any free one
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// Where connections are accepted, and how their first octets are looked at.
struct Listener {
  std::string name;
  std::vector<ListenAddress> addresses{};
  std::string systemd{};                         ///< FileDescriptorName= of sockets that systemd has opened
  std::vector<recognise::Protocol> protocols{};  ///< looked for besides those that its routes name
  recognise::ProxyUse proxy = recognise::ProxyUse::Never;
  std::vector<recognise::Network> proxy_from{};       ///< who may send a PROXY header; empty: everybody
  Duration wait = std::chrono::seconds{10};           ///< for what a client has to say before it is routed
  Duration silence = std::chrono::milliseconds{500};  ///< after which a client that says nothing waits for the server
  std::size_t most_octets = recognise::default_most_octets;
  int backlog = 4096;  ///< listen(2)
  friend bool operator==(const Listener&, const Listener&) = default;
};

enum class Policy : std::uint8_t {
  RoundRobin,  ///< in turn, by weight
  First,       ///< the first that can, in the order of the configuration or of their connecting
  LeastMoves,  ///< the fewest moves under way, by weight
  Hash,        ///< by the client's address: the same client, the same worker, as long as it lives
};

/// One that a pool's connections can go to, where the configuration names them.
struct Target {
  tsap::Selector tsap{};  ///< PoolKind::Tsaps
  std::string host{};     ///< PoolKind::Connect: a name, or an address without brackets
  std::string path{};     ///< PoolKind::Connect: of an AF_UNIX socket, instead of a host and a port
  std::uint16_t port = 0;
  std::uint32_t weight = 1;
  friend bool operator==(const Target&, const Target&) = default;
};

enum class PoolKind : std::uint8_t {
  Workers,  ///< workers connect to the TSAP that batond binds for the pool, and take the connections
  Tsaps,    ///< batond connects to TSAPs that servers have bound
  Connect,  ///< fallback for programs that cannot take one: batond connects by TCP, and copies
};

struct Pool {
  std::string name;
  PoolKind kind = PoolKind::Workers;
  tsap::Selector tsap{};          ///< PoolKind::Workers
  std::vector<Target> targets{};  ///< the other kinds
  Policy policy = Policy::RoundRobin;
  std::vector<std::string> fallback{};      ///< pools that are asked in turn where no worker of this one can
  Duration hold = std::chrono::seconds{2};  ///< how long a client is kept while no worker can take it
  std::uint32_t tries = 3;                  ///< workers that are asked for one connection, at most
  bool proxy_v2 = false;                    ///< PoolKind::Connect: say a PROXY header, version 2, first
  friend bool operator==(const Pool&, const Pool&) = default;
};

struct ToPool {
  std::string pool;
  friend bool operator==(const ToPool&, const ToPool&) = default;
};
/// To whoever of this host has bound the TSEL that was called. Such a route matches Protocol::Iso alone.
struct ToCalledTsap {
  friend bool operator==(const ToCalledTsap&, const ToCalledTsap&) = default;
};
struct Refuse {
  friend bool operator==(const Refuse&, const Refuse&) = default;
};
using Action = std::variant<ToPool, ToCalledTsap, Refuse>;

struct Route {
  std::string name{};  ///< for logs and metrics; may be empty
  Match match{};
  Action action{};
  friend bool operator==(const Route&, const Route&) = default;
};

struct Limits {
  std::uint32_t undecided = 16384;              ///< connections that are accepted and not yet routed, all together
  std::uint32_t undecided_per_source = 1024;    ///< and of one address; IPv6: of one /64 network
  Duration answer = std::chrono::seconds{5};    ///< within which a worker takes a connection, or another is asked
  Duration upgrade = std::chrono::seconds{30};  ///< within which a new batond is ready to take over from this one
  friend bool operator==(const Limits&, const Limits&) = default;
};

enum class LogLevel : std::uint8_t { Error, Warning, Info, Debug };

/// batond itself.
struct Service {
  std::string control{};                   ///< path of the control socket; empty: in the runtime folder
  std::optional<ListenAddress> metrics{};  ///< Prometheus metrics and the status page; nothing: none
  LogLevel log = LogLevel::Info;
  friend bool operator==(const Service&, const Service&) = default;
};

struct Configuration {
  Service service{};
  Limits limits{};
  std::vector<Listener> listeners{};
  std::vector<recognise::Pattern> patterns{};
  std::vector<Pool> pools{};
  std::vector<Route> routes{};
};

[[nodiscard]] std::optional<std::size_t> find_listener(const Configuration& configuration, std::string_view name);
[[nodiscard]] std::optional<std::size_t> find_pool(const Configuration& configuration, std::string_view name);

/// What is asked of the connections of a listener: all protocols that a route can tell apart there, and its own.
/// Nothing where one route takes everything: then no octet is waited for.
[[nodiscard]] recognise::Questions questions_of(const Configuration& configuration, std::size_t listener);

/// Whether a PROXY header counts that comes from `peer`. Nothing: this peer may not connect at all, as it has to send
/// one and may not.
[[nodiscard]] std::optional<recognise::ProxyUse> proxy_use(const Listener& listener, const recognise::IpAddress& peer);

/// Whether a silent client is routed after Listener::silence.
[[nodiscard]] bool routes_silence(const Configuration& configuration, std::size_t listener);

}  // namespace baton::routing
