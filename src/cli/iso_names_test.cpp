// SPDX-License-Identifier: MIT
#include "cli/iso_names.hpp"

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

std::string hex_of(std::string_view text) {
  const auto selector = parse_selector(text);
  return selector ? selector->hex() : "error: " + selector.error();
}

TEST(IsoSelector, TextIsTakenAsItIs) {
  EXPECT_EQ(hex_of("BATON"), "4241544f4e");
  EXPECT_EQ(hex_of("0102"), "30313032");
  EXPECT_EQ(hex_of("X"), "58");
  EXPECT_EQ(hex_of("'"), "27");
  EXPECT_EQ(hex_of("X'"), "5827");
  EXPECT_EQ(hex_of(""), "");
}

TEST(IsoSelector, HexadecimalHasOneOfTwoForms) {
  EXPECT_EQ(hex_of("0x0102"), "0102");
  EXPECT_EQ(hex_of("0x4D57"), "4d57");
  EXPECT_EQ(hex_of("0x"), "");
  EXPECT_EQ(hex_of("X'00ff'"), "00ff");
  EXPECT_EQ(hex_of("X''"), "");
}

TEST(IsoSelector, QuotedTextMayLookLikeAnything) {
  EXPECT_EQ(hex_of("'0x01'"), "30783031");
  EXPECT_EQ(hex_of("''"), "");
}

TEST(IsoSelector, WhatMessagesShowCanBeTypedAgain) {
  for (const std::string_view octets : {std::string_view{"ECHO"}, std::string_view{"\0\1", 2}, std::string_view{"a b"},
                                        std::string_view{"it's"}, std::string_view{"0x01"}, std::string_view{}}) {
    const auto selector = tsap::Selector::from_text(octets);
    EXPECT_EQ(parse_selector(selector->printable()), *selector) << selector->printable();
  }
}

TEST(IsoSelector, HasAFormThatNoShellChanges) {
  for (const auto& [text, word] :
       std::initializer_list<std::pair<std::string_view, std::string_view>>{{"BATON", "BATON"},
                                                                            {"S7.1_2", "S7.1_2"},
                                                                            {"a b", "0x612062"},
                                                                            {"0x01", "0x30783031"},
                                                                            {"$A", "0x2441"},
                                                                            {"", "0x"},
                                                                            {"-v", "0x2d76"}}) {
    const auto selector = tsap::Selector::from_text(text);
    EXPECT_EQ(shell_word(*selector), word);
    EXPECT_EQ(parse_selector(word), *selector);
  }
}

TEST(IsoSelector, WhatIsNoSelectorIsRefused) {
  EXPECT_EQ(hex_of("0x012"), "error: a TSEL in hexadecimal has two digits for each octet");
  EXPECT_EQ(hex_of("0x01zz"), "error: '01zz' are not all hexadecimal digits");
  EXPECT_EQ(hex_of("X'1'"), "error: a TSEL in hexadecimal has two digits for each octet");
  EXPECT_EQ(hex_of(std::string(33, 'A')), "error: a TSEL has at most 32 octets");
  EXPECT_EQ(hex_of("0x" + std::string(66, '0')), "error: a TSEL has at most 32 octets");
  EXPECT_EQ(hex_of(std::string(32, 'A')).size(), 64U);
}

struct Expected {
  std::string_view text;
  Place::Kind kind;
  std::string_view address;
};

TEST(IsoPlace, HostAndPort) {
  using enum Place::Kind;
  for (const auto& [text, kind, address] :
       {Expected{"127.0.0.1", Address, "127.0.0.1:102"}, Expected{"127.0.0.1:10102", Address, "127.0.0.1:10102"},
        Expected{"::1", Address, "[::1]:102"}, Expected{"[::1]", Address, "[::1]:102"},
        Expected{"[2001:db8::7]:1102", Address, "[2001:db8::7]:1102"},
        Expected{"plc.example.org", Address, "plc.example.org:102"}, Expected{"localhost", Address, "localhost:102"},
        Expected{"PLC1:102", Address, "PLC1:102"}, Expected{"10", Address, "10:102"}}) {
    const auto place = parse_place(text);
    ASSERT_TRUE(place) << text << ": " << place.error();
    EXPECT_EQ(place->kind, kind) << text;
    EXPECT_EQ(place->text(), address);
  }
}

TEST(IsoPlace, ThisHostAndShortNames) {
  for (const std::string_view text : {"", ".", "local"}) EXPECT_EQ(parse_place(text)->kind, Place::Kind::Local) << text;
  for (const std::string_view text : {"PLC1", "host0001", "#X"}) {
    EXPECT_EQ(parse_place(text)->kind, Place::Kind::Nsel) << text;
    EXPECT_EQ(parse_place(text)->text(), text);
  }
}

TEST(IsoPlace, WhatIsNoPlaceIsRefused) {
  for (const std::string_view text : {"host.example:0", "host.example:65536", "host.example:", "host.example:x",
                                      "host.example:1x", ":102", "[::1", "[::1]102", "[]:102", "a b.example", "a#b.c"})
    EXPECT_FALSE(parse_place(text)) << text;
}

TEST(IsoPlace, AListenerNamesItsAddress) {
  for (const std::string_view text : {"127.0.0.1:0", "[::]:102", "0.0.0.0", "::1"})
    EXPECT_EQ(parse_listen_address(text), text) << text;
  for (const std::string_view text : {":102", "127.0.0.1:", "127.0.0.1:70000", "", "127.0.0.1 :1"})
    EXPECT_FALSE(parse_listen_address(text)) << text;
}

TEST(IsoVisible, NothingReachesTheTerminalUnseen) {
  EXPECT_EQ(visible("no such TSEL"), "no such TSEL");
  EXPECT_EQ(visible(std::string_view{"\x1b[2J\0\xff", 6}), "\\x1b[2J\\x00\\xff");
}

}  // namespace
}  // namespace baton::cli
