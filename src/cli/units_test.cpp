// SPDX-License-Identifier: MIT
#include "cli/units.hpp"

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

TEST(Units, LengthsGetTheUnitThatFits) {
  EXPECT_EQ(readable(Duration{0}), "0.0 us");
  EXPECT_EQ(readable(Duration{182'449}), "182.4 us");
  EXPECT_EQ(readable(Duration{182'450}), "182.5 us");
  EXPECT_EQ(readable(Duration{999'949}), "999.9 us");
  EXPECT_EQ(readable(Duration{999'950}), "1.0 ms");
  EXPECT_EQ(readable(Duration{999'950'000}), "1.0 s");
  EXPECT_EQ(readable(Duration{61'250'000'000}), "61.3 s");
  EXPECT_EQ(readable(Duration{-1500}), "-1.5 us");
  EXPECT_EQ(readable(std::nullopt), "-");
}

TEST(Units, TheExtremesOfATypeAreLengthsToo) {
  EXPECT_EQ(readable(Duration::max()), "9223372036.9 s");
  EXPECT_EQ(readable(Duration::min()), "-9223372036.9 s");
  EXPECT_EQ(microseconds(Duration::min()), "-9223372036854776");
}

TEST(Units, MicrosecondsLoseTheirDecimalWhereItSaysNothing) {
  EXPECT_EQ(microseconds(Duration{34'149}), "34.1");
  EXPECT_EQ(microseconds(Duration{9'999'949}), "9999.9");
  EXPECT_EQ(microseconds(Duration{9'999'950}), "10000");
  EXPECT_EQ(microseconds(Duration{20'418'499}), "20418");
}

TEST(Units, ColumnsAreAsWideAsTheirWidestCell) {
  Table table;
  table.column("id", Align::Left);
  table.column("n", Align::Right);
  table.column("end", Align::Left);
  table.row({"1", "1000", "x"});
  table.row({"abc", "2", ""});
  EXPECT_EQ(table.text(),
            "id      n  end\n"
            "1    1000  x\n"
            "abc     2\n");
}

TEST(Units, UptimeHasTwoUnits) {
  EXPECT_EQ(readable_uptime(0), "0 s");
  EXPECT_EQ(readable_uptime(59), "59 s");
  EXPECT_EQ(readable_uptime(125), "2 min 5 s");
  EXPECT_EQ(readable_uptime(12'059), "3 h 20 min");
  EXPECT_EQ(readable_uptime(86'399), "23 h 59 min");
  EXPECT_EQ(readable_uptime(12 * 86'400 + 4 * 3'600), "12 d 4 h");
}

TEST(Units, WhatIsNoPrintableAsciiDoesNotReachATerminal) {
  EXPECT_EQ(printable_ascii("a b~\x1b[2J\xc3\xbc\x7f"), "a b~?[2J???");
}

}  // namespace
}  // namespace baton::cli
