// SPDX-License-Identifier: MIT
#include "tsap/nsel.hpp"

#include <gtest/gtest.h>

namespace baton::tsap {
namespace {

NselFault fault(std::string_view text) { return Nsel::parse(text).error(); }

TEST(Nsel, TakesEightCharactersOfItsSetAndKeepsTheirCase) {
  EXPECT_EQ(Nsel::parse("D016ZE07")->text(), "D016ZE07");
  EXPECT_EQ(Nsel::parse("aB#@$9  ")->text(), "aB#@$9  ");
  EXPECT_EQ(Nsel::parse("aB#@$9  ")->trimmed(), "aB#@$9");
  EXPECT_EQ(Nsel::parse("12345678").error(), NselFault::OnlyDigits);
  EXPECT_NE(Nsel::parse("host    ").value(), Nsel::parse("HOST    ").value());
}

TEST(Nsel, EveryRuleHasItsFault) {
  EXPECT_EQ(fault("HOST"), NselFault::BadLength);
  EXPECT_EQ(fault("HOST00001"), NselFault::BadLength);
  EXPECT_EQ(fault(""), NselFault::BadLength);
  EXPECT_EQ(fault("HOST-1  "), NselFault::BadCharacter);
  EXPECT_EQ(fault("H\xc3\x96ST   "), NselFault::BadCharacter);
  EXPECT_EQ(fault(std::string_view{"HOST\0\0\0\0", 8}), NselFault::BadCharacter);
  EXPECT_EQ(fault("HO ST   "), NselFault::BlankInside);
  EXPECT_EQ(fault(" HOST   "), NselFault::BlankInside);
  EXPECT_EQ(fault("        "), NselFault::OnlyBlanks);
  EXPECT_EQ(fault("1234    "), NselFault::OnlyDigits);
}

TEST(Nsel, WhatPeopleWriteIsPadded) {
  EXPECT_EQ(Nsel::parse_padded("HOST")->text(), "HOST    ");
  EXPECT_EQ(Nsel::parse_padded("HOST0001")->text(), "HOST0001");
  EXPECT_EQ(Nsel::parse_padded("").error(), NselFault::BadLength);
  EXPECT_EQ(Nsel::parse_padded("HOST00001").error(), NselFault::BadLength);
}

TEST(Nsel, AHostNameGivesAValidNsel) {
  EXPECT_EQ(Nsel::from_host_name("alpha.example.org").text(), "ALPHA   ");
  EXPECT_EQ(Nsel::from_host_name("web-01_x").text(), "WEB#01#X");
  EXPECT_EQ(Nsel::from_host_name("averylongname").text(), "AVERYLON");
  EXPECT_EQ(Nsel::from_host_name("4711").text(), "H4711   ");
  EXPECT_EQ(Nsel::from_host_name("12345678").text(), "H1234567");
  EXPECT_EQ(Nsel::from_host_name("12345678a").text(), "H1234567");
  EXPECT_EQ(Nsel::from_host_name("a b").text(), "A#B     ");
  EXPECT_EQ(Nsel::from_host_name("").text(), "H       ");
  EXPECT_EQ(Nsel::from_host_name(".org").text(), "H       ");
}

TEST(Nsel, WhatAHostNameGivesAlwaysParses) {
  for (int c = 1; c < 256; ++c) {
    const char name[] = {static_cast<char>(c), '1', '\0'};
    const Nsel nsel = Nsel::from_host_name(name);
    EXPECT_EQ(Nsel::parse(nsel.text()), nsel) << "character " << c;
  }
}

TEST(Nsel, OnlyTheDefaultIsUnspecified) {
  EXPECT_TRUE(Nsel{}.is_unspecified());
  EXPECT_EQ(Nsel{}.text(), "        ");
  EXPECT_EQ(Nsel{}.trimmed(), "");
  EXPECT_FALSE(Nsel::from_host_name("").is_unspecified());
}

}  // namespace
}  // namespace baton::tsap
