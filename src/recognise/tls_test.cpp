// SPDX-License-Identifier: MIT
#include "recognise/tls.hpp"

#include <gtest/gtest.h>

#include "cotp/octets_for_tests.hpp"
#include "recognise/samples_for_tests.hpp"

namespace baton::recognise {
namespace {

Verdict<Tls> ask(Bytes octets) { return recognise_tls(octets); }

Tls facts(std::string_view octets) {
  EXPECT_EQ(broken_law(as_bytes(octets), ask), "");
  const auto verdict = recognise_tls(as_bytes(octets));
  EXPECT_TRUE(std::holds_alternative<Tls>(verdict));
  const auto* tls = std::get_if<Tls>(&verdict);
  return tls != nullptr ? *tls : Tls{.fault = "no facts"};
}
std::string_view fault(std::string_view extensions) { return facts(in_records(client_hello(extensions))).fault; }

// As OpenSSL 3.0 sends it, its padding cut to zeros that the test adds.
TEST(RecogniseTls, ReadsTheHelloOfOpenSsl) {
  cotp::Octets octets = cotp::hex(
      "1603010200010001fc0303a0b6a59929ff818b61bf183b3bd1b2f6126340028a4dd10661a289eba0770fae20875f5d1ad5929e2d028f64e6"
      "f7318f75b4b7be5d9b8fd4c1d18ccfb45c8ad99f0024130213031301c02cc030c02bc02fcca9cca8c024c028c023c027009f009e006b0067"
      "00ff0100018f00000015001300001053686f702e4578616d706c652e4f5247000b000403000102000a00160014001d0017001e0019001801"
      "000101010201030104002300000010000e000c02683208687474702f312e310016000000170000000d002a00280403050306030807080808"
      "09080a080b080408050806040105010601030303010302040205020602002b00050403040303002d00020101003300260024001d00202a08"
      "ce964102ed288269e8fa654ca749e582bee8d26d095e40b92c19ece4313e001500cb");
  octets.resize(octets.size() + 0xcb);
  const Tls tls = facts(as_text(octets));
  EXPECT_EQ(tls.fault, "");
  EXPECT_EQ(tls.server_name, "shop.example.org");
  EXPECT_EQ(tls.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
  EXPECT_EQ(tls.versions, (std::vector<std::uint16_t>{0x0304, 0x0303}));
  EXPECT_FALSE(tls.encrypted_hello);
}

TEST(RecogniseTls, SaysTheSameHoweverTheHelloIsCut) {
  const std::string hello = client_hello(server_name("a.example") + alpn({"h2"}) + supported_versions({0x0304}));
  const Tls whole = facts(in_records(hello));
  EXPECT_EQ(whole.server_name, "a.example");
  for (std::size_t fragment = 1; fragment < hello.size(); ++fragment)
    EXPECT_EQ(facts(in_records(hello, fragment)), whole);
}

TEST(RecogniseTls, NeedsNoMoreThanTheHello) {
  const std::string hello = in_records(client_hello(server_name("a.example")));
  const auto first = recognise_tls(as_bytes(hello).first(9));
  ASSERT_TRUE(std::holds_alternative<NeedMore>(first));
  EXPECT_EQ(std::get<NeedMore>(first).at_least, hello.size());
  EXPECT_EQ(facts(hello + "whatever follows"), facts(hello));
}

TEST(RecogniseTls, PassesGreaseOver) {
  const Tls tls =
      facts(in_records(client_hello(extension(0x1A1A, "") + server_name("a.example") + alpn({"\x2a\x2a", "h2"}) +
                                        supported_versions({0x3A3A, 0x0304}) + extension(0xFAFA, std::string(1, '\0')),
                                    "\x4a\x4a\x13\x01")));
  EXPECT_EQ(tls.fault, "");
  EXPECT_EQ(tls.alpn, std::vector<std::string>{"h2"});
  EXPECT_EQ(tls.versions, std::vector<std::uint16_t>{0x0304});
}

TEST(RecogniseTls, NotesAnEncryptedHello) {
  const Tls tls = facts(in_records(client_hello(server_name("public.example") + extension(0xFE0D, "\x01inner"))));
  EXPECT_TRUE(tls.encrypted_hello);
  EXPECT_EQ(tls.server_name, "public.example");
}

TEST(RecogniseTls, TakesHellosWithoutNameOrExtensions) {
  const Tls bare = facts(in_records(client_hello("")));
  EXPECT_EQ(bare.fault, "");
  EXPECT_EQ(bare.server_name, "");
  EXPECT_EQ(bare.versions, std::vector<std::uint16_t>{0x0303});
  // RFC 5246 §7.4.1.2
  const std::string body = number(0x0301, 2) + std::string(32, 'r') + sized("", 1) + sized(number(0x2f, 2), 2) +
                           sized(std::string(1, '\0'), 1);
  EXPECT_EQ(facts(in_records(number(1, 1) + sized(body, 3))).versions, std::vector<std::uint16_t>{0x0301});
}

TEST(RecogniseTls, FindsFaults) {
  EXPECT_NE(fault(server_name("a") + server_name("a")), "");  // RFC 8446 §4.2
  EXPECT_NE(fault(server_name("a b")), "");
  EXPECT_NE(fault(server_name("")), "");
  EXPECT_NE(fault(extension(0, "")), "");
  EXPECT_NE(fault(extension(0, number(0, 2))), "");  // RFC 6066 §3: at least one name
  EXPECT_NE(fault(extension(0, sized(std::string(1, '\0') + sized("a", 2) + std::string(1, '\0') + sized("b", 2), 2))),
            "");
  EXPECT_NE(fault(alpn({})), "");  // RFC 7301 §3.1
  EXPECT_NE(fault(alpn({"h2", ""})), "");
  EXPECT_NE(fault(extension(43, std::string(1, '\0'))), "");
  EXPECT_NE(fault(extension(43, "\x03\x03\x04\x03")), "");
  EXPECT_NE(fault(std::string{"\x00\x17\x00\x05x", 5}), "");                        // runs past
  EXPECT_EQ(fault(extension(0x1234, "unknown") + extension(0x1234, "twice")), "");  // others are not ours
  EXPECT_NE(facts(in_records(client_hello("", "\x13"))).fault, "");                 // half a cipher suite
}

// RFC 8446 §5.1: no other record, no empty one within the hello.
TEST(RecogniseTls, FindsOtherRecordsWithinTheHello) {
  const std::string hello = client_hello(server_name("a.example"));
  const std::string half = in_records(hello.substr(0, 20));
  EXPECT_EQ(facts(half + "\x15\x03\x03" + sized("xx", 2)).alert, 10);
  EXPECT_NE(facts(half + "\x16\x03\x03" + number(0, 2)).fault, "");
  EXPECT_NE(facts(half + "\x16\x03\x03" + number(16385, 2)).fault, "");
}

TEST(RecogniseTls, BoundsTheHello) {
  const std::string hello = in_records(client_hello(server_name("a.example") + extension(21, std::string(3000, '\0'))));
  const auto ask_with = [](std::size_t most) { return [most](Bytes octets) { return recognise_tls(octets, most); }; };
  EXPECT_EQ(std::get<Tls>(recognise_tls(as_bytes(hello), hello.size())).fault, "");
  // Known as soon as its length is, after nine octets.
  EXPECT_NE(std::get<Tls>(recognise_tls(as_bytes(hello).first(9), hello.size() - 1)).fault, "");
  EXPECT_EQ(broken_law(as_bytes(hello), ask_with(hello.size() - 1)), "");
  // The headers of many records count as well.
  const std::string cut = in_records(client_hello(extension(21, std::string(500, '\0'))), 1);
  EXPECT_EQ(broken_law(as_bytes(cut), ask_with(1024)), "");
  EXPECT_NE(std::get<Tls>(recognise_tls(as_bytes(cut), 1024)).fault, "");
  // Above one record, and within the bound.
  const std::string large =
      in_records(client_hello(server_name("a.example") + extension(21, std::string(20000, '\0'))));
  EXPECT_EQ(std::get<Tls>(recognise_tls(as_bytes(large), 32768)).server_name, "a.example");
  EXPECT_NE(std::get<Tls>(recognise_tls(as_bytes(large), default_most_octets)).fault, "");
}

// RFC 6176 §3
TEST(RecogniseTls, RefusesTheHelloOfSsl2) {
  const std::string body = number(1, 1) + number(0x0301, 2) + number(3, 2) + number(0, 2) + number(16, 2) +
                           "\x01\x02\x03" + std::string(16, 'c');
  const Tls tls = facts(number(0x8000 | body.size(), 2) + body);
  EXPECT_NE(tls.fault, "");
  EXPECT_EQ(tls.alert, 70);
  std::string other = number(0x8000 | body.size(), 2) + body;
  other[8] = '\x01';  // a session id of another length
  EXPECT_TRUE(std::holds_alternative<Not>(recognise_tls(as_bytes(other))));
}

TEST(RecogniseTls, RefusesAllElse) {
  for (const std::string_view octets : {"GET / HTTP/1.1\r\n\r\n", "\x15\x03\x01", "\x16\x02", "\x16\x03\x01\x40\x01",
                                        "\x16\x03\x01\x01\x01\x02", "\x80\x01\x02", "SSH-2.0-x"}) {
    EXPECT_EQ(broken_law(as_bytes(octets), ask), "");
    EXPECT_TRUE(std::holds_alternative<Not>(recognise_tls(as_bytes(octets)))) << octets;
  }
}

}  // namespace
}  // namespace baton::recognise
