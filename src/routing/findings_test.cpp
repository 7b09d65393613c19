// SPDX-License-Identifier: MIT
#include "routing/findings.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace baton::routing {
namespace {

using recognise::Protocol;

Configuration right() {
  Configuration configuration;
  configuration.listeners = {{.name = "web", .addresses = {{.address = {}, .port = 443}}}};
  configuration.pools = {{.name = "shop", .tsap = *tsap::Selector::from_text("shop")}};
  configuration.routes = {{.match = {.sni = {NamePattern{"a", false}}}, .action = ToPool{"shop"}}};
  return configuration;
}
std::string all_of(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& each : findings)
    text += (each.severity == Severity::Error ? "error " : "warning ") + each.path + ": " + each.what + ": " +
            each.advice + "\n";
  return text;
}
/// `change` makes exactly one finding, there.
template <class Change>
void expect_one(Severity severity, std::string_view path, Change change) {
  Configuration configuration = right();
  change(configuration);
  const auto findings = check(configuration);
  ASSERT_EQ(findings.size(), 1U) << path << "\n" << all_of(findings);
  EXPECT_EQ(findings[0].path, path) << all_of(findings);
  EXPECT_EQ(findings[0].severity, severity) << all_of(findings);
  EXPECT_FALSE(findings[0].what.empty());
  EXPECT_FALSE(findings[0].advice.empty());
}
template <class Change>
void expect_error(std::string_view path, Change change) {
  expect_one(Severity::Error, path, change);
}
template <class Change>
void expect_warning(std::string_view path, Change change) {
  expect_one(Severity::Warning, path, change);
}

TEST(Check, FindsNothingWhereNothingIsWrong) { EXPECT_EQ(all_of(check(right())), ""); }

TEST(Check, FindsAllAtOnce) {
  Configuration configuration = right();
  configuration.listeners[0].addresses.clear();
  configuration.limits.undecided = 0;
  configuration.routes[0].action = ToPool{"shpo"};
  const auto findings = check(configuration);
  EXPECT_EQ(findings.size(), 4U) << all_of(findings);  // and the pool that nobody uses
  EXPECT_TRUE(has_errors(findings));
  EXPECT_TRUE(all_of(findings).contains("did you mean \"shop\"?"));
}

TEST(Check, LooksAtListeners) {
  expect_error("listener.web", [](Configuration& c) { c.listeners[0].addresses.clear(); });
  expect_error("listener.web.silence", [](Configuration& c) { c.listeners[0].silence = Duration::zero(); });
  expect_error("listener.web.silence", [](Configuration& c) { c.listeners[0].silence = c.listeners[0].wait * 2; });
  expect_error("listener.web.most_octets", [](Configuration& c) { c.listeners[0].most_octets = 100; });
  expect_error("listener.web.backlog", [](Configuration& c) { c.listeners[0].backlog = 0; });
  expect_error("listener.web.address[1]",
               [](Configuration& c) { c.listeners[0].addresses.push_back(c.listeners[0].addresses[0]); });
  expect_error("listener.other.address[0]", [](Configuration& c) {
    c.listeners.push_back({.name = "other", .addresses = c.listeners[0].addresses});
  });
  expect_warning("listener.web.proxy", [](Configuration& c) { c.listeners[0].proxy = recognise::ProxyUse::Optional; });
  expect_warning("listener.web.proxy", [](Configuration& c) { c.listeners[0].proxy = recognise::ProxyUse::Required; });
  expect_warning("listener.web.proxy_from",
                 [](Configuration& c) { c.listeners[0].proxy_from = {*recognise::Network::parse("192.0.2.0/24")}; });
  expect_error("listener.web.proxy_from[0]", [](Configuration& c) {
    c.listeners[0].proxy = recognise::ProxyUse::Required;
    c.listeners[0].proxy_from = {*recognise::Network::parse("192.0.2.1/24")};
  });
  expect_warning("listener.idle", [](Configuration& c) {
    c.listeners.push_back({.name = "idle", .systemd = "x"});
    c.routes[0].match.listeners = {"web"};
  });
}

