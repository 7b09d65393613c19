// SPDX-License-Identifier: MIT
#include "tsap/selector.hpp"

#include <gtest/gtest.h>

#include <string>

namespace baton::tsap {
namespace {

using namespace std::string_literals;

Selector selector(std::string_view text) { return Selector::from_text(text).value(); }

TEST(Selector, TakesUpTo32OctetsAndNoMore) {
  EXPECT_EQ(selector(std::string(32, '\xff')).size(), 32U);
  EXPECT_FALSE(Selector::from_text(std::string(33, 'a')).has_value());
  EXPECT_TRUE(selector("").empty());
  EXPECT_EQ(selector(""), Selector{});
}

TEST(Selector, HexIsLowerCaseAndComesBack) {
  const Selector all = selector("\x00\x2f\xAb\xff"s);
  EXPECT_EQ(all.hex(), "002fabff");
  EXPECT_EQ(Selector::from_hex("002fabff"), all);
  const Selector longest = selector(std::string(32, '\x9c'));
  EXPECT_EQ(Selector::from_hex(longest.hex()), longest);
  EXPECT_EQ(Selector::from_hex(""), Selector{});
}

TEST(Selector, HexThatIsNotOursIsRefused) {
  EXPECT_FALSE(Selector::from_hex("0").has_value());
  EXPECT_FALSE(Selector::from_hex("0g").has_value());
  EXPECT_FALSE(Selector::from_hex("AB").has_value());
  EXPECT_FALSE(Selector::from_hex("41.lock").has_value());
  EXPECT_FALSE(Selector::from_hex(std::string(66, '0')).has_value());
}

TEST(Selector, ComparesOctetsUnsignedAndAPrefixFirst) {
  EXPECT_LT(selector("a"), selector("ab"));
  EXPECT_LT(selector("a\x7f"), selector("a\x80"));
  EXPECT_LT(selector(""), selector("\0"s));
  EXPECT_NE(selector("a"), selector("a\0"s));
  EXPECT_EQ(selector("a\0b"s), selector("a\0b"s));
}

TEST(Selector, IsPrintedAsTextOnlyWhereThatIsUnambiguous) {
  EXPECT_EQ(selector("SERVER").printable(), "'SERVER'");
  EXPECT_EQ(selector("").printable(), "''");
  EXPECT_EQ(selector("A B").printable(), "X'412042'");
  EXPECT_EQ(selector("it's").printable(), "X'69742773'");
  EXPECT_EQ(selector("\xc3\x04"s).printable(), "X'c304'");
  EXPECT_EQ(selector("\x1b[0m").printable(), "X'1b5b306d'");
}

}  // namespace
}  // namespace baton::tsap
