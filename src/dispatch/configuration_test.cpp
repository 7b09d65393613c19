// SPDX-License-Identifier: MIT
#include "dispatch/configuration.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace baton::dispatch {
namespace {

using namespace std::chrono_literals;
using recognise::Protocol;

std::string all_of(const ReadConfiguration& read) {
  std::string text;
  for (const LocatedFinding& each : read.findings) text += printable(each, "f") + '\n';
  return text;
}

/// The shortest configuration that is right, lines 1 to 5, and what follows.
std::string with(std::string_view more) {
  return "[listener.web]\naddress = \":443\"\n[pool.shop]\n[[route]]\npool = \"shop\"\n" + std::string{more};
}

TEST(Configuration, IsShortInTheCommonCase) {
  const auto read = read_configuration(
      "[listener.web]\n"
      "address = [\"192.0.2.1:443\", \"[2001:db8::1]:443\"]\n"
      "[pool.shop]\n"
      "[[route]]\n"
      "sni = [\"shop.Example.org\", \"*.shop.example.org\"]\n"
      "pool = \"shop\"\n");
  EXPECT_EQ(all_of(read), "");
  ASSERT_EQ(read.configuration.listeners.size(), 1U);
  const routing::Listener& listener = read.configuration.listeners[0];
  EXPECT_EQ(listener.name, "web");
  ASSERT_EQ(listener.addresses.size(), 2U);
  EXPECT_EQ(listener.addresses[0].address->text(), "192.0.2.1");
  EXPECT_EQ(listener.addresses[1].address->text(), "2001:db8::1");
  EXPECT_EQ(listener.addresses[1].port, 443);
  ASSERT_EQ(read.configuration.pools.size(), 1U);
  EXPECT_EQ(read.configuration.pools[0].kind, routing::PoolKind::Workers);
  EXPECT_EQ(read.configuration.pools[0].tsap, tsap::Selector::from_text("shop"));
  ASSERT_EQ(read.configuration.routes.size(), 1U);
  const routing::Match& match = read.configuration.routes[0].match;
  ASSERT_EQ(match.sni.size(), 2U);
  EXPECT_EQ(match.sni[0], (routing::NamePattern{"shop.example.org", false}));
  EXPECT_EQ(match.sni[1], (routing::NamePattern{"shop.example.org", true}));
  EXPECT_EQ(std::get<routing::ToPool>(read.configuration.routes[0].action).pool, "shop");
  EXPECT_EQ(routing::questions_of(read.configuration, 0).protocols, std::vector{Protocol::Tls});
}

TEST(Configuration, OfTheExampleIsRightAndShowsEverySetting) {
  std::ifstream file{BATON_SOURCE_DIR "/docs/batond.example.toml"};
  ASSERT_TRUE(file) << "docs/batond.example.toml is missing";
  std::stringstream text;
  text << file.rdbuf();
  const auto read = read_configuration(text.str());
  EXPECT_EQ(all_of(read), "");
  for (const char* setting : {"control",    "metrics",  "log",          "undecided",   "undecided_per_source",
                              "answer",     "address",  "systemd",      "protocol",    "proxy",
                              "proxy_from", "wait",     "silence",      "most_octets", "backlog",
                              "text",       "octets",   "tsap",         "tsaps",       "connect",
                              "policy",     "fallback", "hold",         "tries",       "proxy_protocol",
                              "name",       "listener", "source",       "sni",         "alpn",
                              "host",       "path",     "calling_tsap", "rdp_user",    "database",
                              "user",       "pattern",  "pool",         "refuse",      "weight",
                              "upgrade"})
    EXPECT_TRUE(text.str().contains(std::string{setting} + " = ")) << setting;
}

TEST(Configuration, ReadsEveryKindOfPool) {
  const auto read = read_configuration(with(
      "[pool.a]\ntsap = \"X'0a0B'\"\npolicy = \"least-moves\"\nhold = \"3s\"\ntries = 5\nfallback = [\"b\", \"c\"]\n"
      "[pool.b]\ntsaps = [\"ONE\", { tsap = \"TWO\", weight = 3 }]\npolicy = \"hash\"\n"
      "[pool.c]\nconnect = [\"localhost:80\", { address = \"[::1]:81\", weight = 0 }, "
      "\"unix:/run/a.sock\"]\nproxy_protocol = true\n"
      "[[route]]\nsource = \"192.0.2.0/24\"\npool = \"a\"\n"));
  EXPECT_EQ(all_of(read), "");
  const auto pool = [&](std::string_view name) {
    return read.configuration.pools[*find_pool(read.configuration, name)];
  };
  EXPECT_EQ(pool("a").tsap.hex(), "0a0b");
  EXPECT_EQ(pool("a").policy, routing::Policy::LeastMoves);
  EXPECT_EQ(pool("a").hold, 3s);
  EXPECT_EQ(pool("a").tries, 5U);
  EXPECT_EQ(pool("a").fallback, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(pool("b").kind, routing::PoolKind::Tsaps);
  ASSERT_EQ(pool("b").targets.size(), 2U);
  EXPECT_EQ(pool("b").targets[1].tsap, tsap::Selector::from_text("TWO"));
  EXPECT_EQ(pool("b").targets[1].weight, 3U);
  EXPECT_EQ(pool("c").kind, routing::PoolKind::Connect);
  EXPECT_TRUE(pool("c").proxy_v2);
  EXPECT_EQ(pool("c").targets[0].host, "localhost");
  EXPECT_EQ(pool("c").targets[1].host, "::1");
  EXPECT_EQ(pool("c").targets[1].port, 81);
  EXPECT_EQ(pool("c").targets[2].path, "/run/a.sock");
}

TEST(Configuration, ReadsPatternsWithDigitsThatDoNotCount) {
  const auto read =
      read_configuration(with("[pattern.mqtt]\noctets = \"1? ?? 00 04 4D\"\n[pattern.later]\ntext = \"AB\"\n"
                              "[[route]]\npattern = [\"mqtt\", \"later\"]\npool = \"shop\"\n"));
  EXPECT_EQ(all_of(read), "");
  ASSERT_EQ(read.configuration.patterns.size(), 2U);
  const auto& mqtt = read.configuration.patterns[0];  // in the order of the text, not of names
  EXPECT_EQ(mqtt.name, "mqtt");
  const std::vector octets{std::byte{0x10}, std::byte{0}, std::byte{0}, std::byte{4}, std::byte{0x4d}};
  const std::vector mask{std::byte{0xf0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
  EXPECT_EQ(mqtt.octets, octets);
  EXPECT_EQ(mqtt.mask, mask);
}

TEST(Configuration, SaysWhereAndWhatToDo) {
  const std::pair<std::string, std::string_view> cases[] = {
      {with("[[route]]\nsni = \"a\"\npool = \"shp\"\n"),
       "f:8:8: error: route[1].pool: there is no pool \"shp\": did you mean \"shop\"?\n"},
      {with("[[route]]\nsnii = \"a\"\npool = \"shop\"\n"),
       "f:7:1: error: route[1].snii: there is no such setting here: did you mean \"sni\"?\n"},
      {with("[[route]]\nsni = [\"a\", \"b..c\"]\npool = \"shop\"\n"),
       "f:7:13: error: route[1].sni[1]: \"b..c\" is no host name: write \"www.example.org\", or \"*.example.org\" for "
       "all "
       "below it\n"},
      {with("[[route]]\nsni = \"a\"\nhost = \"a\"\npool = \"shop\"\n"),
       "f:6:1: error: route[1]: no connection has sni and alpn (TLS) as well as host and path (HTTP): they belong to "
       "different protocols: make it two routes\n"},
      {with("[[route]]\npool = \"shop\"\n"),
       "f:6:1: warning: route[1]: it never gets a connection: route[0] matches all of it: leave it out, or move it "
       "up\n"},
      {with("[pool.x]\npolicy = \"roundrobin\"\n[[route]]\nsni=\"a\"\npool=\"x\""),
       "f:7:10: error: pool.x.policy: \"roundrobin\" is no policy: did you mean \"round-robin\"?\n"},
      {with("[limits]\nanswer = 5\n"),
       "f:7:10: error: limits.answer: it is no time: write a whole number and ms, s, m or h, such as \"500ms\"\n"},
      {with("[limits]\nundecided = -1\n"),
       "f:7:13: error: limits.undecided: -1 is out of range: give a number from 0 to 4294967295\n"},
      {with("[listener.x]\naddress = \"443\"\n"),
       "f:7:11: error: listener.x.address: \"443\" is no address and port: write \"192.0.2.1:443\", "
       "\"[2001:db8::1]:443\", or \":443\" for all addresses\n"},
      {with("[[route]]\nsource = \"192.0.2.7/24\"\npool = \"shop\"\n"),
       "f:7:10: error: route[1].source[0]: 192.0.2.7/24 is an address within a network: clear the bits behind the "
       "first "
       "24, or write the address alone\n"},
      {with("oops = \n"), "f:6:8: error: this is not TOML"},
      {"", "f:1:1: error: listener: there is none, so nobody can connect: add [listener.NAME] with an address\n"},
      {with("[batond]\nlog = true\n"),
       "f:7:7: error: batond.log: it is not text: give one of error, warning, info, debug\n"},
      {with("[pool.x]\nconnect = \"unix:a.sock\"\n"),
       "f:7:11: error: pool.x.connect: \"unix:a.sock\" names no socket: write \"unix:/run/app.sock\": an absolute "
       "path "},
      {with("[pool.x]\nconnect = \"unix:/" + std::string(107, 'a') + "\"\n"),
       "f:7:11: error: pool.x.connect: \"unix:/a"},
      {with("[pool.x]\ntsap = \"A\"\nconnect = \"h:1\"\n"),
       "f:6:1: error: pool.x: it has several of tsap, tsaps and connect"},
      {with("[pattern.x]\noctets = \"1\"\n"), "f:7:10: error: pattern.x.octets: it is not hexadecimal"},
      {with("pool = 7\n"), "error"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string found = all_of(read_configuration(text));
    EXPECT_TRUE(found.starts_with(expected) || (expected == "error" && found.contains("error"))) << text << "\n"
                                                                                                 << found;
  }
}

TEST(Configuration, SaysAllThatIsWrongByLine) {
  const auto read = read_configuration(
      "[listener.web]\naddress = 443\nwait = \"soon\"\n"
      "[pool.shop]\nhold = \"x\"\n"
      "[[route]]\npool = \"none\"\n");
  ASSERT_EQ(read.findings.size(), 4U) << all_of(read);
  EXPECT_FALSE(read.usable());
  for (std::size_t i = 1; i < read.findings.size(); ++i)
    EXPECT_LE(read.findings[i - 1].position, read.findings[i].position);
}

TEST(Configuration, WithWarningsAloneIsUsable) {
  const auto read = read_configuration(with("[pool.unused]\n"));
  ASSERT_EQ(read.findings.size(), 1U);
  EXPECT_EQ(read.findings[0].finding.path, "pool.unused");
  EXPECT_EQ(read.findings[0].position, (Position{6, 1}));
  EXPECT_TRUE(read.usable());
}

TEST(Configuration, OfWrongTypesEverywhereIsAnsweredByFindings) {
  for (const char* key : {"batond", "limits", "listener", "pattern", "pool", "route"})
    for (const char* value : {"1", "\"x\"", "[1]", "true", "{ a = 1 }", "[{ pool = [] }]", "{ a = { tsaps = [1] } }"}) {
      const std::string text = std::string{key} + " = " + value + "\n";
      EXPECT_FALSE(read_configuration(text).usable()) << text;
    }
}

}  // namespace
}  // namespace baton::dispatch
