// SPDX-License-Identifier: MIT
#include "dispatch/proxy_header.hpp"

#include <gtest/gtest.h>

#include <string>

#include "os/test_support.hpp"
#include "os/told_addresses.hpp"
#include "recognise/proxy_header.hpp"

namespace baton::dispatch {
namespace {

using recognise::IpAddress;

Visitor proxied(const char* from, const char* to) {
  Visitor visitor;
  visitor.peer = *IpAddress::parse("192.0.2.1");
  visitor.peer_port = 99;
  visitor.source = *IpAddress::parse(from);
  visitor.facts.proxy = recognise::ProxyHeader{.octets = 28,
                                               .version = 1,
                                               .source = visitor.source,
                                               .destination = IpAddress::parse(to),
                                               .source_port = 4711,
                                               .destination_port = 443};
  return visitor;
}

recognise::ProxyHeader read(const std::string& header) {
  const auto verdict = recognise::recognise_proxy_header(as_bytes(header), header.size());
  const auto* const read = std::get_if<recognise::ProxyHeader>(&verdict);
  EXPECT_NE(read, nullptr);
  return read == nullptr ? recognise::ProxyHeader{} : *read;
}

TEST(ProxyHeaderFor, SaysWhatTheProxyHasSaid) {
  for (const auto& [from, to] : {std::pair{"198.51.100.9", "203.0.113.8"}, std::pair{"2001:db8::7", "2001:db8::8"}}) {
    const Visitor visitor = proxied(from, to);
    ASSERT_TRUE(is_told_by_proxy(visitor));
    const std::string header = proxy_header_for(visitor);
    const auto said = read(header);
    EXPECT_EQ(said.octets, header.size());
    EXPECT_EQ(said.source, IpAddress::parse(from));
    EXPECT_EQ(said.destination, IpAddress::parse(to));
    EXPECT_EQ(said.source_port, 4711);
    EXPECT_EQ(said.destination_port, 443);
    const auto told = os::told_addresses(as_bytes(header));
    ASSERT_TRUE(told);
    EXPECT_EQ(told->client.port(), 4711);
    EXPECT_EQ(told->destination.port(), 443);
  }
}

TEST(ProxyHeaderFor, HasOneFamilyForBoth) {
  const auto said = read(proxy_header_for(proxied("198.51.100.9", "2001:db8::8")));
  EXPECT_EQ(said.source, IpAddress::parse("198.51.100.9"));  // it came as ::ffff:198.51.100.9
  EXPECT_EQ(said.destination, IpAddress::parse("2001:db8::8"));
}

TEST(ProxyHeaderFor, SaysTheConnectionsOwnAddressesWhereNoProxySaidAny) {
  auto pair = os::testing::connect_on_loopback(AF_INET6);
  Visitor visitor;
  visitor.source = visitor.peer = *IpAddress::parse("::1");
  visitor.peer_port = os::peer_address(pair.server.ref())->port();
  const auto port = os::local_address(pair.server.ref())->port();
  visitor.connection = Connection::adopt(pair.server.release());
  for (const bool local : {false, true}) {
    if (local) visitor.facts.proxy.emplace();  // the proxy speaks for itself
    EXPECT_FALSE(is_told_by_proxy(visitor));
    const auto said = read(proxy_header_for(visitor));
    EXPECT_EQ(said.source, visitor.source);
    EXPECT_EQ(said.source_port, visitor.peer_port);
    EXPECT_EQ(said.destination, visitor.source);
    EXPECT_EQ(said.destination_port, port);
  }
}

}  // namespace
}  // namespace baton::dispatch
