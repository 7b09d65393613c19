// SPDX-License-Identifier: MIT
#include "cli/trace_line.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace baton::cli {
namespace {

constexpr std::string_view good = R"({"t":5,"pid":7,"link":"1f","move":"ffffffffffffffff","role":"L","event":"OFFER"})";

std::string with(std::string_view member) {
  return std::string{good.substr(0, good.size() - 1)} + std::string{member} + "}";
}

std::string without(std::string_view part) {
  std::string line{good};
  return line.erase(line.find(part), part.size());
}

TEST(TraceLine, EveryMemberArrives) {
  const auto event = parse_line(with(R"(,"why":"no descriptor","sender":12,"left":-3,"cut":true)"));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->time, Instant{5});
  EXPECT_EQ(event->pid, 7);
  EXPECT_EQ(event->link, 0x1fU);
  EXPECT_EQ(event->move, 0xffffffffffffffffU);
  EXPECT_EQ(event->role, 'L');
  EXPECT_EQ(event->step, Step::Offer);
  EXPECT_EQ(event->event, "OFFER");
  EXPECT_EQ(event->detail, "no descriptor, sender 12, left -3");
}

TEST(TraceLine, AnEventOfANewerVersionIsKept) {
  std::string line{good};
  line.replace(line.find("OFFER"), 5, "HELD");
  const auto event = parse_line(line);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->step, Step::Other);
  EXPECT_EQ(event->event, "HELD");
}

TEST(TraceLine, ALineThatLacksAMemberIsBroken) {
  for (const std::string_view member : {R"("t":5,)", R"("pid":7,)", R"("link":"1f",)", R"("move":"ffffffffffffffff",)",
                                        R"("role":"L",)", R"(,"event":"OFFER")"})
    EXPECT_FALSE(parse_line(without(member))) << member;
}

TEST(TraceLine, WhatIsNoFlatObjectIsBroken) {
  for (const std::string_view line : {"", "{", "null", "7", "[]", "OFFER", "{}"})
    EXPECT_FALSE(parse_line(line)) << line;
  EXPECT_FALSE(parse_line(with(R"(,"more":{})")));
  EXPECT_FALSE(parse_line(with(R"(,"more":[1])")));
  EXPECT_FALSE(parse_line(std::string{good} + "x"));
  EXPECT_FALSE(parse_line(std::string{good.substr(0, 40)}));
  EXPECT_FALSE(parse_line(with(",\"why\":\"\xff\"")));
}

TEST(TraceLine, AMemberOfAnotherTypeOrRangeIsBroken) {
  for (const auto& [part, other] :
       std::vector<std::pair<std::string, std::string>>{{R"("t":5)", R"("t":-5)"},
                                                        {R"("t":5)", R"("t":1.5)"},
                                                        {R"("t":5)", R"("t":18446744073709551615)"},
                                                        {R"("pid":7)", R"("pid":"7")"},
                                                        {R"("1f")", R"("xyz")"},
                                                        {R"("1f")", R"("")"},
                                                        {R"("1f")", R"("11112222333344445")"},
                                                        {R"("L")", R"("LS")"},
                                                        {R"("OFFER")", "7"}}) {
    std::string line{good};
    line.replace(line.find(part), part.size(), other);
    EXPECT_FALSE(parse_line(line)) << line;
  }
}

TEST(TraceLine, TextIsMadePrintable) {
  const auto event = parse_line(with(R"(,"why":"a\u001b[31m\u00e9\n")"));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->detail, "a?[31m???");
}

TEST(TraceLine, AReceivedFrameTellsWhoseStepItIs) {
  TraceEvent event;
  event.step = Step::Received;
  for (const auto& [frame, side] : std::vector<std::pair<std::string, char>>{{"OFFER", 'S'},
                                                                             {"CALL", 'S'},
                                                                             {"CANCEL", 'S'},
                                                                             {"ANSWER", 'L'},
                                                                             {"TAKEN", 'L'},
                                                                             {"CANCELLED", 'L'},
                                                                             {"HELLO", '-'}}) {
    event.detail = frame;
    EXPECT_EQ(side_of(event), side) << frame;
  }
}

LineCount count_of(const std::string& text, std::vector<std::int64_t>* pids = nullptr) {
  std::istringstream stream{text};
  return read_trace(stream, [&](const TraceEvent& event) {
    if (pids != nullptr) pids->push_back(event.pid);
  });
}

TEST(ReadTrace, BrokenLinesAreCountedAndLeftOut) {
  std::vector<std::int64_t> pids;
  const std::string line{good};
  const LineCount count = count_of(line + "\nnothing\n\n" + line + "\n{\"t\":5", &pids);
  EXPECT_EQ(count.lines, 4U);
  EXPECT_EQ(count.broken, 2U);
  EXPECT_EQ(pids.size(), 2U);
}

TEST(ReadTrace, TheLastLineNeedsNoEnd) {
  const LineCount count = count_of(std::string{good});
  EXPECT_EQ(count.lines, 1U);
  EXPECT_EQ(count.broken, 0U);
}

TEST(ReadTrace, AnEmptyTraceHasNoLines) { EXPECT_EQ(count_of("").lines, 0U); }

TEST(ReadTrace, ALineLongerThanAnyOfATraceIsLeftOutWhole) {
  const std::string line{good};
  const LineCount count = count_of(std::string(3U << 20U, 'x') + "\n" + line + "\n" + std::string(3U << 20U, '{'));
  EXPECT_EQ(count.lines, 3U);
  EXPECT_EQ(count.broken, 2U);
}

TEST(ReadTrace, LinesMayLieAcrossTheBuffersOfTheReader) {
  std::string text;
  std::size_t lines = 0;
  for (; text.size() < (std::size_t{1} << 20U); ++lines) text += std::string{good} + "\n";
  const LineCount count = count_of(text);
  EXPECT_EQ(count.lines, lines);
  EXPECT_EQ(count.broken, 0U);
}

}  // namespace
}  // namespace baton::cli
