// SPDX-License-Identifier: MIT
#include "routing/match.hpp"

#include <gtest/gtest.h>

#include "tsap/selector.hpp"

namespace baton::routing {
namespace {

using recognise::Facts;
using recognise::Protocol;

recognise::IpAddress ip(std::string_view text) { return recognise::IpAddress::parse(text).value(); }
recognise::Network network(std::string_view text) { return recognise::Network::parse(text).value(); }
NamePattern name(std::string_view text) { return parse_name_pattern(text).value(); }
TextPattern text(std::string_view text) { return parse_text_pattern(text).value(); }

std::optional<Specificity> of(const Match& match, recognise::What what, std::string_view source = "192.0.2.7",
                              std::string_view listener = "web") {
  const Facts facts{{}, std::move(what)};
  return matches(match, Arrival{listener, ip(source), facts});
}
recognise::Iso iso(std::string_view called, std::string_view calling = "") {
  return {.called = *tsap::Selector::from_text(called), .calling = *tsap::Selector::from_text(calling)};
}

TEST(NamePattern, StandsForANameOrAllBelow) {
  EXPECT_TRUE(name("A.example.").matches("a.example"));
  EXPECT_FALSE(name("a.example").matches("x.a.example"));
  EXPECT_TRUE(name("*.a.example").matches("x.a.example"));
  EXPECT_TRUE(name("*.a.example").matches("y.x.a.example"));
  EXPECT_FALSE(name("*.a.example").matches("a.example"));
  EXPECT_FALSE(name("*.a.example").matches("xa.example"));
  EXPECT_FALSE(name("*.a.example").matches(".a.example"));
  EXPECT_TRUE(name("*").matches("a"));
  EXPECT_FALSE(name("*").matches(""));
  EXPECT_TRUE(name("").matches(""));
  EXPECT_FALSE(name("").matches("a"));
  EXPECT_TRUE(name("[2001:DB8::1]").matches("2001:db8::1"));
  for (const char* wrong : {"a.*", "*a", "a*b", "**", "*.*.a", "a b", "*.", "."})
    EXPECT_FALSE(parse_name_pattern(wrong)) << wrong;
  for (const char* written : {"a.example", "*.a.example", "*", ""}) EXPECT_EQ(name(written).text(), written);
}

TEST(TextPattern, StandsForOctetsOrTheirStart) {
  EXPECT_TRUE(text("SRV*").matches("SRV"));
  EXPECT_TRUE(text("SRV*").matches("SRV1"));
  EXPECT_FALSE(text("SRV*").matches("srv1"));
  EXPECT_FALSE(text("SRV").matches("SRV1"));
  EXPECT_TRUE(text("*").matches(""));
  EXPECT_FALSE(parse_text_pattern("a*b"));
  EXPECT_EQ(parse_selector_pattern("X'0a0B'"), (TextPattern{"\x0a\x0b", false}));
  EXPECT_EQ(parse_selector_pattern("X'0a'*"), (TextPattern{"\x0a", true}));
  EXPECT_EQ(parse_selector_pattern("SRV*"), (TextPattern{"SRV", true}));
  for (const std::string& wrong : {std::string{"X'0'"}, std::string{"X'0g'"}, std::string(33, 'x'), std::string{"a*b"}})
    EXPECT_FALSE(parse_selector_pattern(wrong)) << wrong;
}

TEST(Path, IsBelowAPrefixInWholeSegments) {
  EXPECT_TRUE(is_below("/a", "/a"));
  EXPECT_TRUE(is_below("/a/b", "/a"));
  EXPECT_TRUE(is_below("/a/b", "/a/"));
  EXPECT_TRUE(is_below("/anything", "/"));
  EXPECT_FALSE(is_below("/ab", "/a"));
  EXPECT_FALSE(is_below("/a", "/a/"));
  EXPECT_FALSE(is_below("", "/"));
}

TEST(Match, WithoutKeysIsForAnyProtocolButSilence) {
  EXPECT_TRUE(of({}, recognise::Unknown{}));
  EXPECT_TRUE(of({}, recognise::Tls{}));
  EXPECT_TRUE(of({}, iso("A")));
  EXPECT_FALSE(of({}, recognise::Silent{}));
  EXPECT_TRUE(of({.protocols = {Protocol::Silent}}, recognise::Silent{}));
}

TEST(Match, NeedsEveryKeyAndOneValueOfEach) {
  const Match match{.listeners = {"web", "other"},
                    .sources = {network("198.51.100.0/24"), network("192.0.2.0/24")},
                    .sni = {name("a.example"), name("*.b.example")},
                    .alpn = {"h2", "h3"}};
  const recognise::Tls right{.server_name = "x.b.example", .alpn = {"http/1.1", "h2"}};
  EXPECT_TRUE(of(match, right));
  EXPECT_FALSE(of(match, right, "203.0.113.1"));
  EXPECT_FALSE(of(match, right, "192.0.2.7", "third"));
  EXPECT_FALSE(of(match, recognise::Tls{.server_name = "b.example", .alpn = {"h2"}}));
  EXPECT_FALSE(of(match, recognise::Tls{.server_name = "a.example", .alpn = {"http/1.1"}}));
}

TEST(Match, IsForTheProtocolOfItsKeys) {
  const recognise::Http1 http{.host = "a", .path = "/x"};
  EXPECT_TRUE(of({.host = {name("a")}}, http));
  EXPECT_TRUE(of({.host = {name("a")}}, recognise::Http2{.host = "a"}));
  EXPECT_FALSE(of({.host = {name("a")}}, recognise::Tls{.server_name = "a"}));
  EXPECT_FALSE(of({.protocols = {Protocol::Http2}, .host = {name("a")}}, http));
  EXPECT_FALSE(of({.host = {name("")}}, recognise::Unknown{}));
  EXPECT_FALSE(of({.path = {"/"}}, recognise::Ssh{}));
  EXPECT_TRUE(of({.called = {text("A*")}, .calling = {text("C")}}, iso("AB", "C")));
  EXPECT_FALSE(of({.called = {text("A*")}, .calling = {text("C")}}, iso("AB", "D")));
  EXPECT_FALSE(of({.called = {text("*")}}, recognise::Iso{.is_rdp = true}));
  EXPECT_TRUE(of({.rdp_user = {text("al*")}}, recognise::Iso{.is_rdp = true, .rdp_cookie = "alice"}));
  EXPECT_FALSE(of({.protocols = {Protocol::Iso}}, recognise::Iso{.is_rdp = true}));
  EXPECT_TRUE(of({.database = {text("d")}, .user = {text("u*")}}, recognise::Postgres{.user = "u1", .database = "d"}));
  EXPECT_FALSE(of({.database = {text("*")}}, recognise::Postgres{.kind = recognise::Postgres::Kind::TlsRequest}));
  EXPECT_TRUE(
      of({.protocols = {Protocol::Postgres}}, recognise::Postgres{.kind = recognise::Postgres::Kind::TlsRequest}));
  EXPECT_TRUE(of({.patterns = {"x", "y"}}, recognise::PatternMatch{"y"}));
  EXPECT_FALSE(of({.patterns = {"x"}}, recognise::PatternMatch{"y"}));
}

TEST(Match, TrustsNoPathThatLeadsElsewhere) {
  const recognise::Http1 http{.path = "/public/../secret", .dot_segments = true};
  EXPECT_FALSE(of({.path = {"/public"}}, http));
  EXPECT_TRUE(of({.path = {"/"}}, http));
  EXPECT_TRUE(of({}, http));
}

TEST(Match, IsMoreSpecificInTheOrderThatIsStated) {
  const recognise::Http1 http{.host = "x.b.example", .path = "/a/b"};
  const Match any{};
  const Match star{.host = {name("*")}};
  const Match wide{.host = {name("*.example")}};
  const Match narrow{.host = {name("*.b.example")}};
  const Match exact{.host = {name("x.b.example")}};
  const std::vector<Match> by_name{any, star, wide, narrow, exact};
  for (std::size_t i = 1; i < by_name.size(); ++i) EXPECT_LT(of(by_name[i - 1], http), of(by_name[i], http)) << i;
  // A name before a path, a path before a source, a source before the rest.
  EXPECT_LT(of({.host = {name("*.b.example")}, .path = {"/a/b"}}, http), of(exact, http));
  EXPECT_LT(of({.sources = {network("192.0.2.7")}}, http), of({.path = {"/"}}, http));
  EXPECT_LT(of({.path = {"/a"}}, http), of({.path = {"/a/b"}}, http));
  EXPECT_LT(of({.listeners = {"web"}, .protocols = {Protocol::Http1}}, http),
            of({.sources = {network("0.0.0.0/0")}}, http));
  EXPECT_LT(of({.sources = {network("192.0.2.0/24")}}, http), of({.sources = {network("192.0.2.0/25")}}, http));
  EXPECT_LT(of({.listeners = {"web"}}, http), of({.listeners = {"web"}, .protocols = {Protocol::Http1}}, http));
  EXPECT_LT(of({.called = {text("A")}, .calling = {text("*")}}, iso("A", "C")),
            of({.called = {text("A")}, .calling = {text("C")}}, iso("A", "C")));
  // By the best value.
  EXPECT_EQ(of({.host = {name("*"), name("x.b.example")}}, http), of(exact, http));
}

}  // namespace
}  // namespace baton::routing
