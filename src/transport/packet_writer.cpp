// SPDX-License-Identifier: MIT
#include "transport/packet_writer.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace baton::transport {
namespace {

using Image = PacketWriter::Image;
using Head = PacketWriter::Head;

std::size_t total(std::span<const iovec> octets) noexcept {
  std::size_t sum = 0;
  for (const iovec& part : octets) sum += part.iov_len;
  return sum;
}

Head head_of(std::size_t payload, bool last) noexcept {
  const auto packet = cotp::encode_tpkt(cotp::data_header_octets + payload);
  BATON_CHECK(packet.has_value());
  const auto data = cotp::encode_data_header(last);
  Head head;
  std::ranges::copy(data, std::ranges::copy(*packet, head.begin()).out);
  return head;
}

/// Begins the next DT, for a call that has `available` octets left.
void begin(Image& state, std::size_t available, std::size_t max_data) noexcept {
  if (state.tsdu_left == 0) state.tsdu_left = available;
  const std::size_t piece = std::min({std::size_t{state.tsdu_left}, available, max_data});
  state.head = head_of(piece, piece == state.tsdu_left);
  state.head_left = static_cast<std::uint8_t>(state.head.size());
  state.tpdu_left = static_cast<std::uint32_t>(piece);
}

/// Sends up to `room` octets of the head and then of the payload: how many of each.
struct Step {
  std::size_t head = 0;
  std::size_t payload = 0;
};
Step step(Image& state, std::size_t room, std::size_t available) noexcept {
  Step taken;
  taken.head = std::min<std::size_t>(room, state.head_left);
  taken.payload = std::min({room - taken.head, std::size_t{state.tpdu_left}, available});
  state.head_left -= static_cast<std::uint8_t>(taken.head);
  state.tpdu_left -= static_cast<std::uint32_t>(taken.payload);
  state.tsdu_left -= taken.payload;
  return taken;
}

/// Walks through gathered octets.
class Cursor {
 public:
  explicit Cursor(std::span<const iovec> octets) noexcept : octets_{octets} {}
  /// The next piece that lies in one place, at most `most` octets.
  iovec take(std::size_t most) noexcept {
    while (offset_ == octets_.front().iov_len) {
      octets_ = octets_.subspan(1);
      offset_ = 0;
    }
    const std::size_t size = std::min(most, octets_.front().iov_len - offset_);
    const iovec piece{static_cast<std::byte*>(octets_.front().iov_base) + offset_, size};
    offset_ += size;
    return piece;
  }

 private:
  std::span<const iovec> octets_;
  std::size_t offset_ = 0;
};

}  // namespace

std::size_t PacketWriter::plan(std::span<const iovec> octets, std::size_t max_data, std::span<iovec> parts) noexcept {
  Image state = state_;
  Cursor cursor{octets};
  std::size_t available = total(octets);
  std::size_t filled = 0;
  std::ptrdiff_t heads = 0;
  while (available > 0) {
    // A head goes out together with some payload, or not at all.
    if (parts.size() - filled < 2) return filled;
    if (state.head_left == 0 && state.tpdu_left == 0) begin(state, available, max_data);
    if (state.head_left > 0) {
      // Full DTs have the same head: it is kept once.
      const auto known = std::find(heads_.begin(), heads_.begin() + heads, state.head);
      BATON_CHECK(known != heads_.end());
      if (known == heads_.begin() + heads) {
        *known = state.head;
        ++heads;
      }
      parts[filled++] = {known->data() + (known->size() - state.head_left), state.head_left};
    }
    Step taken = step(state, state.head_left + std::size_t{state.tpdu_left}, available);
    available -= taken.payload;
    while (taken.payload > 0) {
      if (filled == parts.size()) return filled;
      parts[filled++] = cursor.take(taken.payload);
      taken.payload -= parts[filled - 1].iov_len;
    }
  }
  return filled;
}

std::size_t PacketWriter::advance(std::span<const iovec> octets, std::size_t max_data, std::size_t sent) noexcept {
  const std::size_t length = total(octets);
  std::size_t accepted = 0;
  while (sent > 0) {
    BATON_CHECK(accepted < length);
    if (state_.head_left == 0 && state_.tpdu_left == 0) begin(state_, length - accepted, max_data);
    const Step taken = step(state_, sent, length - accepted);
    sent -= taken.head + taken.payload;
    accepted += taken.payload;
  }
  return accepted;
}

std::optional<PacketWriter> PacketWriter::restore(const Image& image) noexcept {
  if (image.head_left > image.head.size() || image.tpdu_left > image.tsdu_left) return std::nullopt;
  if (image.tpdu_left > cotp::max_tpdu_octets - cotp::data_header_octets) return std::nullopt;
  // What is still to be sent of a head has to fit what it announces.
  if (image.head_left > 0 &&
      (image.tpdu_left == 0 || image.head != head_of(image.tpdu_left, image.tpdu_left == image.tsdu_left)))
    return std::nullopt;
  PacketWriter writer;
  writer.state_ = image;
  return writer;
}

}  // namespace baton::transport