TEST(Check, LooksAtLimits) {
  expect_error("limits.undecided", [](Configuration& c) { c.limits.undecided = 0; });
  expect_error("limits.undecided_per_source", [](Configuration& c) { c.limits.undecided_per_source = 0; });
  expect_error("limits.answer", [](Configuration& c) { c.limits.answer = Duration::zero(); });
  expect_error("limits.upgrade", [](Configuration& c) { c.limits.upgrade = Duration::zero(); });
}

TEST(Check, LooksAtPools) {
  const auto targets = [](Configuration& c, PoolKind kind, std::vector<Target> given) {
    c.pools[0].kind = kind;
    c.pools[0].targets = std::move(given);
  };
  const Target tsap{.tsap = *tsap::Selector::from_text("X")};
  const Target address{.host = "h", .port = 1};
  expect_error("pool.shop.tsap", [](Configuration& c) { c.pools[0].tsap = {}; });
  expect_error("pool.shop.tsaps", [&](Configuration& c) { targets(c, PoolKind::Tsaps, {}); });
  expect_error("pool.shop.tsaps[1]", [&](Configuration& c) { targets(c, PoolKind::Tsaps, {tsap, Target{}}); });
  expect_error("pool.shop.connect[0]", [&](Configuration& c) { targets(c, PoolKind::Connect, {Target{.host = "h"}}); });
  expect_error("pool.shop.connect", [&](Configuration& c) {
    targets(c, PoolKind::Connect, {address});
    c.pools[0].targets[0].weight = 0;
  });
  expect_error("pool.shop.connect[0].weight", [&](Configuration& c) {
    targets(c, PoolKind::Connect, {address});
    c.pools[0].targets[0].weight = 2000000;
  });
  expect_error("pool.shop.proxy_protocol", [](Configuration& c) { c.pools[0].proxy_v2 = true; });
  expect_error("pool.shop.tries", [](Configuration& c) { c.pools[0].tries = 0; });
  expect_error("pool.shop.hold", [](Configuration& c) { c.pools[0].hold = Duration{-1}; });
  expect_error("pool.shop.fallback[0]", [](Configuration& c) { c.pools[0].fallback = {"shop"}; });
  expect_error("pool.shop.fallback[0]", [](Configuration& c) { c.pools[0].fallback = {"none"}; });
  expect_warning("pool.idle", [&](Configuration& c) {
    c.pools.push_back({.name = "idle", .kind = PoolKind::Tsaps, .targets = {tsap}});
  });
  expect_error("pool.twin.tsap", [](Configuration& c) {
    c.pools.push_back(c.pools[0]);
    c.pools[1].name = "twin";
    c.pools[0].fallback = {"twin"};
  });
}

TEST(Check, LooksAtPatterns) {
  const auto with = [](std::vector<std::byte> octets, std::vector<std::byte> mask) {
    return [octets, mask](Configuration& c) {
      c.patterns = {{"x", octets, mask}};
      c.routes.push_back({.match = {.patterns = {"x"}}, .action = ToPool{"shop"}});
    };
  };
  expect_error("pattern.x.octets", with({}, {}));
  expect_error("pattern.x.mask", with({std::byte{1}}, {}));
  expect_error("pattern.x.mask", with({std::byte{1}}, {std::byte{0}}));
  expect_warning("pattern.x", [](Configuration& c) { c.patterns = {{"x", {std::byte{1}}, {std::byte{1}}}}; });
}

TEST(Check, LooksAtRoutes) {
  const auto match = [](Match given) {
    return [given](Configuration& c) { c.routes.push_back({.match = given, .action = ToPool{"shop"}}); };
  };
  expect_error("route[0]", [](Configuration& c) {
    c.routes.push_back(c.routes[0]);
    c.routes[0].match.sni[0].name = "b";
    c.routes[0].action = ToPool{};
  });
  expect_error("route[1].listener[0]", match({.listeners = {"none"}}));
  expect_error("route[1].pattern[0]", match({.patterns = {"none"}}));
  expect_error("route[1]", match({.sni = {NamePattern{"x", false}}, .host = {NamePattern{"x", false}}}));
  expect_error("route[1].protocol", match({.protocols = {Protocol::Ssh}, .sni = {NamePattern{"x", false}}}));
  expect_error("route[1].path[1]", match({.path = {"/a", "b"}}));
  expect_error("route[1].path[0]", match({.path = {"/a*"}}));
  expect_error("route[1].alpn[0]", match({.alpn = {""}}));
  expect_error("route[1].source[0]", match({.sources = {*recognise::Network::parse("192.0.2.1/24")}}));
  expect_error("route[1].to_called_tsap", [](Configuration& c) { c.routes.push_back({.action = ToCalledTsap{}}); });
  expect_error("route[1].to_called_tsap", [](Configuration& c) {
    c.routes.push_back({.match = {.protocols = {Protocol::Iso, Protocol::Tls}}, .action = ToCalledTsap{}});
  });
}

