// SPDX-License-Identifier: MIT
#include "cli/iso_probe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/iso_probe_for_tests.hpp"

namespace baton::cli {
namespace {

using test::answer_of;
using test::answer_without_octets;
using test::confirm;
using test::findings_of;
using Kind = Answer::Kind;

const Question& question(Probe probe) {
  static const std::vector<Question> all = questions(test::settings(true));
  return *std::ranges::find(all, probe, &Question::probe);
}
std::string sent(Probe probe) { return hex_of_octets(as_text(question(probe).packet)); }
std::string meaning(Probe probe, const Answer& answer) { return meaning_of({question(probe), answer}, confirm(0x0b)); }
bool says(const Verdict& verdict, std::string_view part) {
  return std::ranges::any_of(verdict.sentences, [&](const std::string& each) { return each.contains(part); });
}
Verdict verdict(std::span<const Finding> findings) { return verdict_of(findings, "plc.example:102", "PLC"); }

TEST(ProbeQuestions, AreWholePacketsByHand) {
  EXPECT_EQ(sent(Probe::Usual), "03 00 00 17 12 e0 00 00 0b 47 00 c0 01 0b c1 02 4d 45 c2 03 50 4c 43");
  EXPECT_EQ(sent(Probe::InPieces), sent(Probe::Usual));
  EXPECT_EQ(sent(Probe::NoSize), "03 00 00 14 0f e0 00 00 0b 47 00 c1 02 4d 45 c2 03 50 4c 43");
  EXPECT_EQ(sent(Probe::InvalidSize), "03 00 00 17 12 e0 00 00 0b 47 00 c1 02 4d 45 c2 03 50 4c 43 c0 01 06");
  EXPECT_EQ(sent(Probe::Class4Or0), "03 00 00 1a 15 e0 00 00 0b 47 40 c0 01 0b c1 02 4d 45 c2 03 50 4c 43 c7 01 00");
  EXPECT_EQ(sent(Probe::Overrun), "03 00 00 1a 15 e0 00 00 0b 47 00 c0 01 0b c1 02 4d 45 c2 03 50 4c 43 c6 05 01");
  EXPECT_EQ(sent(Probe::UserData).substr(0, 14), "03 00 00 1c 12");
  EXPECT_TRUE(sent(Probe::UserData).ends_with("42 41 54 4f 4e"));
  EXPECT_EQ(sent(Probe::ReservedOctet).substr(0, 5), "03 ff");
  EXPECT_EQ(sent(Probe::DataFirst), "03 00 00 08 02 f0 80 42");
  EXPECT_EQ(sent(Probe::Version2).substr(0, 2), "02");
  EXPECT_EQ(sent(Probe::TooShort), "03 00 00 06 02 f0");
  EXPECT_EQ(sent(Probe::LengthIndicator).substr(0, 14), "03 00 00 17 ff");
}

TEST(ProbeQuestions, LeaveOutWhatHasKilledServersUnlessAskedFor) {
  const auto harmless = questions(test::settings());
  EXPECT_EQ(harmless.size(), 23U);
  EXPECT_EQ(harmless.front().probe, Probe::Usual);
  for (const Probe probe : {Probe::Version2, Probe::TooShort, Probe::LengthIndicator})
    EXPECT_EQ(std::ranges::count(harmless, probe, &Question::probe), 0);
  EXPECT_EQ(questions(test::settings(true)).size(), 26U);
}

TEST(ProbeQuestions, HaveNamesOfTheirOwnAndFitWithTheLongestSelectors) {
  ProbeSettings settings = test::settings(true);
  settings.called = settings.calling = *tsap::Selector::from_text(std::string(32, 'X'));
  std::set<std::string> keys;
  std::set<std::string> asks;
  for (const Question& each : questions(settings)) {
    keys.insert(each.key);
    asks.insert(each.asks);
    EXPECT_LE(each.packet.size(), 4U + 128U) << each.key;
  }
  EXPECT_EQ(keys.size(), 26U);
  EXPECT_EQ(asks.size(), 26U);
}

TEST(ProbeAnswers, AreTold) {
  EXPECT_EQ(describe(confirm(0x0b)), "CC, 2048 octets");
  EXPECT_EQ(describe(answer_of("03 00 00 0b 06 d0 0b 47 00 01 00")), "CC without a size");
  EXPECT_EQ(describe(answer_of("03 00 00 0b 06 d0 0b 47 00 01 40")), "CC for class 4 without a size");
  EXPECT_EQ(describe(answer_of("03 00 00 0e 09 d0 0b 47 00 01 00 c0 01 06")),
            "CC with a fault: a parameter has a bad value");
  EXPECT_EQ(describe(answer_of("03 00 00 0b 06 80 0b 47 00 00 03")), "DR 3: the called selector is unknown");
  EXPECT_EQ(describe(answer_of("03 00 00 10 0b 80 0b 47 00 00 80 e0 03 6e 6f 1b")),
            "DR 128: released in the normal way ('no\\x1b')");
  EXPECT_EQ(describe(answer_of("03 00 00 0b 06 70 0b 47 02 c1 00")), "ER 2: an invalid TPDU type");
  EXPECT_EQ(describe(answer_of("03 00 00 08 02 f0 80 42")), "another TPDU (03 00 00 08 02 f0 80 42)");
  EXPECT_EQ(describe(answer_of("03 00 00 05 01")), "no ISO transport: 03 00 00 05 01");
  EXPECT_EQ(describe(answer_without_octets(Kind::Silence)), "no answer");
  EXPECT_EQ(describe(answer_without_octets(Kind::Closed)), "closes without a word");
}

TEST(ProbeMeanings, SayWhatThePeerDoes) {
  const Answer unknown = answer_of("03 00 00 0b 06 80 0b 47 00 00 03");
  const Answer no_class = answer_of("03 00 00 0b 06 80 0b 47 00 00 82");
  const Answer closed = answer_without_octets(Kind::Closed);
  EXPECT_EQ(meaning(Probe::NoSize, confirm(0x0d)), "answers a request without size with 8192");
  EXPECT_EQ(meaning(Probe::UnknownCalled, confirm(0x0b)), "ignores the called TSEL: any is accepted");
  EXPECT_EQ(meaning(Probe::UnknownCalled, unknown), "checks the called TSEL");
  EXPECT_EQ(meaning(Probe::Class4, no_class), "refuses class 4 with DR 130");
  EXPECT_EQ(meaning(Probe::Class4, confirm(0x0b)), "answers class 0, which was not offered");
  EXPECT_EQ(meaning(Probe::Class4Or0, confirm(0x0b)), "falls back to class 0");
  EXPECT_EQ(meaning(Probe::Class2, answer_of("03 00 00 0b 06 d0 0b 47 00 01 20")),
            "confirms class 2: does not look at the class");
  EXPECT_EQ(meaning(Probe::Size65531, confirm(0x0d)), "takes TPDUs of 8192 octets at most");
  EXPECT_EQ(meaning(Probe::Size128, confirm(0x0b)), "answers more than was proposed: 2048 octets");
  EXPECT_EQ(meaning(Probe::InvalidSize, answer_of("03 00 00 0e 09 d0 0b 47 00 01 00 c0 01 06")),
            "returns the invalid size");
  EXPECT_EQ(meaning(Probe::UserData, closed), "refuses user data without a word");
  EXPECT_EQ(meaning(Probe::UserData, answer_of("03 00 00 0c 06 d0 0b 47 00 01 00 41")),
            "takes user data and returns some");
  EXPECT_EQ(meaning(Probe::DataFirst, closed), "checks that a request comes first");
  EXPECT_EQ(meaning(Probe::Overrun, confirm(0x0b)), "does not check that parameters end in the header");
  EXPECT_EQ(
      meaning(Probe::Usual, answer_of("03 00 00 0b 06 d0 0b 48 00 01 00")),
      "confirms with a wrong reference; returns no size, which some clients take for 128 octets; returns no TSEL, "
      "which some clients want");
  EXPECT_EQ(meaning(Probe::Usual, unknown), "does not know the called TSEL: name one with --called");
}

TEST(ProbeMeanings, WhereTheUsualRequestFailsTheOthersTellNothing) {
  const Answer closed = answer_without_octets(Kind::Closed);
  EXPECT_EQ(meaning_of({question(Probe::UserData), closed}, closed), "tells nothing: as the usual request");
  EXPECT_EQ(meaning_of({question(Probe::DataFirst), closed}, closed), "checks that a request comes first");
}

TEST(ProbeMeanings, EveryKindOfAnswerHasOneForEveryQuestion) {
  for (const Question& each : questions(test::settings(true)))
    for (int kind = 0; kind <= static_cast<int>(Kind::Other); ++kind) {
      const Answer answer = answer_without_octets(static_cast<Kind>(kind));
      EXPECT_NE(meaning_of({each, answer}, confirm(0x0b)), "") << each.key << " " << kind;
      EXPECT_NE(describe(answer), "") << kind;
    }
}

TEST(ProbeVerdict, ALenientPeerTakesAnything) {
  const auto findings =
      findings_of([](const Question& each) { return confirm(each.probe == Probe::Size128 ? 7 : 0x0b); });
  const Verdict given = verdict(findings);
  EXPECT_TRUE(given.usable);
  EXPECT_EQ(given.tpdu_size, 2048U);
  EXPECT_TRUE(says(given, "To connect: baton iso connect --called PLC plc.example:102"));
  EXPECT_TRUE(says(given, "Any called TSEL will do"));
  EXPECT_FALSE(says(given, "TPOPT_CONN_DATA"));
}

TEST(ProbeVerdict, ALargerSizeIsProposedWhereThePeerConfirmsIt) {
  const auto findings = findings_of([](const Question& each) {
    const bool large = each.probe == Probe::Size8192 || each.probe == Probe::Size65531;
    return confirm(large ? 0x0d : each.probe == Probe::Size128 ? 7 : 0x0b);
  });
  const Verdict given = verdict(findings);
  EXPECT_EQ(given.tpdu_size, 8192U);
  EXPECT_TRUE(says(given, "baton iso connect --called PLC --tpdu-size 8192 plc.example:102"));
}

TEST(ProbeVerdict, ASizeThatIsNotConfirmedIsNotProposed) {
  // As one server does it: no size in answer to the largest, which it then gets wrong.
  const auto findings = findings_of([](const Question& each) {
    if (each.probe == Probe::Size65531) return answer_of("03 00 00 0b 06 d0 0b 47 00 01 00");
    return confirm(each.probe == Probe::Size8192 ? 0x0d : each.probe == Probe::Size128 ? 7 : 0x0b);
  });
  EXPECT_EQ(verdict(findings).tpdu_size, 8192U);
  const auto silent = findings_of([](const Question&) { return answer_of("03 00 00 0b 06 d0 0b 47 00 01 00"); });
  EXPECT_FALSE(verdict(silent).tpdu_size);
  EXPECT_TRUE(says(verdict(silent), "never says how long"));
}

TEST(ProbeVerdict, AStrictPeerIsToldWhatToLeaveOut) {
  const auto findings = findings_of([](const Question& each) {
    if (each.probe == Probe::UnknownCalled) return answer_of("03 00 00 0b 06 80 0b 47 00 00 03");
    for (const Probe refused : {Probe::UnknownParameter, Probe::Options, Probe::UserData, Probe::LongCalling})
      if (each.probe == refused) return answer_without_octets(Kind::Closed);
    return confirm(each.probe == Probe::Size128 ? 7 : 0x0b);
  });
  const Verdict given = verdict(findings);
  EXPECT_TRUE(says(given, "The called TSEL matters"));
  EXPECT_TRUE(says(given, "TSELs of 32 octets are too long"));
  EXPECT_TRUE(says(given, "TPOPT_CONN_DATA"));
  EXPECT_TRUE(says(given, "no parameters but size and TSELs"));
}

TEST(ProbeVerdict, AnUnknownTselIsNamed) {
  const auto findings = findings_of([](const Question&) { return answer_of("03 00 00 0b 06 80 0b 47 00 00 03"); });
  const Verdict given = verdict(findings);
  EXPECT_FALSE(given.usable);
  EXPECT_TRUE(says(given, "does not know the TSEL PLC"));
  EXPECT_FALSE(says(given, "Any called TSEL"));
}

TEST(ProbeVerdict, WhatBatonWouldRefuseIsNotUsable) {
  for (const std::string_view digits : {"03 00 00 0b 06 d0 0b 47 00 01 40", "03 00 00 0b 06 d0 0b 48 00 01 00",
                                        "03 00 00 0e 09 d0 0b 47 00 01 00 c0 01 0d"}) {
    const auto findings = findings_of([&](const Question&) { return answer_of(digits); });
    EXPECT_FALSE(verdict(findings).usable) << digits;
    EXPECT_TRUE(says(verdict(findings), "baton does not accept")) << digits;
  }
}

TEST(ProbeVerdict, APeerThatIsGoneIsTold) {
  auto findings = findings_of([](const Question& each) {
    if (each.probe == Probe::Usual || each.probe == Probe::InPieces) return confirm(0x0b);
    return answer_without_octets(each.probe <= Probe::LongCalling ? Kind::NoConnection : Kind::NotAsked);
  });
  EXPECT_TRUE(says(verdict(findings), "stopped taking connections after this request: the same, an octet at a time"));
  findings = findings_of([](const Question&) { return answer_without_octets(Kind::Closed); });
  EXPECT_TRUE(says(verdict(findings), "Nothing that speaks ISO transport"));
}

TEST(ProbeReport, AsATableAndAsJson) {
  const Report report{.host = "plc.example",
                      .address = "192.0.2.7:102",
                      .called = "PLC",
                      .findings = findings_of([](const Question& each) {
                        if (each.probe == Probe::DataFirst) return answer_of("03 00 00 0b 06 70 00 00 02 c1 00");
                        if (each.probe == Probe::Class4) return answer_of("03 00 00 0b 06 80 0b 47 00 00 82");
                        return confirm(0x0b);
                      })};
  const std::string text = report_text(report);
  EXPECT_TRUE(text.starts_with("request "));
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(text.substr(0, text.find("\n\n") + 1), '\n')),
            report.findings.size() + 1);
  const auto document = nlohmann::json::parse(report_json(report));
  EXPECT_EQ(document["address"], "192.0.2.7:102");
  EXPECT_EQ(document["usable"], true);
  EXPECT_EQ(document["tpdu_size"], 2048);
  ASSERT_EQ(document["findings"].size(), report.findings.size());
  EXPECT_EQ(document["findings"][0]["question"], "usual");
  EXPECT_EQ(document["findings"][0]["answer"], "confirm");
  EXPECT_EQ(document["findings"][0]["tpdu_size"], 2048);
  const auto by_key = [&](const char* key) {
    return *std::ranges::find_if(document["findings"], [&](const auto& each) { return each["question"] == key; });
  };
  EXPECT_EQ(by_key("class_4")["reason"], 130);
  EXPECT_EQ(by_key("data_first")["cause"], 2);
  EXPECT_EQ(by_key("data_first")["sent"], "03 00 00 08 02 f0 80 42");
}

}  // namespace
}  // namespace baton::cli
