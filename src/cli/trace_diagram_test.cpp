// SPDX-License-Identifier: MIT
#include "cli/trace_diagram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/trace_for_tests.hpp"

namespace baton::cli {
namespace {

using test::TraceText;

std::vector<std::string> arrows_of(const Sequence& sequence) {
  std::vector<std::string> names;
  for (const Arrow& arrow : sequence.arrows) names.push_back(arrow.label + (arrow.received ? "" : " lost"));
  return names;
}

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Sequence, AWholeMoveHasFourArrowsAndADataStop) {
  const Sequence sequence = TraceText{}.moved(1000, "1f").sequence(0x1f);
  EXPECT_EQ(arrows_of(sequence), (std::vector<std::string>{"OFFER", "ANSWER: accepted", "CALL", "TAKEN"}));
  EXPECT_EQ(sequence.title(), "move 1f: moved, 121.2 us from offer to taken, data stop 61.2 us");
  ASSERT_TRUE(sequence.stop && sequence.go);
  EXPECT_EQ(sequence.rows[*sequence.stop].note, "data stop begins");
  EXPECT_EQ(sequence.rows[*sequence.go].frame, "TAKEN");
  EXPECT_EQ(sequence.rows.back().note, "lets go: moved");
}

TEST(Sequence, AsTextItTellsWhoDoesWhatAndWhen) {
  EXPECT_EQ(TraceText{}.listener(5, "1", "OFFER").received(17.5, 'S', "1", "OFFER").sequence(1).text(),
            "move 1: offered\n"
            "  us  process  step\n"
            " 0.0  L 11     sends OFFER\n"
            "12.5  S 22     receives OFFER\n");
}

TEST(Sequence, ASendingStandsBeforeItsReceiptWhateverTheTimes) {
  const Sequence sequence = TraceText{}
                                .stopped(0, "1")
                                .server(70, "1", "CALL received")
                                .server(72, "1", "TAKEN")
                                .listener(75, "1", "CALL")
                                .listener(90, "1", "outcome", R"(,"taken":"taken")")
                                .sequence(1);
  EXPECT_EQ(arrows_of(sequence), (std::vector<std::string>{"OFFER", "ANSWER: accepted", "CALL", "TAKEN"}));
  const Arrow& call = sequence.arrows[2];
  EXPECT_EQ(*call.received, call.sent + 1);
  EXPECT_EQ(sequence.rows[call.sent].time, Duration{75'000});
  EXPECT_EQ(sequence.rows[*call.received].time, Duration{70'000});
}

TEST(Sequence, AFrameThatNobodyReadsHasNoReceipt) {
  const Sequence sequence = TraceText{}.stopped(0, "1").listener(70, "1", "CALL").sequence(1);
  EXPECT_EQ(arrows_of(sequence).back(), "CALL lost");
  EXPECT_FALSE(sequence.go);
}

TEST(Sequence, RefusedAndCalledOffAreTold) {
  const Sequence refused = TraceText{}
                               .listener(0, "1", "OFFER")
                               .server(5, "1", "ANSWER refused")
                               .received(9, 'L', "1", "ANSWER")
                               .sequence(1);
  EXPECT_EQ(arrows_of(refused).back(), "ANSWER: refused");
  EXPECT_FALSE(refused.arrows.back().good);
  const Sequence cancelled = TraceText{}
                                 .stopped(0, "1")
                                 .listener(70, "1", "CALL")
                                 .listener(80, "1", "CANCEL")
                                 .server(85, "1", "CALL received")
                                 .received(90, 'S', "1", "CANCEL")
                                 .server(91, "1", "CANCELLED")
                                 .received(99, 'L', "1", "CANCELLED")
                                 .listener(101, "1", "data stop lifted")
                                 .sequence(1);
  EXPECT_EQ(arrows_of(cancelled),
            (std::vector<std::string>{"OFFER", "ANSWER: accepted", "CALL", "CANCEL", "CANCELLED"}));
  ASSERT_TRUE(cancelled.go);
  EXPECT_EQ(cancelled.rows[*cancelled.go].note, "data stop lifted");
  const Sequence not_taken = TraceText{}
                                 .stopped(0, "1")
                                 .listener(70, "1", "CALL")
                                 .server(80, "1", "not taken", R"(,"why":"touched")")
                                 .sequence(1);
  EXPECT_EQ(arrows_of(not_taken).back(), "TAKEN: no, touched lost");
}

TEST(Sequence, AnExpressCallEndsWhereSTakes) {
  const Sequence sequence = TraceText{}
                                .listener(0, "1", "CALL express")
                                .server(35, "1", "TAKEN")
                                .listener(50, "1", "outcome", R"(,"taken":"taken")")
                                .sequence(1);
  EXPECT_EQ(arrows_of(sequence), (std::vector<std::string>{"CALL (express)", "TAKEN"}));
  EXPECT_EQ(sequence.arrows[0].received, sequence.arrows[1].sent);
}

TEST(Sequence, AnExpressCallStandsBeforeWhatSDoesWhateverTheTimes) {
  const Sequence sequence = TraceText{}
                                .server(0, "1", "TAKEN")
                                .listener(35, "1", "CALL express")
                                .listener(50, "1", "outcome", R"(,"taken":"taken")")
                                .sequence(1);
  EXPECT_EQ(arrows_of(sequence), (std::vector<std::string>{"CALL (express)", "TAKEN"}));
  EXPECT_EQ(sequence.arrows[0].received, sequence.arrows[1].sent);
}

TEST(Sequence, AReceiptWithoutSenderIsANote) {
  const Sequence sequence = TraceText{}.received(3, 'S', "1", "OFFER").server(5, "1", "offer read").sequence(1);
  EXPECT_TRUE(sequence.arrows.empty());
  EXPECT_EQ(sequence.rows[0].note, "OFFER received");
}

TEST(Sequence, TheEndOfItsLinkBelongsToAMoveUnderWay) {
  const Sequence sequence = TraceText{}
                                .stopped(0, "1")
                                .listener(70, "1", "CALL")
                                .add(80, 'L', '-', "0", "link ended")
                                .listener(81, "1", "data stop lifted")
                                .add(500, 'S', '-', "0", "link ended")
                                .sequence(1);
  EXPECT_EQ(std::ranges::count(sequence.rows, "link ended", &Row::note), 1);
}

TEST(Sequence, OtherMovesAndEarlierOnesUnderTheIdStayOut) {
  const Sequence sequence = TraceText{}.moved(0, "1").moved(10, "2").stopped(1000, "1").sequence(1);
  EXPECT_EQ(sequence.rows.size(), 6U);
  EXPECT_EQ(sequence.rows[0].time, Duration{0});
}

TEST(Sequence, AMoveOfFarTooManyEventsIsCut) {
  TraceText text;
  for (int i = 0; i < 1000; ++i)
    text.listener(i, "1", i % 2 == 0 ? "CALL" : "violation").server(i, "1", "CALL received");
  EXPECT_EQ(text.sequence(1).rows.size(), most_events);
}

TEST(Diagram, TheSameMoveGivesTheSameOctets) {
  const TraceText text = TraceText{}.moved(1000, "1f");
  EXPECT_EQ(svg_of(text.sequence(0x1f)), svg_of(text.sequence(0x1f)));
}

TEST(Diagram, EveryArrowDotAndTheDataStopAreDrawn) {
  const Sequence sequence = TraceText{}.moved(1000, "1f").sequence(0x1f);
  const std::string svg = svg_of(sequence);
  EXPECT_EQ(count(svg, "<circle"), sequence.rows.size());
  EXPECT_EQ(count(svg, "<polygon"), 4U);
  EXPECT_EQ(count(svg, "class=\"stop\""), 1U);
  EXPECT_EQ(count(svg, ">61.2 \u00b5s<"), 1U);
  EXPECT_EQ(count(svg, "served by S"), 1U);
  EXPECT_EQ(count(svg, "<script"), 0U);
  EXPECT_EQ(count(svg, "<g"), count(svg, "</g>"));
}

TEST(Diagram, AFrameThatNobodyReadEndsInACross) {
  const std::string svg = svg_of(TraceText{}.stopped(0, "1").listener(70, "1", "CALL").sequence(1));
  EXPECT_EQ(count(svg, "class=\"lost\""), 2U);
  EXPECT_EQ(count(svg, "CALL (not read)"), 1U);
  EXPECT_EQ(count(svg, "not ended"), 1U);
}

TEST(Diagram, TextOfTheTraceIsEscaped) {
  const std::string svg =
      svg_of(TraceText{}.listener(0, "1", "OFFER").listener(1, "1", R"(</text><script a='&\"'>)").sequence(1));
  EXPECT_EQ(count(svg, "<script"), 0U);
  EXPECT_EQ(count(svg, "&lt;/text&gt;&lt;script a='&amp;&quot;'"), 1U);
}

TEST(Diagram, LongTextIsCut) {
  const std::string svg =
      svg_of(TraceText{}.listener(0, "1", "OFFER").listener(1, "1", std::string(600, 'w')).sequence(1));
  EXPECT_EQ(count(svg, std::string(30, 'w')), 0U);
  EXPECT_EQ(count(svg, "www..."), 1U);
}

TEST(Diagram, AMoveWithoutRowsIsADrawingToo) { EXPECT_EQ(count(svg_of(Sequence{}), "</svg>"), 1U); }

}  // namespace
}  // namespace baton::cli
