// SPDX-License-Identifier: MIT
// baton: cli/iso_probe.hpp: what a peer makes of connection requests of many kinds: questions, answers, what they mean.
//
//   questions() --asked one after another, each on a TCP connection of its own--> Answer --meaning_of()--> Finding
//   all findings --verdict_of()--> Verdict;  report_text() and report_json() show both
//
// RFC numbers are those of the rules behind the questions: RFC 905 13.3 (CR), RFC 1006 6 (TPKT), RFC 2126 6.
// Threads: pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "cotp/reasons.hpp"
#include "cotp/tpdu.hpp"
#include "tsap/selector.hpp"

namespace baton::cli {

enum class Probe {
  Usual,              ///< first: class 0, 2048 octets, both TSELs
  InPieces,           ///< the same, an octet at a time
  UnknownCalled,      ///< a called TSEL that nobody has
  LongCalling,        ///< a calling TSEL of 32 octets
  Size128,            ///< the smallest TPDU
  Size8192,           ///< formally not for class 0
  Size65531,          ///< the largest that a TPKT holds
  NoSize,             ///< no C0
  InvalidSize,        ///< C0 of 06
  SizeOfTwoOctets,    ///< C0 of two octets
  PreferredSize,      ///< F0 of X.224 (1995) besides C0
  Class4Or0,          ///< class 4, alternative 0
  Class4,             ///< class 4 only
  Class2,             ///< class 2 only
  UnknownParameter,   ///< 55
  OtherClasses,       ///< C3 and C4, parameters of other classes
  Options,            ///< C6, expedited data, as ISODE sends it
  UserData,           ///< 5 octets
  NoSourceReference,  ///< SRC-REF 0
  WithDestination,    ///< DST-REF 7
  Overrun,            ///< a parameter that ends behind the header
  ReservedOctet,      ///< FF in the TPKT
  DataFirst,          ///< a DT and no CR
  // The rest only where malformed packets are asked for: a listener is known that dies of each.
  Version2,         ///< TPKT version 2
  TooShort,         ///< TPKT of 6 octets
  LengthIndicator,  ///< LI 255
};

struct Question {
  Probe probe;
  const char* key;   ///< for JSON
  std::string asks;  ///< for people
  std::vector<std::byte> packet;
};

struct ProbeSettings {
  tsap::Selector called;
  tsap::Selector calling;
  bool malformed = false;
};
/// In the order in which they are asked; the first is Usual.
[[nodiscard]] std::vector<Question> questions(const ProbeSettings& settings);

struct Answer {
  enum class Kind {
    NotAsked,      ///< the peer no longer took connections
    NoConnection,  ///< TCP: `error`
    Silence,       ///< nothing in time
    Closed,        ///< without a word
    Reset,
    Incomplete,  ///< a packet begun and not finished
    NoPacket,    ///< octets that are no TPKT
    Confirm,     ///< CC
    Refusal,     ///< DR
    Error,       ///< ER
    Other,       ///< another TPDU than CC, DR, ER
  };
  Kind kind = Kind::NotAsked;
  int error = 0;                    ///< NoConnection: errno
  std::vector<std::byte> octets{};  ///< what has come, TPKT header included
  /// Confirm, Refusal, Error, Other: the TPDU is not as the standard wants it; of the rest, only what is certain is
  /// set.
  std::optional<cotp::Fault> fault{};

  std::uint8_t transport_class = 0;  ///< Confirm, as the next ones
  std::optional<std::size_t> size{};
  std::size_t preferred_size = 0;  ///< octets; 0: none
  bool returns_selectors = false;
  bool right_reference = false;
  bool returns_data = false;
  cotp::DisconnectReason reason{};  ///< Refusal
  std::string text{};               ///< Refusal: what the peer adds, made visible
  cotp::RejectCause cause{};        ///< Error

  /// CC, DR or ER: the peer speaks ISO transport.
  [[nodiscard]] bool speaks() const noexcept {
    return kind == Kind::Confirm || kind == Kind::Refusal || kind == Kind::Error;
  }
};
/// The answer that a whole TPKT is. `source_reference`: of our CR.
[[nodiscard]] Answer read_answer(Bytes packet, std::uint16_t source_reference);
/// In a few words: "CC, 2048 octets", "DR 3: the called selector is unknown", "no answer".
[[nodiscard]] std::string describe(const Answer& answer);
/// SRC-REF of all questions but NoSourceReference.
inline constexpr std::uint16_t probe_reference = 0x0B47;

struct Finding {
  Question question;
  Answer answer;
};
/// What the answer tells, in plain words. `usual`: the answer to Probe::Usual.
[[nodiscard]] std::string meaning_of(const Finding& finding, const Answer& usual);

struct Verdict {
  bool usable = false;                     ///< the usual request was confirmed
  std::optional<std::size_t> tpdu_size{};  ///< the largest that the peer confirms, where it confirms one
  std::vector<std::string> sentences{};    ///< each with its full stop
};
/// `findings` begin with Usual. `host` and `called`: as in a Report.
[[nodiscard]] Verdict verdict_of(std::span<const Finding> findings, const std::string& host, const std::string& called);

struct Report {
  std::string host;     ///< as the command line has it
  std::string address;  ///< that was asked
  std::string called;   ///< shell_word() of it
  std::vector<Finding> findings;
};
[[nodiscard]] std::string report_text(const Report& report);
[[nodiscard]] std::string report_json(const Report& report);

}  // namespace baton::cli
