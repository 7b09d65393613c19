// SPDX-License-Identifier: MIT
#include "tsap/hosts.hpp"

#include <gtest/gtest.h>

namespace baton::tsap {
namespace {

Nsel nsel(std::string_view text) { return Nsel::parse_padded(text).value(); }

TEST(HostAddress, IsAHostAndAPort) {
  const std::pair<const char*, HostAddress> cases[] = {
      {"192.0.2.7", {"192.0.2.7", 102}},
      {"192.0.2.7:1102", {"192.0.2.7", 1102}},
      {"2001:db8::7", {"2001:db8::7", 102}},
      {"[2001:db8::7]", {"2001:db8::7", 102}},
      {"[2001:db8::7]:1102", {"2001:db8::7", 1102}},
      {"gw.example.org:0", {"gw.example.org", 0}},
      {"[fe80::1%eth0]:102", {"fe80::1%eth0", 102}},
  };
  for (const auto& [text, address] : cases) EXPECT_EQ(parse_host_address(text), address) << text;
}

TEST(HostAddress, IsNothingElse) {
  for (const char* text :
       {"", ":102", "host:", "host:65536", "host:1x", "host:-1", "[", "[]", "[]:1", "[::1", "[::1]102"})
    EXPECT_FALSE(parse_host_address(text)) << text;
}

TEST(Hosts, HaveNamesAddressesAndComments) {
  const Hosts hosts = parse_hosts(
      "# hosts of the plant\n"
      "PLC00001 192.0.2.7\n"
      "\n"
      "  HOST0002\t192.0.2.8:1102   [2001:db8::8]:102 # two ways\r\n"
      "\\#NAME 192.0.2.9\n"
      "PLC00001 192.0.2.99\n"
      "LAST last.example.org");
  EXPECT_EQ(hosts.bad_line, 0U);
  ASSERT_EQ(hosts.entries.size(), 5U);
  EXPECT_EQ(hosts.find(nsel("PLC00001"))->addresses, (std::vector<HostAddress>{{"192.0.2.7", 102}}));
  EXPECT_EQ(hosts.find(nsel("HOST0002"))->addresses,
            (std::vector<HostAddress>{{"192.0.2.8", 1102}, {"2001:db8::8", 102}}));
  EXPECT_EQ(hosts.find(nsel("#NAME"))->addresses.front().host, "192.0.2.9");
  EXPECT_EQ(hosts.find(nsel("LAST"))->addresses.front().host, "last.example.org");
  EXPECT_EQ(hosts.find(nsel("OTHER")), nullptr);
}

TEST(Hosts, RememberTheFirstLineThatIsNotUnderstoodAndKeepTheOthers) {
  for (const char* bad :
       {"PLC00001", "MUCHTOOLONG 192.0.2.7", "12345678 192.0.2.7", "A_B 192.0.2.7", "A 192.0.2.7:x"}) {
    const Hosts hosts = parse_hosts("GOOD 192.0.2.1\n" + std::string{bad} + "\nnonsense\nALSO 192.0.2.2\n");
    EXPECT_EQ(hosts.bad_line, 2U) << bad;
    EXPECT_EQ(hosts.entries.size(), 2U) << bad;
  }
}

TEST(Hosts, AreNoneInNoText) { EXPECT_TRUE(parse_hosts("").entries.empty()); }

}  // namespace
}  // namespace baton::tsap
