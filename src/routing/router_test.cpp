// SPDX-License-Identifier: MIT
#include "routing/router.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace baton::routing {
namespace {

using recognise::Facts;
using recognise::Protocol;

NamePattern name(std::string_view text) { return parse_name_pattern(text).value(); }
Route route(Match match) { return {.match = std::move(match), .action = ToPool{"p"}}; }

std::optional<std::size_t> find(const Configuration& configuration, recognise::What what) {
  const Facts facts{{}, std::move(what)};
  return Router{configuration}.find(Arrival{"web", {}, facts});
}

TEST(Router, TakesTheMostSpecificAndOfEqualsTheFirst) {
  Configuration configuration;
  configuration.routes = {route({}), route({.sni = {name("*.example")}}), route({.sni = {name("a.example")}}),
                          route({.sni = {name("a.example")}, .alpn = {"h2"}}), route({.sni = {name("a.example")}})};
  EXPECT_EQ(find(configuration, recognise::Tls{.server_name = "a.example"}), 2U);
  EXPECT_EQ(find(configuration, recognise::Tls{.server_name = "a.example", .alpn = {"h2"}}), 3U);
  EXPECT_EQ(find(configuration, recognise::Tls{.server_name = "b.example"}), 1U);
  EXPECT_EQ(find(configuration, recognise::Tls{.server_name = "example"}), 0U);
  EXPECT_EQ(find(configuration, recognise::Http1{.host = "a.example"}), 0U);
}

TEST(Router, GivesFaultsNoRoute) {
  Configuration configuration;
  configuration.routes = {route({})};
  EXPECT_EQ(find(configuration, recognise::Tls{}), 0U);
  EXPECT_EQ(find(configuration, recognise::Tls{.fault = "x"}), std::nullopt);
  EXPECT_EQ(find(configuration, recognise::Unknown{"x"}), std::nullopt);
}

TEST(Router, FindsNothingWhereNothingMatches) {
  Configuration configuration;
  EXPECT_EQ(find(configuration, recognise::Unknown{}), std::nullopt);
  configuration.routes = {route({.sni = {name("a")}})};
  EXPECT_EQ(find(configuration, recognise::Tls{.server_name = "b"}), std::nullopt);
}

// --- the look-up by name says what a look at every route says

std::string some_name() { return *rc::gen::element<std::string>("a", "b.a", "c.b.a", "b", "", "d.c.b.a"); }
NamePattern some_name_pattern() {
  return name(*rc::gen::element<std::string>("a", "b.a", "*.a", "*.b.a", "*", "", "c.b.a"));
}
TextPattern some_text_pattern() {
  return parse_text_pattern(*rc::gen::element<std::string>("A", "AB", "A*", "AB*", "*", "ABC")).value();
}
template <class Make>
auto up_to_two(Make make) {
  std::vector<decltype(make())> some;
  for (int count = *rc::gen::inRange(0, 3); count > 0; --count) some.push_back(make());
  return some;
}

Match some_match() {
  Match match;
  switch (*rc::gen::inRange(0, 6)) {
    case 0:
      match.sni = up_to_two(some_name_pattern);
      if (*rc::gen::arbitrary<bool>()) match.alpn = {"h2"};
      break;
    case 1:
      match.host = up_to_two(some_name_pattern);
      match.path = up_to_two([] { return *rc::gen::element<std::string>("/", "/a", "/a/b"); });
      break;
    case 2:
      match.called = up_to_two(some_text_pattern);
      match.calling = up_to_two(some_text_pattern);
      break;
    case 3:
      match.database = up_to_two(some_text_pattern);
      break;
    case 4:
      match.patterns = up_to_two([] { return *rc::gen::element<std::string>("A", "B"); });
      break;
    default:
      match.protocols = up_to_two(
          [] { return *rc::gen::element(Protocol::Tls, Protocol::Silent, Protocol::Iso, Protocol::Unknown); });
      break;
  }
  if (*rc::gen::inRange(0, 4) == 0) match.listeners = {*rc::gen::element<std::string>("web", "other")};
  return match;
}

recognise::What some_what() {
  const auto text = [] { return *rc::gen::element<std::string>("A", "AB", "ABC", "X", ""); };
  switch (*rc::gen::inRange(0, 7)) {
    case 0:
      return recognise::Tls{.server_name = some_name(), .alpn = up_to_two([] { return std::string{"h2"}; })};
    case 1:
      return recognise::Http1{.host = some_name(), .path = *rc::gen::element<std::string>("/", "/a/b", "/ab", "*")};
    case 2:
      return recognise::Iso{.called = *tsap::Selector::from_text(text()),
                            .calling = *tsap::Selector::from_text(text())};
    case 3:
      return recognise::Postgres{.user = "u", .database = text()};
    case 4:
      return recognise::PatternMatch{text()};
    case 5:
      return recognise::Silent{};
    default:
      return recognise::Unknown{};
  }
}

RC_GTEST_PROP(RouterProperty, FindsWhatALookAtEveryRouteFinds, ()) {
  Configuration configuration;
  for (int count = *rc::gen::inRange(0, 12); count > 0; --count) configuration.routes.push_back(route(some_match()));
  const Facts facts{{}, some_what()};
  const Arrival arrival{"web", {}, facts};
  std::optional<std::size_t> best;
  std::optional<Specificity> most;
  for (std::size_t i = 0; i < configuration.routes.size(); ++i) {
    const auto specificity = matches(configuration.routes[i].match, arrival);
    if (!specificity || (most && *specificity <= *most)) continue;
    best = i;
    most = specificity;
  }
  RC_ASSERT(Router{configuration}.find(arrival) == best);
}

}  // namespace
}  // namespace baton::routing
