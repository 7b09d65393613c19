// SPDX-License-Identifier: MIT
#include "tsap/address.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace baton::tsap {
namespace {

using namespace std::string_literals;
using Area = std::array<std::byte, address_area_size>;

Area area(std::string_view octets) {
  Area filled{};
  std::ranges::copy(as_bytes(octets), filled.begin());
  return filled;
}

AddressFault fault(std::string_view nsel) { return decode_address(area(nsel), 0).error(); }

TEST(IsoAddress, IsReadFromTheAreaByTheFixedNselLength) {
  const auto address = decode_address(area("HOST0001SERVERrest"), 6);
  ASSERT_TRUE(address.has_value());
  EXPECT_EQ(address->nsel.text(), "HOST0001");
  EXPECT_EQ(address->selector, Selector::from_text("SERVER"));
}

TEST(IsoAddress, BlanksOrNulInTheNselMeanThisHost) {
  EXPECT_TRUE(decode_address(area("        T"), 1)->nsel.is_unspecified());
  EXPECT_TRUE(decode_address(Area{}, 0)->nsel.is_unspecified());
  EXPECT_TRUE(decode_address(Area{}, 0)->selector.empty());
}

TEST(IsoAddress, EveryErrorHasItsFault) {
  const Area good = area("HOST0001T");
  EXPECT_EQ(decode_address(Bytes{good}.first(39), 1).error(), AddressFault::BadAreaSize);
  EXPECT_EQ(decode_address({}, 0).error(), AddressFault::BadAreaSize);
  EXPECT_EQ(decode_address(good, 33).error(), AddressFault::SelectorTooLong);
  EXPECT_EQ(decode_address(good, std::string::npos).error(), AddressFault::SelectorTooLong);
  EXPECT_EQ(fault("HOST\0\0\0\0"s), AddressFault::BadNselCharacter);
  EXPECT_EQ(fault("    \0\0\0\0"s), AddressFault::BadNselCharacter);
  EXPECT_EQ(fault("HO-ST   "), AddressFault::BadNselCharacter);
  EXPECT_EQ(fault(" HOST   "), AddressFault::BlankInsideNsel);
  EXPECT_EQ(fault("0815    "), AddressFault::NumericNsel);
}

TEST(IsoAddress, WhatIsWrittenReadsBackTheSame) {
  const IsoAddress address{Nsel::parse("H#@$    ").value(), Selector::from_text(std::string(32, '\xff')).value()};
  Area octets;
  octets.fill(std::byte{0x55});
  const auto selector_size = encode_address(address, octets);
  ASSERT_EQ(selector_size, 32U);
  EXPECT_EQ(decode_address(octets, *selector_size), address);
}

TEST(IsoAddress, TheRestOfTheAreaIsZeroed) {
  Area octets;
  octets.fill(std::byte{0x55});
  ASSERT_EQ(encode_address({Nsel{}, Selector::from_text("T").value()}, octets), 1U);
  EXPECT_EQ(octets, area("        T"));
}

TEST(IsoAddress, AnAreaOfTheWrongSizeIsLeftAlone) {
  std::array<std::byte, 39> octets;
  octets.fill(std::byte{0x55});
  EXPECT_EQ(encode_address({}, octets).error(), AddressFault::BadAreaSize);
  EXPECT_TRUE(std::ranges::all_of(octets, [](std::byte octet) { return octet == std::byte{0x55}; }));
}

TEST(IsoAddress, IsPrintedWithItsHost) {
  EXPECT_EQ(printable({Nsel::parse("HOST1   ").value(), Selector::from_text("S").value()}), "HOST1/'S'");
  EXPECT_EQ(printable({}), "*/''");
}

}  // namespace
}  // namespace baton::tsap
