// SPDX-License-Identifier: MIT
// baton: cotp/reasons.hpp: why a peer refuses, releases or complains, as numbers on the wire and in words.
//
// Both enumerations may hold any octet that a peer sent; describe() has words for the unknown ones too.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace baton::cotp {

/// The reason in a DR (RFC 905 §13.5.3). 0..3 belong to every class, the rest formally to classes 1 to 4.
enum class DisconnectReason : std::uint8_t {
  NotSpecified = 0,
  CongestionAtTsap = 1,
  SessionEntityNotAttached = 2,  ///< persistent: trying again at once is of no use
  AddressUnknown = 3,            ///< persistent
  NormalDisconnect = 128,
  RemoteCongestion = 129,
  NegotiationFailed = 130,
  DuplicateSourceReference = 131,
  MismatchedReferences = 132,
  ProtocolError = 133,
  ReferenceOverflow = 135,
  RefusedOnThisNetworkConnection = 136,
  HeaderOrParameterLengthInvalid = 138,
};

/// The cause in an ER (RFC 905 §13.12.3).
enum class RejectCause : std::uint8_t {
  NotSpecified = 0,
  InvalidParameterCode = 1,
  InvalidTpduType = 2,
  InvalidParameterValue = 3,
};

[[nodiscard]] std::string_view describe(DisconnectReason reason) noexcept;
[[nodiscard]] std::string_view describe(RejectCause cause) noexcept;

}  // namespace baton::cotp
