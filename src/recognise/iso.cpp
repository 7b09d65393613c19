// SPDX-License-Identifier: MIT
#include "recognise/iso.hpp"

#include <algorithm>

#include "cotp/tpdu.hpp"
#include "cotp/tpkt.hpp"

namespace baton::recognise {
namespace {

constexpr std::size_t fixed_octets = 7;        // LI, code, two references, class and option
constexpr std::size_t longest_rdp_tpdu = 255;  // LI counts all of it but itself
constexpr std::size_t negotiation_octets = 8;
constexpr std::byte negotiation_request{1};  // TYPE_RDP_NEG_REQ
constexpr std::string_view cookie_start = "Cookie: msts";
constexpr std::string_view line_end = "\r\n";

/// Octets of the variable part that tell whether it is RDP's.
constexpr std::size_t telling_octets = std::max(cookie_start.size(), negotiation_octets);

/// An RDP negotiation request: its type, flags, its length 8 in little endian.
bool starts_negotiation(Bytes octets) noexcept {
  return octets.size() >= negotiation_octets && octets[0] == negotiation_request &&
         octets[2] == std::byte{negotiation_octets} && octets[3] == std::byte{0};
}

bool starts_as_rdp(Bytes variable) noexcept {
  return as_text(variable).starts_with(cookie_start) || starts_negotiation(variable);
}

/// The value in "Cookie: msts=VALUE" or "Cookie: mstshash=VALUE"; the rest behind the line's end.
std::string_view read_cookie(std::string_view& text) noexcept {
  const std::string_view line = text.substr(0, text.find(line_end));
  text.remove_prefix(std::min(line.size() + line_end.size(), text.size()));
  const std::size_t equals = line.find('=');
  return equals == std::string_view::npos ? std::string_view{} : line.substr(equals + 1);
}

void read_rdp(Bytes variable, Iso& facts) {
  facts.is_rdp = true;
  std::string_view rest = as_text(variable);
  if (rest.starts_with(cookie_start)) facts.rdp_cookie = read_cookie(rest);
  const Bytes request = as_bytes(rest);
  if (!starts_negotiation(request)) return;
  std::uint32_t protocols = 0;
  for (std::size_t at = negotiation_octets; at > 4; --at)
    protocols = protocols << 8 | std::to_integer<std::uint32_t>(request[at - 1]);
  facts.rdp_protocols = protocols;
}

Iso read_faulty(const cotp::DecodeError& error) {
  Iso facts;
  facts.fault = cotp::describe(error.fault);
  facts.cause = error.cause;
  facts.source_reference = error.source_reference;
  facts.offending = as_text(error.offending);
  return facts;
}

Iso read_request(const cotp::ConnectionRequest& request) {
  Iso facts;
  facts.size = request.size;
  facts.preferred_class = request.preferred_class;
  facts.class_0 = cotp::class_0_allowed(request.preferred_class, request.alternatives);
  facts.source_reference = request.source_reference;
  // RFC 905 gives TSAP-IDs no length; an address of ours has at most 32 octets.
  if (const auto called = tsap::Selector::from(request.called)) {
    facts.called = *called;
  } else {
    facts.fault = "the called TSEL has more than 32 octets";
    facts.selector_too_long = true;
  }
  facts.calling = tsap::Selector::from(request.calling).value_or(tsap::Selector{});
  return facts;
}

Verdict<Iso> read_rdp_request(Bytes tpdu) {
  Iso facts;
  ByteReader reader{tpdu.subspan(4)};
  facts.source_reference = reader.u16();
  read_rdp(tpdu.subspan(fixed_octets), facts);
  return facts;
}

}  // namespace

Verdict<Iso> recognise_iso(Bytes octets) {
  const auto length = cotp::decode_tpkt(octets);
  if (!length) {
    if (length.error() == cotp::TpktError::NeedMore) return NeedMore{octets.empty() ? 1 : cotp::tpkt_header_octets};
    return Not{"no TPKT"};
  }
  const Bytes tpdu = octets.subspan(cotp::tpkt_header_octets);
  const auto need = [](std::size_t of_tpdu) { return NeedMore{cotp::tpkt_header_octets + of_tpdu}; };
  if (tpdu.size() < 2) return need(2);
  if ((tpdu[1] & std::byte{0xF0}) != std::byte{0xE0}) return Not{"a TPKT that holds no CR"};

  // All of an RDP request is counted by LI, and it may be longer than a CR (RFC 905 §13.3).
  const bool may_be_rdp = std::to_integer<std::size_t>(tpdu[0]) + 1 == *length && *length <= longest_rdp_tpdu &&
                          *length >= fixed_octets + negotiation_octets;
  if (may_be_rdp) {
    const std::size_t telling = std::min(*length, fixed_octets + telling_octets);
    if (tpdu.size() < telling) return need(telling);
    if (starts_as_rdp(tpdu.first(telling).subspan(fixed_octets)))
      return tpdu.size() < *length ? Verdict<Iso>{need(*length)} : read_rdp_request(tpdu.first(*length));
  }
  const std::size_t head = cotp::head_needed(tpdu, *length);
  if (tpdu.size() < head) return need(head);
  const auto decoded = cotp::decode(tpdu.first(std::min(tpdu.size(), head)), *length);
  if (!decoded) return read_faulty(decoded.error());
  return read_request(std::get<cotp::ConnectionRequest>(*decoded));
}

}  // namespace baton::recognise
