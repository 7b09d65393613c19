// SPDX-License-Identifier: MIT
#include "dispatch/inheritance.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace baton::dispatch {
namespace {

using namespace std::chrono_literals;

TEST(Inheritance, IsToldAndUnderstood) {
  Inheritance before;
  before.listeners = {":443", "[::1]:80"};
  before.systemd = {{"web", 2}};
  before.pools = {{"shop", "SHOP", 3, {4711, 4712}, {}},
                  {"p", std::string{"\x01\xff\x00", 3}, 0, {}, {}},
                  {"t", "", 1, {}, {}},
                  {"c", "", 0, {}, {"[::1]:80", "old.example:80"}}};
  before.control = "/run/control";
  before.metrics = ":9102";
  EXPECT_EQ(inheritance_of(nlohmann::json::parse(to_json(before).dump())), before);
}

TEST(Inheritance, OfAnotherVersionIsWhatIsUnderstood) {
  using nlohmann::json;
  for (const char* text :
       {"{}", "[]", "7", "null", R"({"listeners": 7, "systemd": [1], "pools": {"a": 1}, "control": 3})",
        R"({"pools": [7, {"tsap": "zz"}, {"tsap": 1}], "listeners": [1, {}]})"})
    EXPECT_TRUE(inheritance_of(json::parse(text)).listeners.empty()) << text;
  EXPECT_EQ(inheritance_of(json::parse(R"({"pools": [{"tsap": "41", "workers": "x", "new": 1}]})")).pools,
            (std::vector<Inheritance::PoolBefore>{{"", "A", 0, {}, {}}}));
}

TEST(Inheritance, AClientKeepsWhatWasLearned) {
  Visitor visitor;
  visitor.listener = "web";
  visitor.accepted = Clock::time_point{123456789ns};
  visitor.hold_until = Clock::time_point{987654321012ns};
  visitor.peer = *recognise::IpAddress::parse("2001:db8::7");
  visitor.peer_port = 65535;
  visitor.source = *recognise::IpAddress::parse("192.0.2.7");
  visitor.facts.proxy = recognise::ProxyHeader{.octets = 28,
                                               .version = 2,
                                               .source = visitor.source,
                                               .destination = recognise::IpAddress::parse("198.51.100.8"),
                                               .source_port = 1234,
                                               .destination_port = 8080};
  const auto legacy = legacy_of(as_bytes(told_of(visitor)));
  ASSERT_TRUE(legacy && legacy->visitor);
  const Visitor& again = *legacy->visitor;
  EXPECT_EQ(again.listener, "web");
  EXPECT_EQ(again.accepted, visitor.accepted);
  EXPECT_EQ(again.hold_until, visitor.hold_until);
  EXPECT_EQ(again.peer, visitor.peer);
  EXPECT_EQ(again.peer_port, 65535);
  EXPECT_EQ(again.source, visitor.source);
  ASSERT_TRUE(again.facts.proxy);
  EXPECT_EQ(again.facts.proxy->version, 2);
  EXPECT_EQ(again.facts.proxy->source, visitor.source);
  EXPECT_EQ(again.facts.proxy->destination, visitor.facts.proxy->destination);
  EXPECT_EQ(again.facts.proxy->source_port, 1234);
  EXPECT_EQ(again.facts.proxy->destination_port, 8080);
}

TEST(Inheritance, AHeaderThatNamesNoClientStaysOne) {
  Visitor visitor;
  visitor.facts.proxy = recognise::ProxyHeader{.octets = 16, .version = 2};  // LOCAL
  const auto legacy = legacy_of(as_bytes(told_of(visitor)));
  ASSERT_TRUE(legacy && legacy->visitor && legacy->visitor->facts.proxy);
  EXPECT_FALSE(legacy->visitor->facts.proxy->source);
  EXPECT_FALSE(legacy->visitor->facts.proxy->destination);
}

TEST(Inheritance, OneThatIsNotHeldAndHasNoHeader) {
  Visitor visitor;
  const auto legacy = legacy_of(as_bytes(told_of(visitor)));
  ASSERT_TRUE(legacy && legacy->visitor);
  EXPECT_EQ(legacy->visitor->hold_until, Clock::time_point{});
  EXPECT_FALSE(legacy->visitor->facts.proxy);
}

TEST(Inheritance, AListeningSocketSaysWhichItIs) {
  for (const auto kind : {Heirloom::Kind::Listener, Heirloom::Kind::Systemd, Heirloom::Kind::Metrics}) {
    const auto legacy = legacy_of(as_bytes(told_of(Heirloom{kind, ":443", {}})));
    ASSERT_TRUE(legacy);
    EXPECT_EQ(legacy->visitor, nullptr);
    EXPECT_EQ(legacy->listening.kind, kind);
    EXPECT_EQ(legacy->listening.name, ":443");
  }
}

TEST(Inheritance, WhatSaysNothingIsRefused) {
  for (const char* text : {"", "{", "[]", "{}", R"({"is": "worker"})", R"({"is": 1})", R"({"is": "client"})",
                           R"({"is": "client", "peer": "192.0.2.1", "source": "x"})"})
    EXPECT_FALSE(legacy_of(as_bytes(std::string_view{text}))) << text;
}

}  // namespace
}  // namespace baton::dispatch
