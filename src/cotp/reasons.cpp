// SPDX-License-Identifier: MIT
#include "cotp/reasons.hpp"

namespace baton::cotp {

std::string_view describe(DisconnectReason reason) noexcept {
  switch (reason) {
    case DisconnectReason::NotSpecified:
      return "no reason given";
    case DisconnectReason::CongestionAtTsap:
      return "the called application is busy";
    case DisconnectReason::SessionEntityNotAttached:
      return "no application is attached to the called selector";
    case DisconnectReason::AddressUnknown:
      return "the called selector is unknown";
    case DisconnectReason::NormalDisconnect:
      return "released in the normal way";
    case DisconnectReason::RemoteCongestion:
      return "the peer is too busy for another connection";
    case DisconnectReason::NegotiationFailed:
      return "the two sides share no protocol class";
    case DisconnectReason::DuplicateSourceReference:
      return "the source reference is in use already";
    case DisconnectReason::MismatchedReferences:
      return "the references do not match";
    case DisconnectReason::ProtocolError:
      return "the peer found a protocol error";
    case DisconnectReason::ReferenceOverflow:
      return "the peer has no reference left";
    case DisconnectReason::RefusedOnThisNetworkConnection:
      return "refused on this network connection";
    case DisconnectReason::HeaderOrParameterLengthInvalid:
      return "a header or parameter has a wrong length";
  }
  return "a reason that the standard does not name";
}

std::string_view describe(RejectCause cause) noexcept {
  switch (cause) {
    case RejectCause::NotSpecified:
      return "no cause given";
    case RejectCause::InvalidParameterCode:
      return "an invalid parameter code";
    case RejectCause::InvalidTpduType:
      return "an invalid TPDU type";
    case RejectCause::InvalidParameterValue:
      return "an invalid parameter value";
  }
  return "a cause that the standard does not name";
}

}  // namespace baton::cotp
