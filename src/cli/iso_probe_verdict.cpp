// SPDX-License-Identifier: MIT
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/iso_form.hpp"
#include "cli/iso_probe.hpp"
#include "cli/units.hpp"
#include "cotp/tpdu_size.hpp"

namespace baton::cli {
namespace {

using Kind = Answer::Kind;
constexpr std::size_t default_size = cotp::octets(cotp::TpduSize::Octets2048);

class Judge {
 public:
  Judge(std::span<const Finding> findings, const std::string& host, const std::string& called)
      : findings_{findings}, host_{host}, called_{called} {}

  Verdict verdict() {
    const Answer& usual = findings_.front().answer;
    if (!usual.speaks()) {
      const bool other = std::ranges::any_of(findings_, [](const Finding& each) { return each.answer.speaks(); });
      say(other ? "It speaks ISO transport, but does not answer the usual request."
                : "Nothing that speaks ISO transport was seen there.");
      stopped();
      return std::move(verdict_);
    }
    verdict_.usable = usual.kind == Kind::Confirm && !usual.fault && usual.right_reference &&
                      usual.transport_class == 0 && usual.size.value_or(0) <= default_size;
    verdict_.tpdu_size = largest_size();
    command();
    if (usual.kind == Kind::Confirm) {
      selectors();
      size();
      what_to_leave();
    }
    stopped();
    return std::move(verdict_);
  }

 private:
  void say(std::string sentence) { verdict_.sentences.push_back(std::move(sentence)); }

  [[nodiscard]] const Answer* answer(Probe probe) const {
    const auto found = std::ranges::find(findings_, probe, [](const Finding& each) { return each.question.probe; });
    return found == findings_.end() || found->answer.kind == Kind::NotAsked ? nullptr : &found->answer;
  }
  [[nodiscard]] bool confirms(Probe probe) const {
    const Answer* const given = answer(probe);
    return given != nullptr && given->kind == Kind::Confirm;
  }
  /// It was asked and did not confirm, where the usual request is confirmed.
  [[nodiscard]] bool declines(Probe probe) const {
    const Answer* const given = answer(probe);
    return given != nullptr && given->kind != Kind::Confirm && given->kind != Kind::NoConnection;
  }

  /// Only what it says itself: a CC without a size leaves open what it takes.
  [[nodiscard]] std::optional<std::size_t> largest_size() const {
    std::optional<std::size_t> largest;
    const auto consider = [&](Probe probe, std::size_t proposed) {
      const Answer* const given = answer(probe);
      if (given == nullptr || given->kind != Kind::Confirm || given->fault || !given->size) return;
      if (*given->size <= proposed) largest = std::max(largest.value_or(0), *given->size);
    };
    consider(Probe::Size128, 128);
    consider(Probe::Usual, default_size);
    consider(Probe::Size8192, 8192);
    consider(Probe::Size65531, cotp::max_tpdu_octets);
    return largest;
  }

  void command() {
    const Answer& usual = findings_.front().answer;
    if (usual.kind == Kind::Refusal && usual.reason == cotp::DisconnectReason::AddressUnknown)
      return say("It does not know the TSEL " + called_ + ": name the right one with --called.");
    if (usual.kind != Kind::Confirm) return say("It speaks ISO transport, but refuses the usual request.");
    if (!verdict_.usable) return say("It confirms the usual request in a way that baton does not accept.");
    const bool sized = verdict_.tpdu_size && *verdict_.tpdu_size > default_size;
    say("To connect: baton iso connect --called " + called_ +
        (sized ? " --tpdu-size " + std::to_string(*verdict_.tpdu_size) : "") + " " + host_);
  }

  void selectors() {
    if (confirms(Probe::UnknownCalled)) say("Any called TSEL will do: it does not look at it.");
    if (declines(Probe::UnknownCalled)) say("The called TSEL matters; " + called_ + " is one that it knows.");
    if (declines(Probe::LongCalling)) say("TSELs of 32 octets are too long for it.");
  }

  void size() {
    if (!verdict_.tpdu_size)
      return say("It never says how long its TPDUs may be: leave --tpdu-size out, or agree on it otherwise.");
    if (*verdict_.tpdu_size > default_size)
      say("The largest TPDUs that it confirms have " + std::to_string(*verdict_.tpdu_size) +
          " octets; without --tpdu-size it will be " + std::to_string(default_size) + ".");
    else
      say("Its TPDUs have at most " + std::to_string(*verdict_.tpdu_size) + " octets: --tpdu-size need not be given.");
  }

