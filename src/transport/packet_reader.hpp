// SPDX-License-Identifier: MIT
// baton: transport/packet_reader.hpp: takes a stream of RFC 1006 packets apart, without I/O and without reading ahead.
//
// Says what to read next, never more than the packet at hand plus the head of the one behind it (7 octets: TPKT and the
// fixed part of a DT). So as long as octets lie unread in a socket, there is something that nobody has been told of,
// and none hide here that poll(2) does not know of.
//
//            took_head()                     next() gives a packet
//   Head ------------------> Head complete -------------------------> begin_data(): Payload --took_payload()--> Head
//    ^                                     '------------------------> skip():       Head
//    '-- the head may be read together with the end of the payload before it
//
// Invariant: at most max_head octets are held, and they are of one packet.
// Threads: distinct objects are independent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.hpp"
#include "cotp/tpdu.hpp"
#include "cotp/tpkt.hpp"
#include "transport/inline_bytes.hpp"

namespace baton::transport {

/// TPKT and LI, F0, EOT of a DT. No packet is shorter (RFC 1006 §6).
inline constexpr std::size_t packet_head = cotp::tpkt_header_octets + cotp::data_header_octets;
/// TPKT and the longest header of a TPDU.
inline constexpr std::size_t max_head = cotp::tpkt_header_octets + 255;

class PacketReader {
 public:
  /// What has to move with a connection.
  struct Image {
    InlineBytes<max_head> head{};    ///< what is read of the head of the next packet
    std::uint32_t payload_left = 0;  ///< octets of the DT at hand that are not read yet
    bool more = false;               ///< that DT, or the last one, does not end its TSDU
    friend bool operator==(const Image&, const Image&) noexcept = default;
  };

  /// Octets of payload that come next; 0: a head does.
  [[nodiscard]] std::size_t payload_left() const noexcept { return state_.payload_left; }
  /// The DT at hand, or read last, ends its TSDU. True where there was none.
  [[nodiscard]] bool ends_tsdu() const noexcept { return !state_.more; }
  /// The stream may end here: between two TSDUs.
  [[nodiscard]] bool at_boundary() const noexcept {
    return !state_.more && state_.payload_left == 0 && state_.head.empty();
  }

  /// Where octets of the head go: as many as may be read now, at least one unless next() has something to say.
  [[nodiscard]] MutableBytes head_room() noexcept;
  void took_payload(std::size_t count) noexcept;
  /// Behind took_payload(), where both came with one read.
  void took_head(std::size_t count) noexcept;

  struct Packet {
    Bytes head;               ///< of the TPDU: enough for cotp::decode()
    std::size_t tpdu_length;  ///< octets
  };
  /// The packet whose head is complete, until begin_data() or skip(); nothing while payload or head are outstanding.
  /// The errors mean: close.
  [[nodiscard]] std::expected<std::optional<Packet>, cotp::TpktError> next() const noexcept;
  /// It is a DT with so much payload.
  void begin_data(std::size_t payload_length, bool end_of_tsdu) noexcept;
  /// It is another TPDU, and dealt with. Of one that ends the connection octets may be left in the stream.
  void skip() noexcept { state_.head.clear(); }

  [[nodiscard]] const Image& image() const noexcept { return state_; }
  /// Nothing where no reader could have left such an image.
  [[nodiscard]] static std::optional<PacketReader> restore(const Image& image) noexcept;

 private:
  [[nodiscard]] std::size_t head_wanted() const noexcept;

  Image state_;
};

}  // namespace baton::transport
