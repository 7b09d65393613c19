// SPDX-License-Identifier: MIT
#include "transport/packet_reader.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace baton::transport {

/// How many octets the head has, as far as can be told now; no more than are held where a TPKT is broken.
std::size_t PacketReader::head_wanted() const noexcept {
  const Bytes held = state_.head.bytes();
  const auto length = cotp::decode_tpkt(held);
  if (!length) return length.error() == cotp::TpktError::NeedMore ? packet_head : std::min(held.size(), packet_head);
  if (held.size() < packet_head) return packet_head;
  return cotp::tpkt_header_octets + cotp::head_needed(held.subspan(cotp::tpkt_header_octets), *length);
}

MutableBytes PacketReader::head_room() noexcept {
  const std::size_t held = state_.head.size();
  return state_.head.room().subspan(held, std::max(head_wanted(), held) - held);
}

void PacketReader::took_payload(std::size_t count) noexcept {
  BATON_CHECK(count <= state_.payload_left);
  state_.payload_left -= static_cast<std::uint32_t>(count);
}

void PacketReader::took_head(std::size_t count) noexcept {
  BATON_CHECK(count <= head_room().size());
  BATON_CHECK(count == 0 || state_.payload_left == 0);
  state_.head.resize(state_.head.size() + count);
}

std::expected<std::optional<PacketReader::Packet>, cotp::TpktError> PacketReader::next() const noexcept {
  if (state_.payload_left > 0 || state_.head.empty()) return std::nullopt;
  const Bytes held = state_.head.bytes();
  const auto length = cotp::decode_tpkt(held);
  if (!length && length.error() != cotp::TpktError::NeedMore) return std::unexpected{length.error()};
  if (!length || held.size() < packet_head || held.size() < head_wanted()) return std::nullopt;
  return Packet{held.subspan(cotp::tpkt_header_octets), *length};
}

void PacketReader::begin_data(std::size_t payload_length, bool end_of_tsdu) noexcept {
  BATON_CHECK(payload_length <= cotp::max_tpdu_octets - cotp::data_header_octets);
  state_.head.clear();
  state_.payload_left = static_cast<std::uint32_t>(payload_length);
  state_.more = !end_of_tsdu;
}

std::optional<PacketReader> PacketReader::restore(const Image& image) noexcept {
  if (image.payload_left > cotp::max_tpdu_octets - cotp::data_header_octets) return std::nullopt;
  // A head is begun behind a payload, not within one.
  if (image.payload_left > 0 && !image.head.empty()) return std::nullopt;
  PacketReader reader;
  reader.state_ = image;
  if (reader.head_wanted() < image.head.size()) return std::nullopt;
  return reader;
}

}  // namespace baton::transport
