// SPDX-License-Identifier: MIT
#include "cli/trace_moves.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "cli/trace_for_tests.hpp"

namespace baton::cli {
namespace {

using test::TraceText;

Move only(const TraceText& text) {
  const MoveTable table = text.table();
  EXPECT_EQ(table.moves().size(), 1U);
  return table.moves().at(0);
}

TEST(Moves, AWholeMoveHasItsTimes) {
  const Move move = only(TraceText{}.moved(1000, "1f"));
  EXPECT_EQ(move.id, 0x1fU);
  EXPECT_EQ(move.listener, 11);
  EXPECT_EQ(move.server, 22);
  EXPECT_EQ(move.duration(), Duration{121'200});
  EXPECT_EQ(move.pause(), Duration{61'200});
  EXPECT_EQ(move.ending(), Ending::Moved);
  EXPECT_TRUE(move.complete());
}

TEST(Moves, ItLastsFromTheFirstLineWhicheverProcessWroteIt) {
  const Move move =
      only(TraceText{}.received(0, 'S', "1", "OFFER").listener(40, "1", "OFFER").server(90, "1", "TAKEN"));
  EXPECT_EQ(move.duration(), Duration{90'000});
}

TEST(Moves, EveryEndHasItsWords) {
  EXPECT_EQ(only(TraceText{}.listener(0, "1", "OFFER")).outcome(), "offered");
  EXPECT_EQ(only(TraceText{}.listener(0, "1", "OFFER").server(1, "1", "ANSWER accepted")).outcome(),
            "answered, not called");
  EXPECT_EQ(only(TraceText{}.listener(0, "1", "OFFER").server(1, "1", "ANSWER refused")).outcome(), "refused");
  EXPECT_EQ(only(TraceText{}.stopped(0, "1")).outcome(), "stopped, not called");
  EXPECT_EQ(
      only(TraceText{}.stopped(0, "1").listener(70, "1", "CANCEL").listener(71, "1", "data stop lifted")).outcome(),
      "cancelled");
  TraceText called;
  called.stopped(0, "1").listener(70, "1", "CALL");
  EXPECT_EQ(only(called).outcome(), "in doubt");
  EXPECT_EQ(only(TraceText{called}.listener(80, "1", "CANCEL")).outcome(), "in doubt, called off");
  EXPECT_EQ(only(TraceText{called}.listener(80, "1", "CANCEL").received(90, 'L', "1", "CANCELLED")).outcome(),
            "cancelled");
  EXPECT_EQ(only(TraceText{called}.listener(80, "1", "data stop lifted")).outcome(), "given back");
  EXPECT_EQ(only(TraceText{called}.server(80, "1", "not taken", R"(,"why":"no descriptor")")).outcome(),
            "given back: no descriptor");
  EXPECT_EQ(only(TraceText{called}.listener(80, "1", "outcome", R"(,"taken":"no credit")")).outcome(),
            "given back: no credit");
  EXPECT_EQ(only(TraceText{called}.listener(80, "1", "touched: reset")).outcome(), "touched: connection reset");
  EXPECT_EQ(only(TraceText{called}.listener(80, "1", "abandoned")).outcome(), "abandoned");
  EXPECT_EQ(only(TraceText{called}.server(80, "1", "TAKEN").listener(81, "1", "abandoned")).outcome(),
            "abandoned by L, taken by S");
  EXPECT_EQ(only(TraceText{called}.server(80, "1", "TAKEN")).outcome(), "moved, L has not read it");
}

TEST(Moves, WhatIsGivenBackHasPausedUntilTheStopWasLifted) {
  const Move move = only(TraceText{}.stopped(0, "1").listener(70, "1", "CALL").listener(260, "1", "data stop lifted"));
  EXPECT_EQ(move.pause(), Duration{200'000});
  EXPECT_EQ(move.duration(), std::nullopt);
}

TEST(Moves, TheTraceDoesNotTellHowLongAnExpressMoveTakes) {
  const Move move =
      only(TraceText{}.server(0, "1", "TAKEN").listener(35, "1", "CALL express").listener(50, "1", "moved"));
  EXPECT_EQ(move.pause(), std::nullopt);
  EXPECT_EQ(move.duration(), std::nullopt);
  EXPECT_EQ(move.ending(), Ending::Moved);
}

TEST(Moves, OneProcessAloneIsNotComplete) {
  EXPECT_FALSE(only(TraceText{}.listener(0, "1", "OFFER").listener(9, "1", "moved")).complete());
}

TEST(Moves, LinesOfNoMoveMakeNone) {
  EXPECT_TRUE(TraceText{}.add(0, 'L', '-', "0", "link ended").table().moves().empty());
}

TEST(Moves, ASecondBeginningUnderAnIdIsANewMove) {
  const MoveTable table = TraceText{}.moved(0, "1").stopped(1000, "1").table();
  ASSERT_EQ(table.moves().size(), 2U);
  EXPECT_EQ(table.moves()[0].ending(), Ending::Moved);
  EXPECT_EQ(table.find(1), &table.moves()[1]);
}

TEST(Moves, TheNearestIdsComeFirst) {
  TraceText text;
  for (const char* id : {"10", "14", "20", "ffffffffffffffff", "11"}) text.listener(0, id, "OFFER");
  const MoveTable table = text.table();
  EXPECT_EQ(table.near(0x13, 3), (std::vector<std::uint64_t>{0x14, 0x11, 0x10}));
  EXPECT_EQ(table.near(0xfffffffffffffff0, 1), (std::vector<std::uint64_t>{0xffffffffffffffff}));
  EXPECT_EQ(table.near(1, 9).size(), 5U);
  EXPECT_EQ(table.find(0x13), nullptr);
}

std::string list_of(const MoveTable& table, Instant since, Instant until) {
  std::ostringstream out;
  write_list(out, table, since, until);
  return out.str();
}

TEST(ListOfMoves, OneLineForEachAndTheSums) {
  const MoveTable table = TraceText{}.moved(1000, "1f").listener(3000, "20", "CALL express").table();
  EXPECT_EQ(list_of(table, Instant{}, never),
            "move                L pid    S pid  begins at   duration  data stop  outcome\n"
            "1f                     11       22     0.0 us   121.2 us    61.2 us  moved\n"
            "20                     11        -     2.0 ms          -          -  in doubt (express)\n"
            "2 moves: 1 moved, 1 without outcome.\n");
}

TEST(ListOfMoves, OnlyThoseThatBeginInTheTimeAsked) {
  const MoveTable table = TraceText{}.moved(1000, "1f").moved(2000, "20").moved(3000, "21").table();
  const std::string list = list_of(table, Instant{1'000'001}, Instant{2'000'000});
  EXPECT_EQ(list.find("1f "), std::string::npos);
  EXPECT_NE(list.find("\n20 "), std::string::npos);
  EXPECT_NE(list.find("1 move: 1 moved."), std::string::npos);
  EXPECT_EQ(list_of(table, Instant{5'000'000}, never), "");
}

}  // namespace
}  // namespace baton::cli
