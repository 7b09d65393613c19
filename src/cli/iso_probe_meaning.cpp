// SPDX-License-Identifier: MIT
// What an answer tells of the peer, for who wants to connect to it.
#include "cli/iso_probe.hpp"

namespace baton::cli {
namespace {

using Kind = Answer::Kind;

std::string octets(std::size_t count) { return std::to_string(count) + " octets"; }

/// "refuses X", with how.
std::string refuses(const std::string& what, const Answer& answer) {
  switch (answer.kind) {
    case Kind::Refusal:
      return "refuses " + what + " with DR " + std::to_string(static_cast<int>(answer.reason));
    case Kind::Error:
      return "takes " + what + " for an error";
    case Kind::Closed:
    case Kind::Reset:
      return "refuses " + what + " without a word";
    case Kind::Silence:
      return "does not answer " + what;
    case Kind::NotAsked:
    case Kind::NoConnection:
      return "-";
    case Kind::Incomplete:
    case Kind::NoPacket:
    case Kind::Confirm:
    case Kind::Other:
      break;
  }
  return "answers " + what + " with nonsense";
}

std::string usual(const Answer& answer) {
  if (answer.kind != Kind::Confirm) {
    if (answer.kind == Kind::Refusal && answer.reason == cotp::DisconnectReason::AddressUnknown)
      return "does not know the called TSEL: name one with --called";
    return refuses("the usual request", answer);
  }
  if (answer.fault) return "confirms in a way that strict clients refuse";
  std::string text = "answers in the usual way";
  if (!answer.right_reference) text = "confirms with a wrong reference";
  if (answer.transport_class != 0) text += ", but for class " + std::to_string(answer.transport_class);
  if (!answer.size) text += "; returns no size, which some clients take for 128 octets";
  if (!answer.returns_selectors) text += "; returns no TSEL, which some clients want";
  return text;
}

std::string size(std::size_t proposed, const Answer& answer) {
  if (answer.kind != Kind::Confirm || answer.fault) return refuses("TPDUs of " + octets(proposed), answer);
  if (!answer.size) return "answers " + octets(proposed) + " without a size: best not proposed";
  if (*answer.size > proposed) return "answers more than was proposed: " + octets(*answer.size);
  if (*answer.size == proposed) return "takes TPDUs of " + octets(proposed);
  return "takes TPDUs of " + octets(*answer.size) + " at most";
}

std::string no_size(const Answer& answer) {
  if (answer.kind != Kind::Confirm || answer.fault) return refuses("a request without size", answer);
  if (!answer.size) return "answers a request without size without one: 65531 octets by RFC 1006";
  return "answers a request without size with " + std::to_string(*answer.size);
}

std::string invalid_size(const Answer& answer) {
  if (answer.kind != Kind::Confirm) return refuses("an invalid size", answer);
  if (answer.fault) return "returns the invalid size";
  return "ignores an invalid size";
}

std::string preferred_size(const Answer& answer) {
  if (answer.kind != Kind::Confirm || answer.fault) return refuses("a preferred size (F0)", answer);
  if (answer.preferred_size != 0) return "knows the preferred size (F0)";
  return "ignores the preferred size (F0)";
}

std::string other_class(const std::string& name, bool with_zero, const Answer& answer) {
  if (answer.kind != Kind::Confirm) return refuses(name, answer);
  if (answer.transport_class != 0)
    return "confirms class " + std::to_string(answer.transport_class) + ": does not look at the class";
  return with_zero ? "falls back to class 0" : "answers class 0, which was not offered";
}

/// Parameters, data and references that a server may or may not mind.
std::string minds(const std::string& what, const char* verb, const Answer& answer) {
  if (answer.kind != Kind::Confirm) return refuses(what, answer);
  return std::string{verb} + " " + what + (answer.fault ? ", and answers with a fault" : "");
}

/// What a server should refuse.
std::string checks(const std::string& what, const Answer& answer) {
  switch (answer.kind) {
    case Kind::Confirm:
      return "does not check " + what;
    case Kind::Silence:
      return "keeps the connection and says nothing";
    case Kind::NotAsked:
    case Kind::NoConnection:
      return "-";
    case Kind::Closed:
    case Kind::Reset:
    case Kind::Incomplete:
    case Kind::NoPacket:
    case Kind::Refusal:
    case Kind::Error:
    case Kind::Other:
      break;
  }
  return "checks " + what;
}

std::string unknown_called(const Answer& answer) {
  if (answer.kind == Kind::Confirm) return "ignores the called TSEL: any is accepted";
  return answer.kind == Kind::Silence ? "does not answer for an unknown TSEL" : checks("the called TSEL", answer);
}

std::string user_data(const Answer& answer) {
  return minds("user data", "takes", answer) +
         (answer.kind == Kind::Confirm && answer.returns_data ? " and returns some" : "");
}

std::string first_data(const Answer& answer) {
  if (answer.kind == Kind::Confirm) return "confirms what nobody has requested";
  return checks("that a request comes first", answer);
}

/// Of the questions that are no variation of the usual request, the answer tells something in any case.
bool stands_alone(Probe probe) {
  return probe == Probe::Usual || probe == Probe::DataFirst || probe == Probe::Version2 || probe == Probe::TooShort ||
         probe == Probe::LengthIndicator;
}

std::string meaning(Probe probe, const Answer& answer) {
  switch (probe) {
    case Probe::Usual:
      return usual(answer);
    case Probe::InPieces:
      return minds("a request in pieces", "takes", answer);
    case Probe::UnknownCalled:
      return unknown_called(answer);
    case Probe::LongCalling:
      return minds("TSELs of 32 octets", "takes", answer);
    case Probe::Size128:
      return size(128, answer);
    case Probe::Size8192:
      return size(8192, answer);
    case Probe::Size65531:
      return size(65531, answer);
    case Probe::NoSize:
      return no_size(answer);
    case Probe::InvalidSize:
    case Probe::SizeOfTwoOctets:
      return invalid_size(answer);
    case Probe::PreferredSize:
      return preferred_size(answer);
    case Probe::Class4Or0:
      return other_class("class 4 with class 0 as alternative", true, answer);
    case Probe::Class4:
      return other_class("class 4", false, answer);
    case Probe::Class2:
      return other_class("class 2", false, answer);
    case Probe::UnknownParameter:
      return minds("unknown parameters", "ignores", answer);
    case Probe::OtherClasses:
      return minds("parameters of other classes", "ignores", answer);
    case Probe::Options:
      return minds("the option of expedited data", "takes", answer);
    case Probe::UserData:
      return user_data(answer);
    case Probe::NoSourceReference:
      return minds("source reference 0", "takes", answer);
    case Probe::WithDestination:
      return minds("a destination reference", "ignores", answer);
    case Probe::Overrun:
      return checks("that parameters end in the header", answer);
    case Probe::ReservedOctet:
      return minds("the reserved octet", "ignores", answer);
    case Probe::DataFirst:
      return first_data(answer);
    case Probe::Version2:
      return checks("the version of packets", answer);
    case Probe::TooShort:
      return checks("the length of packets", answer);
    case Probe::LengthIndicator:
      return checks("the length indicator", answer);
  }
  return {};
}

}  // namespace

std::string meaning_of(const Finding& finding, const Answer& to_usual) {
  const Answer& answer = finding.answer;
  const Probe probe = finding.question.probe;
  if (answer.kind == Kind::NotAsked || answer.kind == Kind::NoConnection) return "-";
  if (!stands_alone(probe) && to_usual.kind != Kind::Confirm && answer.kind == to_usual.kind)
    return "tells nothing: as the usual request";
  return meaning(probe, answer);
}

}  // namespace baton::cli