  void what_to_leave() {
    if (declines(Probe::UserData))
      say("Send no connection data (TPOPT_CONN_DATA): it refuses requests with user data.");
    const bool strict = declines(Probe::UnknownParameter) || declines(Probe::OtherClasses) ||
                        declines(Probe::Options) || declines(Probe::PreferredSize);
    if (strict) say("It wants no parameters but size and TSELs, which are all that baton sends.");
    const Answer* const class_4 = answer(Probe::Class4Or0);
    if (class_4 != nullptr && class_4->kind == Kind::Confirm && class_4->transport_class != 0)
      say("It confirms classes that it is not likely to have: propose class 0 only, as baton does.");
  }

  /// It no longer took connections while it was being asked.
  void stopped() {
    const auto gone =
        std::ranges::find(findings_, Kind::NoConnection, [](const Finding& each) { return each.answer.kind; });
    if (gone != findings_.end() && gone != findings_.begin())
      say("It stopped taking connections after this request: " + std::prev(gone)->question.asks + ".");
  }

  std::span<const Finding> findings_;
  const std::string& host_;
  const std::string& called_;
  Verdict verdict_;
};

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::NotAsked:
      return "not_asked";
    case Kind::NoConnection:
      return "no_connection";
    case Kind::Silence:
      return "silence";
    case Kind::Closed:
      return "closed";
    case Kind::Reset:
      return "reset";
    case Kind::Incomplete:
      return "incomplete";
    case Kind::NoPacket:
      return "no_packet";
    case Kind::Confirm:
      return "confirm";
    case Kind::Refusal:
      return "refusal";
    case Kind::Error:
      return "error";
    case Kind::Other:
      return "other";
  }
  return "";
}

nlohmann::json json_of(const Finding& finding, const Answer& usual) {
  const Answer& answer = finding.answer;
  nlohmann::json object = {{"question", finding.question.key},
                           {"asks", finding.question.asks},
                           {"sent", hex_of_octets(as_text(finding.question.packet))},
                           {"answer", name_of(answer.kind)},
                           {"received", hex_of_octets(as_text(answer.octets))},
                           {"description", describe(answer)},
                           {"meaning", meaning_of(finding, usual)}};
  if (answer.fault) object["fault"] = cotp::describe(*answer.fault);
  if (answer.kind == Kind::Confirm) object["class"] = answer.transport_class;
  if (answer.kind == Kind::Confirm && answer.size) object["tpdu_size"] = *answer.size;
  if (answer.kind == Kind::Refusal && !answer.fault) object["reason"] = static_cast<int>(answer.reason);
  if (answer.kind == Kind::Refusal && !answer.text.empty()) object["text"] = answer.text;
  if (answer.kind == Kind::Error && !answer.fault) object["cause"] = static_cast<int>(answer.cause);
  return object;
}

}  // namespace

Verdict verdict_of(std::span<const Finding> findings, const std::string& host, const std::string& called) {
  return Judge{findings, host, called}.verdict();
}

std::string report_text(const Report& report) {
  const Answer& usual = report.findings.front().answer;
  Table table;
  for (const char* head : {"request", "answer", "so the peer"}) table.column(head, Align::Left);
  for (const Finding& each : report.findings)
    table.row({each.question.asks, describe(each.answer), meaning_of(each, usual)});
  std::string text = table.text() + "\n";
  for (const std::string& sentence : verdict_of(report.findings, report.host, report.called).sentences)
    text += sentence + "\n";
  return text;
}

std::string report_json(const Report& report) {
  const Verdict verdict = verdict_of(report.findings, report.host, report.called);
  nlohmann::json document = {{"host", report.host},          {"address", report.address},
                             {"called", report.called},      {"usable", verdict.usable},
                             {"verdict", verdict.sentences}, {"findings", nlohmann::json::array()}};
  if (verdict.tpdu_size) document["tpdu_size"] = *verdict.tpdu_size;
  for (const Finding& each : report.findings)
    document["findings"].push_back(json_of(each, report.findings.front().answer));
  constexpr int indent = 2;
  return document.dump(indent, ' ', true) + "\n";
}

}  // namespace baton::cli
