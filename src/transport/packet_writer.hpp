// SPDX-License-Identifier: MIT
// baton: transport/packet_writer.hpp: cuts TSDUs into RFC 1006 packets, and knows what a short write left owed.
//
// plan() says what to send for the user's octets: one gathered write of heads and payloads, no copy. advance() is told
// how much of it the carrier has taken, and says how many of the user's octets those were. What is on the wire cannot
// be taken back: when a write is short in the middle of a TSDU, the rest of it is owed. The next call must bring those
// octets first; what it has beyond them begins a new TSDU. No octet of the user is kept.
//
//   Free --advance(all)--> Free
//     '---advance(some)--> Owing --advance(what is owed)--> Free
//
// Invariant: tpdu_left <= tsdu_left; a head is only outstanding together with its whole payload.
// Threads: distinct objects are independent.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.hpp"
#include "cotp/tpdu.hpp"
#include "cotp/tpkt.hpp"

namespace baton::transport {

class PacketWriter {
 public:
  using Head = std::array<std::byte, cotp::tpkt_header_octets + cotp::data_header_octets>;

  /// What has to move with a connection.
  struct Image {
    Head head{};                  ///< of the DT at hand
    std::uint8_t head_left = 0;   ///< its octets that are not sent yet
    std::uint32_t tpdu_left = 0;  ///< payload of that DT that is announced and not sent
    std::uint64_t tsdu_left = 0;  ///< octets of the TSDU that are not sent, those of the DT included
    friend bool operator==(const Image&, const Image&) noexcept = default;
  };

  /// Octets that the next call has to begin with; 0: it begins a TSDU.
  [[nodiscard]] std::uint64_t owed() const noexcept { return state_.tsdu_left; }

  /// A gathered write for `octets`, at least one of them; `max_data` octets of payload in a DT at most, at least 1.
  /// Gives how many of `parts` (at least 4) are filled; they point into `octets` and this object, until the next call.
  [[nodiscard]] std::size_t plan(std::span<const iovec> octets, std::size_t max_data, std::span<iovec> parts) noexcept;
  /// Of what plan() gave for the same octets, the first `sent` are on the wire: how many octets of the user those were.
  std::size_t advance(std::span<const iovec> octets, std::size_t max_data, std::size_t sent) noexcept;

  [[nodiscard]] const Image& image() const noexcept { return state_; }
  /// Nothing where no writer could have left such an image.
  [[nodiscard]] static std::optional<PacketWriter> restore(const Image& image) noexcept;

 private:
  Image state_;
  // Those of one plan: the DT at hand, full ones, the last of the TSDU owed, the last of the one behind it.
  std::array<Head, 4> heads_{};
};

}  // namespace baton::transport
