// SPDX-License-Identifier: MIT
// baton: cotp/tpkt.hpp: the four octets that carry one TPDU over TCP.
//
// RFC 1006 §6: version 3, a reserved octet (sent as 0, ignored on input: RFC 2126 §6.10), the length of the whole
// packet, header included. One TPKT holds one TPDU (RFC 905 §6.9.4.1c).
// Threads: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>

#include "base/bytes.hpp"
#include "cotp/tpdu_size.hpp"

namespace baton::cotp {

inline constexpr std::size_t tpkt_header_octets = 4;
/// The smallest TPDU is three octets long, so a TPKT has at least seven.
inline constexpr std::size_t min_tpdu_octets = 3;

enum class TpktError {
  NeedMore,    ///< fewer than four octets, and nothing wrong in them so far
  BadVersion,  ///< the first octet is not 3: close
  BadLength,   ///< the length is below 7 (when encoding: the TPDU is not 3..65531 octets long): close
};

/// The length in octets of the TPDU that follows, 3..65531. Looks at no more than the first four octets, and
/// complains of the version as soon as it has one.
[[nodiscard]] constexpr std::expected<std::size_t, TpktError> decode_tpkt(Bytes octets) noexcept {
  if (!octets.empty() && octets[0] != std::byte{3}) return std::unexpected{TpktError::BadVersion};
  if (octets.size() < tpkt_header_octets) return std::unexpected{TpktError::NeedMore};
  ByteReader reader{octets.subspan(2, 2)};
  const std::size_t length = reader.u16();
  if (length < tpkt_header_octets + min_tpdu_octets) return std::unexpected{TpktError::BadLength};
  return length - tpkt_header_octets;
}

[[nodiscard]] constexpr std::expected<std::array<std::byte, tpkt_header_octets>, TpktError> encode_tpkt(
    std::size_t tpdu_length) noexcept {
  if (tpdu_length < min_tpdu_octets || tpdu_length > max_tpdu_octets) return std::unexpected{TpktError::BadLength};
  std::array<std::byte, tpkt_header_octets> header{std::byte{3}};
  ByteWriter writer{MutableBytes{header}.subspan(2)};
  writer.u16(static_cast<std::uint16_t>(tpdu_length + tpkt_header_octets));
  return header;
}

/// Writes TPKT and TPDU to the front of `room` and returns their size in octets; 0 where they do not fit.
[[nodiscard]] constexpr std::size_t encode_packet(Bytes tpdu, MutableBytes room) noexcept {
  const auto header = encode_tpkt(tpdu.size());
  if (!header) return 0;
  ByteWriter writer{room};
  writer.put(*header);
  writer.put(tpdu);
  return writer.ok() ? writer.size() : 0;
}

}  // namespace baton::cotp
