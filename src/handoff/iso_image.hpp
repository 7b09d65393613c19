// SPDX-License-Identifier: MIT
// baton: handoff/iso_image.hpp: what moves with an ISO end point besides its descriptor, as octets.
//
// Everything that the kernel does not know: what was agreed when the connection was opened, how far into a packet and a
// TSDU each direction is, and, on a connection within the host, what was read and not yet delivered. Of one over TCP
// nothing is read ahead but the head of the next packet. Begins with a version of its own; unknown octets at the end of
// its fixed part are skipped. Decoding is total. Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "transport/connection.hpp"
#include "transport/packet_reader.hpp"
#include "transport/packet_writer.hpp"
#include "tsap/nsel.hpp"

namespace baton::handoff {

inline constexpr std::uint8_t iso_image_version = 1;

enum class Carrier : std::uint8_t {
  Local = 1,  ///< AF_UNIX SOCK_SEQPACKET
  Tcp = 2,    ///< RFC 1006
};

struct IsoImage {
  Carrier carrier = Carrier::Tcp;
  transport::Image connection;
  tsap::Nsel local_host;
  tsap::Nsel peer_host;
  transport::PacketReader::Image reader;  ///< Tcp
  transport::PacketWriter::Image writer;  ///< Tcp; Local: only what is owed of a TSDU
  bool in_tsdu = false;                   ///< Local: the last DT read did not end its TSDU
  bool hello_sent = false;                ///< Local: frames of moves have gone over it, from here
  bool hello_seen = false;                ///< ... and from the other side
  std::uint32_t features = 0;             ///< ... what the other side has said that it understands
  std::uint32_t credit = 0;               ///< Local: express moves that the other side still takes
  bool unread_ends_tsdu = false;
  Bytes unread;  ///< Local: what is left of the one DT that was read and not delivered
};

/// Without `unread`.
inline constexpr std::size_t max_iso_image_head = 768;
/// Writes it to the front of `room`; an empty span where it does not fit.
[[nodiscard]] Bytes encode(MutableBytes room, const IsoImage& image) noexcept;
/// Nothing where the octets are none; `unread` is a view into them.
[[nodiscard]] std::optional<IsoImage> decode_iso_image(Bytes octets) noexcept;

}  // namespace baton::handoff
