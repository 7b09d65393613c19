// SPDX-License-Identifier: MIT
// baton: cotp/tpdu.hpp: the five TPDUs of transport class 0, to and from octets.
//
// A TPDU stands here without its TPKT header. Layouts: RFC 905 §13; what RFC 1006, RFC 2126 and X.224 add is noted
// where it applies. Decoded values are views into the octets that were decoded; nothing is allocated.
//
// Strict on what could be misread: the length indicator, parameters that overrun it, the TPDU type, class and option,
// credit and TPDU-NR (RFC 2126 §6.5). Lenient on what real peers send: unknown, forbidden or ill-valued parameters of a
// CR, a DST-REF in it, its user data, anything behind the fixed part of a DR or ER.
// Threads: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "cotp/classes.hpp"
#include "cotp/reasons.hpp"
#include "cotp/tpdu_size.hpp"

namespace baton::cotp {

/// User data in a CR or CC (RFC 1006 §5).
inline constexpr std::size_t max_connect_data = 32;
/// A whole CR or CC, user data included (RFC 905 §13.3, §13.4).
inline constexpr std::size_t max_connect_octets = 128;
/// A whole DR, as we send it (RFC 905 §13.5).
inline constexpr std::size_t max_disconnect_octets = 128;
/// The additional information that fits into such a DR.
inline constexpr std::size_t max_disconnect_info = max_disconnect_octets - 9;
/// The additional information that any DR can bring: its header has at most 255 octets.
inline constexpr std::size_t max_received_disconnect_info = 255 - 9;
/// An ER that returns all of a CR.
inline constexpr std::size_t max_error_octets = 7 + max_connect_octets;
/// LI, F0, EOT and number.
inline constexpr std::size_t data_header_octets = 3;

/// What CR and CC have in common. An absent parameter is an empty span, as is one of length 0.
struct ConnectFields {
  std::uint16_t destination_reference = 0;
  std::uint16_t source_reference = 0;  ///< should not be 0, but real peers send it
  std::uint8_t preferred_class = 0;    ///< 0..4; in a CC: the class selected
  std::optional<TpduSize> size{};      ///< C0
  std::uint32_t preferred_size = 0;    ///< F0 of X.224 (1995), in units of 128 octets; 0 when absent
  Bytes calling{};                     ///< C1: always the initiator's TSAP-ID
  Bytes called{};                      ///< C2: always the responder's TSAP-ID
  Bytes user_data{};                   ///< at most 32 octets
};

struct ConnectionRequest : ConnectFields {
  ClassSet alternatives{};  ///< C7; empty when the preferred class is 0, where it has no meaning
};

struct ConnectionConfirm : ConnectFields {};

struct DisconnectRequest {
  std::uint16_t destination_reference = 0;
  std::uint16_t source_reference = 0;  ///< 0 in a refusal (RFC 905 §6.6.3)
  DisconnectReason reason = DisconnectReason::NotSpecified;
  Bytes additional_info{};  ///< E0
};

/// The payload itself need not be at hand when a DT is decoded; these say where it stands in the TPDU.
struct Data {
  std::size_t payload_offset = data_header_octets;
  std::size_t payload_length = 0;
  bool end_of_tsdu = false;
};

struct ErrorReport {
  std::uint16_t destination_reference = 0;
  RejectCause cause = RejectCause::NotSpecified;
  Bytes invalid_tpdu{};  ///< C1: the octets up to and including the bad one
};

using Tpdu = std::variant<ConnectionRequest, ConnectionConfirm, DisconnectRequest, Data, ErrorReport>;

enum class Fault {
  Incomplete,        ///< the caller gave fewer octets than head_needed() says; not the peer's fault
  LengthIndicator,   ///< LI is 255, does not fit the TPDU, or does not hold the fixed part (RFC 905 §13.2.1)
  TooLong,           ///< a TPDU above 65531 octets, a CR or CC above 128, user data in a CC above 32
  UnknownType,       ///< no TPDU of class 0: DC, ED, EA, AK, RJ, F1
  Credit,            ///< a credit in a TPDU of class 0 (RFC 2126 §6.5)
  ClassOrOption,     ///< a class above 4, or an option in class 0
  ParameterOverrun,  ///< a parameter that does not end within LI
  UnknownParameter,  ///< a parameter that a CC of class 0 cannot have (RFC 905 §13.2.3)
  ParameterValue,    ///< a value or a length of value that the parameter cannot have
  TpduNumber,        ///< TPDU-NR is not 0
  EmptyData,         ///< a DT without data that does not end its TSDU (RFC 905 §6.3.3)
};

[[nodiscard]] std::string_view describe(Fault fault) noexcept;

/// What is wrong, and what an ER about it has to say.
struct DecodeError {
  Fault fault = Fault::Incomplete;
  RejectCause cause = RejectCause::NotSpecified;
  /// The received octets up to and including the bad one, for parameter C1 of the ER. At most 128.
  Bytes offending{};
  /// SRC-REF of a faulty CR or CC, for the DST-REF of the ER; 0 where it could not be read.
  std::uint16_t source_reference = 0;
  /// The faulty TPDU is an ER: never answer it with an ER (RFC 905 §6.22.3 note 2).
  bool in_error_report = false;
};

/// How many octets of a TPDU decode() wants to see, given the octets at hand and the length of the whole TPDU. Never
/// more than the TPDU has, nor more than 255; three for a DT, whose payload a carrier may thus read to its place at
/// once. Ask again with the octets you have until you have enough: the answer grows at most once.
[[nodiscard]] std::size_t head_needed(Bytes head, std::size_t tpdu_length) noexcept;

/// Decodes the TPDU that starts with `head` and is `tpdu_length` octets long. Octets of `head` behind `tpdu_length` are
/// not looked at.
[[nodiscard]] std::expected<Tpdu, DecodeError> decode(Bytes head, std::size_t tpdu_length) noexcept;
[[nodiscard]] inline std::expected<Tpdu, DecodeError> decode(Bytes tpdu) noexcept { return decode(tpdu, tpdu.size()); }

/// Each writes one TPDU to the front of `room` and returns its size in octets. 0: `room` is too small, or the TPDU
/// would exceed a bound above; `room` then holds nothing of use. Room of the bound's size is always enough. Parameters
/// go out in the order C0, F0, C1, C2, C7, absent ones not at all; credit and options are 0.
[[nodiscard]] std::size_t encode(const ConnectionRequest& request, MutableBytes room) noexcept;
[[nodiscard]] std::size_t encode(const ConnectionConfirm& confirm, MutableBytes room) noexcept;
[[nodiscard]] std::size_t encode(const DisconnectRequest& request, MutableBytes room) noexcept;
/// Parameter C1 is written even if empty: it is mandatory in class 0 (RFC 905 §13.12.4).
[[nodiscard]] std::size_t encode(const ErrorReport& report, MutableBytes room) noexcept;

/// The octets before the payload of a DT.
[[nodiscard]] constexpr std::array<std::byte, data_header_octets> encode_data_header(bool end_of_tsdu) noexcept {
  return {std::byte{2}, std::byte{0xF0}, end_of_tsdu ? std::byte{0x80} : std::byte{0}};
}

}  // namespace baton::cotp
