// SPDX-License-Identifier: MIT
#include "os/told_addresses.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

namespace baton::os {
namespace {

using namespace std::string_literals;

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string ipv4 = signature + "\x21\x11\0\x0c\xc6\x33\x64\x09\xc0\x00\x02\x08\x12\x67\x01\xbb"s;
const std::string ipv6 = signature + "\x21\x21\0\x24"s + "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07"s +
                         "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x08\x12\x67\x01\xbb"s;

std::string text_of(const Address& address) {
  char text[INET6_ADDRSTRLEN]{};
  if (address.family() == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr, text, sizeof text);
  else
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr, text, sizeof text);
  return text + " "s + std::to_string(address.port());
}

TEST(ToldAddresses, AreThoseOfTheHeader) {
  const auto four = told_addresses(as_bytes(ipv4));
  ASSERT_TRUE(four);
  EXPECT_EQ(text_of(four->client), "198.51.100.9 4711");
  EXPECT_EQ(text_of(four->destination), "192.0.2.8 443");
  EXPECT_EQ(four->client.size(), sizeof(sockaddr_in));
  const auto six = told_addresses(as_bytes(ipv6));
  ASSERT_TRUE(six);
  EXPECT_EQ(text_of(six->client), "2001:db8::7 4711");
  EXPECT_EQ(text_of(six->destination), "2001:db8::8 443");
  EXPECT_EQ(six->client.size(), sizeof(sockaddr_in6));
}

TEST(ToldAddresses, StandBeforeWhatElseTheHeaderSays) {
  std::string longer = ipv4 + "\x04\0\x02xx"s;
  EXPECT_FALSE(told_addresses(as_bytes(longer)));  // not by its own length
  longer[15] = 0x0c + 5;
  const auto four = told_addresses(as_bytes(longer));
  ASSERT_TRUE(four);
  EXPECT_EQ(text_of(four->client), "198.51.100.9 4711");
}

TEST(ToldAddresses, AreNotInWhatIsNoHeader) {
  for (const std::string& whole : {ipv4, ipv6})
    for (std::size_t size = 0; size < whole.size(); ++size)
      EXPECT_FALSE(told_addresses(as_bytes(whole.substr(0, size)))) << size;
  const auto with = [](std::size_t at, char octet) {
    std::string changed = ipv4;
    changed[at] = octet;
    return changed;
  };
  EXPECT_FALSE(told_addresses(as_bytes(with(0, '\n'))));
  EXPECT_FALSE(told_addresses(as_bytes(with(12, 0x20))));  // LOCAL
  EXPECT_FALSE(told_addresses(as_bytes(with(12, 0x11))));  // version 1
  EXPECT_FALSE(told_addresses(as_bytes(with(13, 0x12))));  // UDP
  EXPECT_FALSE(told_addresses(as_bytes(with(13, 0x21))));  // IPv6, and too short
  EXPECT_FALSE(told_addresses(as_bytes(with(15, 0x0b))));
  EXPECT_FALSE(told_addresses(as_bytes("PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n")));
  EXPECT_FALSE(told_addresses(as_bytes(R"({"is": "client"})")));
}

TEST(ToldAddresses, AreShownToAProgramThatHasRoomForThem) {
  const auto four = told_addresses(as_bytes(ipv4));
  const auto six = told_addresses(as_bytes(ipv6));
  EXPECT_EQ(text_of(as_shown(four, AF_INET)->client), "198.51.100.9 4711");
  EXPECT_EQ(text_of(as_shown(four, AF_INET6)->client), "::ffff:198.51.100.9 4711");
  EXPECT_EQ(text_of(as_shown(four, AF_INET6)->destination), "::ffff:192.0.2.8 443");
  EXPECT_EQ(text_of(as_shown(four, 0)->client), "198.51.100.9 4711");
  EXPECT_EQ(text_of(as_shown(six, AF_INET6)->client), "2001:db8::7 4711");
  EXPECT_EQ(text_of(as_shown(six, 0)->destination), "2001:db8::8 443");
  EXPECT_FALSE(as_shown(six, AF_INET));
  EXPECT_FALSE(as_shown(std::optional<ToldAddresses>{}, AF_INET6));
}

}  // namespace
}  // namespace baton::os
