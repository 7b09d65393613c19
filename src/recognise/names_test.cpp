// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "recognise/host_name.hpp"
#include "recognise/ip_address.hpp"

namespace baton::recognise {
namespace {

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
Network network(std::string_view text) { return Network::parse(text).value(); }

TEST(IpAddress, IsReadAndWritten) {
  EXPECT_EQ(ip("192.0.2.7").text(), "192.0.2.7");
  EXPECT_EQ(ip("2001:DB8:0:0::7").text(), "2001:db8::7");
  EXPECT_TRUE(ip("::ffff:192.0.2.7").is_v4());
  EXPECT_EQ(ip("::ffff:192.0.2.7"), ip("192.0.2.7"));
  for (const char* text : {"", "192.0.2", "192.0.2.256", "192.0.2.7:80", "[::1]", "::g", "fe80::1%eth0", "a"})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  EXPECT_FALSE(IpAddress::parse({"::1\0", 4}));
  EXPECT_FALSE(IpAddress::from(as_bytes("12345")));
}

TEST(Network, ContainsAddressesOfItsFamily) {
  EXPECT_TRUE(network("192.0.2.0/24").contains(ip("192.0.2.255")));
  EXPECT_FALSE(network("192.0.2.0/24").contains(ip("192.0.3.0")));
  EXPECT_TRUE(network("192.0.2.128/25").contains(ip("::ffff:192.0.2.129")));
  EXPECT_FALSE(network("192.0.2.128/25").contains(ip("192.0.2.127")));
  EXPECT_TRUE(network("0.0.0.0/0").contains(ip("255.255.255.255")));
  EXPECT_FALSE(network("0.0.0.0/0").contains(ip("::1")));
  EXPECT_TRUE(network("2001:db8::/33").contains(ip("2001:db8:7fff::1")));
  EXPECT_FALSE(network("2001:db8::/33").contains(ip("2001:db8:8000::1")));
  EXPECT_TRUE(network("192.0.2.7").contains(ip("192.0.2.7")));
  EXPECT_EQ(network("192.0.2.7").bits, 32);
  EXPECT_TRUE(network("192.0.0.0/16").covers(network("192.0.2.0/24")));
  EXPECT_FALSE(network("192.0.2.0/24").covers(network("192.0.0.0/16")));
  EXPECT_TRUE(network("192.0.2.0/24").is_exact());
  EXPECT_FALSE(network("192.0.2.1/24").is_exact());
  for (const char* text :
       {"192.0.2.0/33", "192.0.2.0/", "192.0.2.0/-1", "/24", "192.0.2.0/2 ", "::/129", "192.0.2.0/256"})
    EXPECT_FALSE(Network::parse(text)) << text;
}

TEST(HostName, HasOneForm) {
  EXPECT_EQ(normalise_name("WWW.Example.ORG."), "www.example.org");
  EXPECT_EQ(normalise_name("_x.a-b"), "_x.a-b");
  EXPECT_EQ(normalise_name("2001:DB8::0:1"), "2001:db8::1");
  EXPECT_EQ(normalise_name(std::string(255, 'a')), std::string(255, 'a'));
  for (const std::string& name :
       {std::string{}, std::string{"."}, std::string{"a..b"}, std::string{".a"}, std::string{"a b"}, std::string{"a/b"},
        std::string{"a:b"}, std::string{"a%41"}, std::string{"\xc3\xa4"}, std::string(256, 'a'), std::string{"a.."}})
    EXPECT_FALSE(normalise_name(name)) << name;
}

}  // namespace
}  // namespace baton::recognise
