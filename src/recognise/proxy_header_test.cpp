// SPDX-License-Identifier: MIT
#include "recognise/proxy_header.hpp"

#include <gtest/gtest.h>

#include "recognise/samples_for_tests.hpp"

namespace baton::recognise {
namespace {

Verdict<ProxyHeader> ask(Bytes octets) { return recognise_proxy_header(octets); }
ProxyHeader facts(std::string_view octets) {
  EXPECT_EQ(broken_law(as_bytes(octets), ask), "");
  const auto verdict = ask(as_bytes(octets));
  EXPECT_TRUE(std::holds_alternative<ProxyHeader>(verdict));
  const auto* header = std::get_if<ProxyHeader>(&verdict);
  return header != nullptr ? *header : ProxyHeader{.fault = "no facts"};
}

const std::string v4 = number(0xC0000207, 4) + number(0xC6336401, 4) + number(40000, 2) + number(443, 2);
const std::string v6 = number(0x20010db800000000, 8) + number(7, 8) + number(0x20010db800000000, 8) + number(1, 8) +
                       number(40000, 2) + number(443, 2);

// §2.1
TEST(ProxyHeader, OfVersion1IsALine) {
  const std::string line = "PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n";
  const ProxyHeader header = facts(line + "GET / HTTP/1.1\r\n");
  EXPECT_EQ(header.octets, line.size());
  EXPECT_EQ(header.version, 1);
  EXPECT_EQ(header.source->text(), "192.0.2.7");
  EXPECT_EQ(header.destination->text(), "198.51.100.1");
  EXPECT_EQ(header.source_port, 40000);
  EXPECT_EQ(header.destination_port, 443);
  EXPECT_EQ(header.fault, "");
  EXPECT_EQ(facts("PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n").source->text(), "2001:db8::7");
  EXPECT_EQ(facts("PROXY UNKNOWN\r\n").source, std::nullopt);
  EXPECT_EQ(facts("PROXY UNKNOWN ffff::1 what ever 1\r\n").fault, "");
}

TEST(ProxyHeader, OfVersion1IsRead) {
  for (const char* line : {"PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n", "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
                           "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 1 70000\r\n",
                           "PROXY \r\n", "PROXY TCP4 192.0.2.7  198.51.100.1 1 2\r\n",
                           "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n", "PROXY TCP5 1 2 3 4\r\n"})
    EXPECT_NE(facts(line).fault, "") << line;
  EXPECT_NE(facts("PROXY UNKNOWN " + std::string(100, 'x') + "\r\n").fault, "");
}

// §2.2
TEST(ProxyHeader, OfVersion2IsBinary) {
  const std::string octets = proxy_2(1, 0x11, v4);
  const ProxyHeader header = facts(octets + "client");
  EXPECT_EQ(header.octets, octets.size());
  EXPECT_EQ(header.version, 2);
  EXPECT_EQ(header.source->text(), "192.0.2.7");
  EXPECT_EQ(header.destination->text(), "198.51.100.1");
  EXPECT_EQ(header.source_port, 40000);
  EXPECT_EQ(facts(proxy_2(1, 0x21, v6)).source->text(), "2001:db8::7");
  EXPECT_EQ(facts(proxy_2(0, 0x11, v4)).source, std::nullopt);  // LOCAL
  EXPECT_EQ(facts(proxy_2(0, 0, "")).fault, "");
  EXPECT_EQ(facts(proxy_2(1, 0x31, std::string(216, 'u'))).fault, "");
  EXPECT_EQ(facts(proxy_2(1, 0, "anything")).source, std::nullopt);
}

TEST(ProxyHeader, OfVersion2HasVectors) {
  const std::string tls =
      number(0x05, 1) + number(0, 4) + proxy_vector(0x21, "TLSv1.3") + proxy_vector(0x22, "client.example");
  const ProxyHeader header =
      facts(proxy_2(1, 0x11,
                    v4 + proxy_vector(0x01, "h2") + proxy_vector(0x02, "shop.example.org") + proxy_vector(0x04, "pad") +
                        proxy_vector(0x05, "id") + proxy_vector(0x20, tls) + proxy_vector(0xE0, "private")));
  EXPECT_EQ(header.fault, "");
  EXPECT_EQ(header.alpn, "h2");
  EXPECT_EQ(header.authority, "shop.example.org");
  EXPECT_EQ(header.unique_id, "id");
  EXPECT_TRUE(header.tls);
  EXPECT_TRUE(header.certified);
  EXPECT_EQ(header.common_name, "client.example");
  const std::string unverified = number(0x03, 1) + number(1, 4);
  EXPECT_FALSE(facts(proxy_2(1, 0x11, v4 + proxy_vector(0x20, unverified))).certified);
}

TEST(ProxyHeader, OfVersion2IsRefusedWhereItIsWrong) {
  for (const std::string& octets :
       {proxy_2(1, 0x11, v4.substr(1)), proxy_2(1, 0x21, v4), proxy_2(1, 0x11, v4 + "\x02"), proxy_2(1, 0x31, "short"),
        proxy_2(1, 0x11, v4 + number(2, 1) + number(9, 2) + "short"), proxy_2(2, 0x11, v4),
        proxy_2(1, 0x11, v4 + proxy_vector(0x20, "x")),
        proxy_2(1, 0x11, v4 + proxy_vector(0x05, std::string(129, 'i'))),
        std::string{proxy_signature} + "\x11\x11" + sized(v4, 2), proxy_2(1, 0x11, std::string(20000, '\0'))})
    EXPECT_NE(facts(octets).fault, "");
}

// §2.2.4; the checksum is that of RFC 3720 B.4: 32 octets of zero have 8A9136AA.
TEST(ProxyHeader, ChecksItsChecksum) {
  const auto crc = [](std::string_view octets) {
    std::uint32_t value = ~0U;
    for (const char each : octets)
      for (int bit = 0; bit < 8; ++bit) {
        const bool odd = ((value ^ static_cast<unsigned char>(each) >> bit) & 1U) != 0;
        value = value >> 1 ^ (odd ? 0x82F63B78U : 0U);
      }
    return ~value;
  };
  ASSERT_EQ(crc(std::string(32, '\0')), 0x8A9136AAU);
  const std::string zero = proxy_2(1, 0x11, v4 + proxy_vector(3, std::string(4, '\0')) + proxy_vector(2, "a"));
  std::string right = zero;
  right.replace(16 + 12 + 3, 4, number(crc(zero), 4));
  EXPECT_EQ(facts(right).fault, "");
  EXPECT_NE(facts(zero).fault, "");
  EXPECT_NE(facts(proxy_2(1, 0x11, v4 + proxy_vector(3, "short crc"))).fault, "");
}

TEST(ProxyHeader, IsNotAllElse) {
  for (const std::string_view text : {"PROXi", "\r\n\r\nGET", "GET / HTTP/1.1", "\x16\x03\x01"}) {
    EXPECT_EQ(broken_law(as_bytes(text), ask), "");
    EXPECT_TRUE(std::holds_alternative<Not>(ask(as_bytes(text)))) << text;
  }
}

}  // namespace
}  // namespace baton::recognise
