// SPDX-License-Identifier: MIT
// baton: transport/packets_for_tests.hpp: both ends of a stream of packets, with reads and writes cut anywhere. Tests
// only.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cotp/octets_for_tests.hpp"
#include "transport/packet_reader.hpp"
#include "transport/packet_writer.hpp"

namespace baton::transport {

using cotp::hex;
using cotp::Octets;
using cotp::to_hex;

inline constexpr std::size_t all = std::numeric_limits<std::size_t>::max();

/// Whole packets as real programs sent them.
struct Golden {
  const char* sender;
  const char* packet;
};
inline constexpr Golden golden[] = {
    {"libiec61850, CR", "0300001611e00000000100c0010dc2020001c1020001"},
    {"snap7, CR", "0300001611e00000000100c0010ac1020100c2020102"},
    {"python-snap7, CR", "0300001611e00000000100c1020100c2020102c0010a"},
    {"nodes7, CR", "0300001611e00000000200c0010ac1020100c2020102"},
    {"ISODE isoc, CR", "0300001510e00000783800c60101c2020080c0010b"},
    {"ISODE imisc, CR", "030000120de00000783f00c2020206c0010b"},
    {"iec61850bean, CR", "0300001611e00000000100c00110c2020001c1020002"},
    {"xfreerdp, CR", "0300002924e00000000000436f6f6b69653a206d737473686173683d626f620d0a0100080003000000"},
    {"ISODE isoc, DR", "0300000b06807839783880"},
    {"iec61850bean, DR", "0300000b06800001000100"},
};

/// Different at every place, so that nothing can stand where it does not belong unnoticed.
inline Octets pattern(std::size_t count, std::size_t from = 0) {
  Octets octets(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = from + i;
    octets[i] = static_cast<std::byte>(at ^ at >> 8 ^ at >> 16);
  }
  return octets;
}

inline Octets packet(std::size_t tpdu_length, const Octets& tpdu) {
  const auto head = cotp::encode_tpkt(tpdu_length);
  Octets whole(head->begin(), head->end());
  whole.insert(whole.end(), tpdu.begin(), tpdu.end());
  return whole;
}
inline Octets data_packet(const Octets& payload, bool last) {
  const auto head = cotp::encode_data_header(last);
  Octets tpdu(head.begin(), head.end());
  tpdu.insert(tpdu.end(), payload.begin(), payload.end());
  return packet(tpdu.size(), tpdu);
}
inline Octets operator+(Octets left, const Octets& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// What has come out of a stream.
struct Found {
  std::vector<Octets> tsdus;
  Octets begun;                     ///< of a TSDU that has not ended
  std::vector<std::string> others;  ///< heads of other TPDUs
  std::optional<cotp::TpktError> broken;
  friend bool operator==(const Found&, const Found&) = default;
};

/// Reads as a carrier does: payload and the head behind it in one go.
class Receiver {
 public:
  Receiver() = default;
  explicit Receiver(const PacketReader& begun) : reader{begun} {}

  /// As much as the reader asks for, at most `most` octets: how many there were.
  std::size_t read(Bytes stream, std::size_t most = all) {
    if (found.broken) return 0;
    const std::size_t payload = std::min({reader.payload_left(), most, stream.size()});
    std::size_t head = 0;
    found.begun.insert(found.begun.end(), stream.begin(), stream.begin() + static_cast<std::ptrdiff_t>(payload));
    const bool whole = payload == reader.payload_left();
    reader.took_payload(payload);
    if (whole) {
      const MutableBytes room = reader.head_room();
      head = std::min({room.size(), most - payload, stream.size() - payload});
      std::ranges::copy(stream.subspan(payload, head), room.begin());
      if (payload > 0 && reader.ends_tsdu()) end_tsdu();
    }
    reader.took_head(head);
    look();
    return payload + head;
  }
  void read_all(Bytes stream, std::size_t most = all) {
    while (!stream.empty()) {
      const std::size_t taken = read(stream, most);
      if (taken == 0) return;
      stream = stream.subspan(taken);
    }
  }

  PacketReader reader;
  Found found;

 private:
  void look() {
    for (;;) {
      const auto next = reader.next();
      if (!next) {
        found.broken = next.error();
        EXPECT_TRUE(reader.head_room().empty());
        return;
      }
      if (!*next) {
        EXPECT_FALSE(reader.head_room().empty() && reader.payload_left() == 0);
        return;
      }
      const auto tpdu = cotp::decode((*next)->head, (*next)->tpdu_length);
      const auto* data = tpdu ? std::get_if<cotp::Data>(&*tpdu) : nullptr;
      if (data != nullptr) {
        reader.begin_data(data->payload_length, data->end_of_tsdu);
        if (data->payload_length == 0) end_tsdu();
        continue;
      }
      found.others.push_back(to_hex((*next)->head));
      reader.skip();
    }
  }
  void end_tsdu() { found.tsdus.push_back(std::exchange(found.begun, {})); }
};

/// One call of the user with gathered octets, of whose packets the carrier takes `most` octets.
inline std::size_t send(PacketWriter& writer, std::vector<iovec> octets, std::size_t max_data, Octets& wire,
                        std::size_t most = all, std::size_t room = 64) {
  std::vector<iovec> parts(room);
  const std::size_t filled = writer.plan(octets, max_data, parts);
  std::size_t sent = 0;
  for (const iovec& part : std::span{parts}.first(filled)) {
    const std::size_t taken = std::min(part.iov_len, most - sent);
    const auto* begin = static_cast<const std::byte*>(part.iov_base);
    wire.insert(wire.end(), begin, begin + taken);
    sent += taken;
  }
  return writer.advance(octets, max_data, sent);
}
inline std::size_t send(PacketWriter& writer, Octets octets, std::size_t max_data, Octets& wire, std::size_t most = all,
                        std::size_t room = 64) {
  return send(writer, std::vector<iovec>{{octets.data(), octets.size()}}, max_data, wire, most, room);
}

}  // namespace baton::transport
