// SPDX-License-Identifier: MIT
#include "recognise/iso.hpp"

#include <gtest/gtest.h>

#include "recognise/samples_for_tests.hpp"

namespace baton::recognise {
namespace {

/// TPKT and CR: `variable` behind the fixed part, all counted by LI; `data` behind it.
std::string request(std::string_view variable, std::string_view data = "", unsigned class_and_option = 0) {
  const std::string header =
      "\xE0" + number(0, 2) + number(0x1234, 2) + number(class_and_option, 1) + std::string{variable};
  const std::string tpdu = sized(header, 1) + std::string{data};
  return number(0x0300, 2) + number(tpdu.size() + 4, 2) + tpdu;
}
std::string parameter(unsigned code, std::string_view value) { return number(code, 1) + sized(value, 1); }

Iso facts(std::string_view octets) {
  EXPECT_EQ(broken_law(as_bytes(octets), recognise_iso), "");
  const auto verdict = recognise_iso(as_bytes(octets));
  EXPECT_TRUE(std::holds_alternative<Iso>(verdict));
  return std::get<Iso>(verdict);
}
bool refused(std::string_view octets) {
  EXPECT_EQ(broken_law(as_bytes(octets), recognise_iso), "");
  return std::holds_alternative<Not>(recognise_iso(as_bytes(octets)));
}
tsap::Selector selector(std::string_view text) { return *tsap::Selector::from_text(text); }

const std::string negotiation = "\x01" + std::string("\0\x08\0\x0b\0\0\0", 7);

TEST(RecogniseIso, ReadsBothSelectorsSizeAndReference) {
  const Iso iso = facts(request(parameter(0xC0, "\x0a") + parameter(0xC1, "CLIENT") + parameter(0xC2, "SERVER")));
  EXPECT_EQ(iso.called, selector("SERVER"));
  EXPECT_EQ(iso.calling, selector("CLIENT"));
  EXPECT_EQ(iso.size, cotp::TpduSize::Octets1024);
  EXPECT_EQ(iso.source_reference, 0x1234);
  EXPECT_EQ(iso.fault, "");
  EXPECT_TRUE(iso.class_0);
  EXPECT_FALSE(iso.is_rdp);
}

TEST(RecogniseIso, IgnoresTheReservedOctetAndWhatFollowsTheRequest) {
  std::string octets = request(parameter(0xC2, "A")) + "more";
  octets[1] = '\x7f';
  EXPECT_EQ(facts(octets).called, selector("A"));
}

TEST(RecogniseIso, KnowsAClassThatIsNotServed) {
  EXPECT_FALSE(facts(request(parameter(0xC2, "A"), "", 0x40)).class_0);
  EXPECT_TRUE(facts(request(parameter(0xC2, "A") + parameter(0xC7, std::string(1, '\0')), "", 0x40)).class_0);
  EXPECT_EQ(facts(request("", "", 0x40)).preferred_class, 4);
}

TEST(RecogniseIso, FindsAnAddressTooLongForAnyServer) {
  const Iso iso = facts(request(parameter(0xC2, std::string(33, 'x'))));
  EXPECT_NE(iso.fault, "");
  EXPECT_TRUE(iso.selector_too_long);
  EXPECT_EQ(facts(request(parameter(0xC2, std::string(32, 'x')))).called.size(), 32U);
}

TEST(RecogniseIso, SaysWhatAnErrorReportNeeds) {
  const Iso iso =
      facts(request("\xC2\x20"
                    "short"));
  EXPECT_NE(iso.fault, "");
  EXPECT_EQ(iso.source_reference, 0x1234);
  EXPECT_EQ(iso.cause, cotp::RejectCause::NotSpecified);
  EXPECT_FALSE(iso.offending.empty());
  EXPECT_NE(facts(request(std::string(200, '\0'))).fault, "");  // longer than a CR may be
}

// [MS-RDPBCGR] §2.2.1.1
TEST(RecogniseIso, TellsRemoteDesktopApart) {
  const Iso user = facts(request("Cookie: mstshash=alice\r\n" + negotiation));
  EXPECT_TRUE(user.is_rdp);
  EXPECT_EQ(user.fault, "");
  EXPECT_EQ(user.rdp_cookie, "alice");
  EXPECT_EQ(user.rdp_protocols, 0x0bU);
  EXPECT_EQ(user.source_reference, 0x1234);
  const Iso token = facts(request("Cookie: msts=3640205228.15629.0000\r\n" + negotiation));
  EXPECT_EQ(token.rdp_cookie, "3640205228.15629.0000");
  const Iso bare = facts(request(negotiation));
  EXPECT_TRUE(bare.is_rdp);
  EXPECT_EQ(bare.rdp_protocols, 0x0bU);
  EXPECT_EQ(bare.rdp_cookie, "");
  const Iso old = facts(request("Cookie: mstshash=bob\r\n"));
  EXPECT_EQ(old.rdp_cookie, "bob");
  EXPECT_EQ(old.rdp_protocols, std::nullopt);
  // Longer than a CR of ISO.
  EXPECT_EQ(facts(request("Cookie: msts=" + std::string(180, '1') + "\r\n" + negotiation)).rdp_cookie.size(), 180U);
}

TEST(RecogniseIso, RefusesAllElseAtOnce) {
  for (const char* text : {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "SSH-2.0-x\r\n", "\x02", "\x04"})
    EXPECT_TRUE(refused(text)) << text;
  EXPECT_TRUE(refused({"\x03\x00\x00\x06", 4}));                           // too short for any TPDU
  EXPECT_TRUE(refused({"\x03\x00\x00\x07\x02\xF0\x80", 7}));               // a DT
  EXPECT_TRUE(std::holds_alternative<Not>(recognise_iso(as_bytes("x"))));  // with one octet
}

}  // namespace
}  // namespace baton::recognise