TEST(Check, WarnsOfRoutesThatNeverGetAConnection) {
  expect_warning("route[1]", [](Configuration& c) { c.routes.push_back(c.routes[0]); });
  expect_warning("route[2]", [](Configuration& c) {
    c.routes[0].match.sni.push_back(NamePattern{"b", true});
    c.routes.push_back({.match = {.sni = {NamePattern{"c", false}}}, .action = ToPool{"shop"}});
    c.routes.push_back({.match = {.sni = {NamePattern{"b", true}}}, .action = Refuse{}});
  });
  // More specific, or not all of it: no warning.
  for (const Match& match : {Match{.sni = {NamePattern{"a", false}, NamePattern{"b", false}}},
                             Match{.sni = {NamePattern{"a", false}}, .alpn = {"h2"}},
                             Match{.listeners = {"web"}, .sni = {NamePattern{"a", false}}}, Match{}}) {
    Configuration configuration = right();
    configuration.routes.push_back({.match = match, .action = ToPool{"shop"}});
    EXPECT_EQ(all_of(check(configuration)), "");
  }
}

TEST(Questions, FollowFromTheRoutes) {
  Configuration configuration = right();
  EXPECT_EQ(questions_of(configuration, 0).protocols, std::vector{Protocol::Tls});
  configuration.routes.push_back({.match = {.rdp_user = {TextPattern{"x", false}}}});
  configuration.routes.push_back({.match = {.path = {"/"}}});
  EXPECT_EQ(questions_of(configuration, 0).protocols,
            (std::vector{Protocol::Iso, Protocol::Tls, Protocol::Http2, Protocol::Http1}));
  EXPECT_FALSE(routes_silence(configuration, 0));
  configuration.routes = {{.match = {.protocols = {Protocol::Silent}}}, {}};
  EXPECT_EQ(questions_of(configuration, 0).protocols, std::vector{Protocol::Silent});
  EXPECT_TRUE(routes_silence(configuration, 0));
  configuration.routes = {{}};
  EXPECT_TRUE(questions_of(configuration, 0).protocols.empty());
  configuration.listeners[0].protocols = {Protocol::Ssh};
  EXPECT_EQ(questions_of(configuration, 0).protocols, std::vector{Protocol::Ssh});
  configuration.patterns = {{"x", {std::byte{1}}, {std::byte{1}}}};
  configuration.routes = {{.match = {.listeners = {"other"}, .patterns = {"x"}}}};
  EXPECT_TRUE(questions_of(configuration, 0).patterns.empty());
  configuration.routes = {{.match = {.patterns = {"x"}}}};
  EXPECT_EQ(questions_of(configuration, 0).patterns.size(), 1U);
}

TEST(ProxyUse, DependsOnWhoConnects) {
  const auto inside = *recognise::IpAddress::parse("192.0.2.7");
  const auto outside = *recognise::IpAddress::parse("203.0.113.7");
  Listener listener{.name = "web", .proxy = recognise::ProxyUse::Required};
  EXPECT_EQ(proxy_use(listener, outside), recognise::ProxyUse::Required);
  listener.proxy_from = {*recognise::Network::parse("192.0.2.0/24")};
  EXPECT_EQ(proxy_use(listener, inside), recognise::ProxyUse::Required);
  EXPECT_EQ(proxy_use(listener, outside), std::nullopt);
  listener.proxy = recognise::ProxyUse::Optional;
  EXPECT_EQ(proxy_use(listener, inside), recognise::ProxyUse::Optional);
  EXPECT_EQ(proxy_use(listener, outside), recognise::ProxyUse::Never);
}

}  // namespace
}  // namespace baton::routing
