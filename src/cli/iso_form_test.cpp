// SPDX-License-Identifier: MIT
#include "cli/iso_form.hpp"

#include <gtest/gtest.h>

namespace baton::cli {
namespace {

using Texts = std::vector<std::string>;

/// Everything that `pieces` bring, end of input included.
Cut cut(Form form, const Texts& pieces) {
  TsduCutter cutter{form};
  Cut all;
  const auto add = [&](const Cut& some) {
    all.tsdus.insert(all.tsdus.end(), some.tsdus.begin(), some.tsdus.end());
    all.problems.insert(all.problems.end(), some.problems.begin(), some.problems.end());
  };
  for (const std::string& piece : pieces) add(cutter.feed(piece));
  add(cutter.finish());
  return all;
}

TEST(TsduCutter, ALineOfTextIsATsduWithoutItsNewline) {
  EXPECT_EQ(cut(Form::Text, {"one\ntwo\n"}).tsdus, (Texts{"one", "two"}));
  EXPECT_EQ(cut(Form::Text, {"one\ntwo"}).tsdus, (Texts{"one", "two"}));
  EXPECT_EQ(cut(Form::Text, {"a\r\n"}).tsdus, (Texts{"a\r"}));
}

TEST(TsduCutter, LinesMayComeInAnyPieces) {
  EXPECT_EQ(cut(Form::Text, {"o", "n", "e\nt", "", "wo\n", "\x80"}).tsdus, (Texts{"one", "two", "\x80"}));
}

TEST(TsduCutter, ATsduComesOutAsSoonAsItsLineEnds) {
  TsduCutter cutter{Form::Text};
  EXPECT_EQ(cutter.feed("one\ntw").tsdus, (Texts{"one"}));
  EXPECT_EQ(cutter.feed("o\n").tsdus, (Texts{"two"}));
}

TEST(TsduCutter, AnEmptyLineIsLeftOutAndTold) {
  const Cut some = cut(Form::Text, {"one\n\ntwo\n"});
  EXPECT_EQ(some.tsdus, (Texts{"one", "two"}));
  EXPECT_EQ(some.problems, (Texts{"line 2 is left out: a TSDU has at least one octet"}));
}

TEST(TsduCutter, HexadecimalLinesMayHaveBlanks) {
  EXPECT_EQ(cut(Form::Hex, {"03 00\t0016\r\n", "FFff\n", "  41\n"}).tsdus,
            (Texts{std::string{"\x03\x00\x00\x16", 4}, "\xff\xff", "A"}));
}

TEST(TsduCutter, ALineThatIsNotHexadecimalIsLeftOutAndTold) {
  const Cut some = cut(Form::Hex, {"41\n4\n4 1\nzz\n\x1b[\n \n42"});
  EXPECT_EQ(some.tsdus, (Texts{"A", "B"}));
  EXPECT_EQ(some.problems, (Texts{"line 2 is left out: '4' is no octet of two hexadecimal digits",
                                  "line 3 is left out: '4 ' is no octet of two hexadecimal digits",
                                  "line 4 is left out: 'zz' is no octet of two hexadecimal digits",
                                  "line 5 is left out: '\\x1b[' is no octet of two hexadecimal digits",
                                  "line 6 is left out: a TSDU has at least one octet"}));
}

TEST(TsduCutter, OneTsduIsTheWholeInput) {
  EXPECT_EQ(cut(Form::One, {"one\n", "two\n"}).tsdus, (Texts{"one\ntwo\n"}));
  EXPECT_TRUE(cut(Form::One, {}).tsdus.empty());
}

TEST(TsduCutter, RawPiecesAreTsdusAsTheyAre) {
  EXPECT_EQ(cut(Form::Raw, {"one\n", "", "two"}).tsdus, (Texts{"one\n", "two"}));
}

TEST(TsduPrinter, EachTsduIsALine) {
  TsduPrinter text{Form::Text, false};
  EXPECT_EQ(text.part("on", false), "on");
  EXPECT_TRUE(text.in_line());
  EXPECT_EQ(text.part("e", true), "e\n");
  EXPECT_FALSE(text.in_line());
  EXPECT_EQ(text.part("", true), "\n");
  TsduPrinter hexadecimal{Form::Hex, true};
  EXPECT_EQ(hexadecimal.part("\x03", false), "03");
  EXPECT_EQ(hexadecimal.part(std::string_view{"\0\x16", 2}, true), " 00 16\n");
  EXPECT_EQ(hexadecimal.part("A", true), "41\n");
}

TEST(TsduPrinter, RawFormsAddNothing) {
  for (const Form form : {Form::Raw, Form::One}) {
    TsduPrinter printer{form, true};
    EXPECT_EQ(printer.part("\x1b", false) + printer.part("b", true) + printer.part("c", true),
              "\x1b"
              "bc");
    EXPECT_FALSE(printer.in_line());
  }
}

TEST(TsduPrinter, ATerminalGetsNoControlCharactersOfThePeer) {
  constexpr std::string_view octets = "a\tb\x1b[2J\r\n\xc3\xa4";
  TsduPrinter to_terminal{Form::Text, true};
  EXPECT_EQ(to_terminal.part(octets, true), "a\tb\\x1b[2J\\x0d\\x0a\xc3\xa4\n");
  TsduPrinter to_pipe{Form::Text, false};
  EXPECT_EQ(to_pipe.part(octets, true), std::string{octets} + "\n");
}

TEST(Hexadecimal, WhatIsPrintedCanBeRead) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(octets_of_hex(hex_of_octets(all)), all);
}

}  // namespace
}  // namespace baton::cli
