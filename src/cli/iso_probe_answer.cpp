// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>

#include "cli/iso_form.hpp"
#include "cli/iso_names.hpp"
#include "cli/iso_probe.hpp"
#include "cotp/tpkt.hpp"

namespace baton::cli {
namespace {

Answer::Kind kind_by_code(std::byte code) {
  switch (std::to_integer<int>(code) & 0xF0) {
    case 0xD0:
      return Answer::Kind::Confirm;
    case 0x80:
      return Answer::Kind::Refusal;
    case 0x70:
      return Answer::Kind::Error;
    default:
      return Answer::Kind::Other;
  }
}

void tell(Answer& answer, const cotp::ConnectionConfirm& confirm, std::uint16_t source_reference) {
  answer.transport_class = confirm.preferred_class;
  if (confirm.size) answer.size = cotp::octets(*confirm.size);
  answer.preferred_size = std::size_t{confirm.preferred_size} * 128;
  answer.returns_selectors = !confirm.called.empty();
  answer.right_reference = confirm.destination_reference == source_reference;
  answer.returns_data = !confirm.user_data.empty();
}

/// What can be said of an answer that is not as it should be: its class is in a fixed place.
void tell_broken(Answer& answer, Bytes tpdu) {
  constexpr std::size_t class_octet = 6;
  if (answer.kind == Answer::Kind::Confirm && tpdu.size() > class_octet)
    answer.transport_class = std::to_integer<std::uint8_t>(tpdu[class_octet] >> 4);
}

std::string first_octets(const Answer& answer) {
  constexpr std::size_t shown = 8;
  const std::string_view text = as_text(answer.octets);
  return hex_of_octets(text.substr(0, shown)) + (text.size() > shown ? " ..." : "");
}

std::string describe_confirm(const Answer& answer) {
  std::string text = "CC";
  if (answer.transport_class != 0) text += " for class " + std::to_string(answer.transport_class);
  if (answer.fault) return text + " with a fault: " + std::string{cotp::describe(*answer.fault)};
  if (answer.size) text += ", " + std::to_string(*answer.size) + " octets";
  if (answer.preferred_size != 0) text += ", preferred size " + std::to_string(answer.preferred_size);
  if (!answer.size && answer.preferred_size == 0) text += " without a size";
  return text;
}

std::string describe_fault(std::string text, const Answer& answer) {
  return answer.fault ? text + " with a fault: " + std::string{cotp::describe(*answer.fault)} : text;
}

}  // namespace

Answer read_answer(Bytes packet, std::uint16_t source_reference) {
  Answer answer;
  answer.octets.assign(packet.begin(), packet.end());
  const Bytes tpdu = packet.subspan(std::min(packet.size(), cotp::tpkt_header_octets));
  if (tpdu.size() < cotp::min_tpdu_octets) {
    answer.kind = Answer::Kind::NoPacket;
    return answer;
  }
  answer.kind = kind_by_code(tpdu[1]);
  const auto decoded = cotp::decode(tpdu);
  if (!decoded) {
    answer.fault = decoded.error().fault;
    tell_broken(answer, tpdu);
    return answer;
  }
  if (const auto* confirm = std::get_if<cotp::ConnectionConfirm>(&*decoded)) tell(answer, *confirm, source_reference);
  if (const auto* refusal = std::get_if<cotp::DisconnectRequest>(&*decoded)) {
    answer.reason = refusal->reason;
    answer.text = visible(as_text(refusal->additional_info));
  }
  if (const auto* report = std::get_if<cotp::ErrorReport>(&*decoded)) answer.cause = report->cause;
  return answer;
}

std::string describe(const Answer& answer) {
  switch (answer.kind) {
    case Answer::Kind::NotAsked:
      return "not asked";
    case Answer::Kind::NoConnection:
      return std::string{"no TCP connection: "} + std::strerror(answer.error);
    case Answer::Kind::Silence:
      return "no answer";
    case Answer::Kind::Closed:
      return "closes without a word";
    case Answer::Kind::Reset:
      return "resets the connection";
    case Answer::Kind::Incomplete:
      return "stops in the middle of a packet";
    case Answer::Kind::NoPacket:
      return "no ISO transport: " + first_octets(answer);
    case Answer::Kind::Confirm:
      return describe_confirm(answer);
    case Answer::Kind::Refusal:
      if (answer.fault) return describe_fault("DR", answer);
      return "DR " + std::to_string(static_cast<int>(answer.reason)) + ": " +
             std::string{cotp::describe(answer.reason)} + (answer.text.empty() ? "" : " ('" + answer.text + "')");
    case Answer::Kind::Error:
      if (answer.fault) return describe_fault("ER", answer);
      return "ER " + std::to_string(static_cast<int>(answer.cause)) + ": " + std::string{cotp::describe(answer.cause)};
    case Answer::Kind::Other:
      return describe_fault("another TPDU (" + first_octets(answer) + ")", answer);
  }
  return {};
}

}  // namespace baton::cli
