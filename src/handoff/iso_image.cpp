// SPDX-License-Identifier: MIT
#include "handoff/iso_image.hpp"

namespace baton::handoff {
namespace {

constexpr std::uint8_t confirmed_bit = 1;
constexpr std::uint8_t responder_bit = 2;
constexpr std::uint8_t more_bit = 4;
constexpr std::uint8_t in_tsdu_bit = 8;
constexpr std::uint8_t hello_sent_bit = 16;
constexpr std::uint8_t hello_seen_bit = 32;
constexpr std::uint8_t unread_ends_bit = 64;

std::uint8_t bit(bool set, std::uint8_t value) noexcept { return set ? value : std::uint8_t{0}; }

void put_short(ByteWriter& writer, Bytes octets) noexcept {
  writer.u16(static_cast<std::uint16_t>(octets.size()));
  writer.put(octets);
}

template <std::size_t Capacity>
bool take_short(ByteReader& reader, transport::InlineBytes<Capacity>& into) noexcept {
  const Bytes octets = reader.take(reader.u16());
  const auto kept = transport::InlineBytes<Capacity>::from(octets);
  if (!reader.ok() || !kept) return false;
  into = *kept;
  return true;
}

void put_host(ByteWriter& writer, const tsap::Nsel& host) noexcept { writer.put(as_bytes(host.text())); }

bool take_host(ByteReader& reader, tsap::Nsel& into) noexcept {
  const auto text = as_text(reader.take(tsap::Nsel::size));
  if (!reader.ok()) return false;
  if (text == tsap::Nsel{}.text()) {
    into = {};
    return true;
  }
  const auto host = tsap::Nsel::parse(text);
  if (host) into = *host;
  return host.has_value();
}

void put_connection(ByteWriter& writer, const transport::Image& connection) noexcept {
  writer.u16(connection.local_reference);
  writer.u16(connection.remote_reference);
  writer.u8(static_cast<std::uint8_t>(connection.size));
  writer.u64(static_cast<std::uint64_t>(connection.closing_time.count()));
  put_short(writer, connection.selectors.calling.bytes());
  put_short(writer, connection.selectors.called.bytes());
  put_short(writer, connection.connect_data.bytes());
  put_short(writer, connection.confirm_data.bytes());
}

bool take_connection(ByteReader& reader, transport::Image& connection) noexcept {
  connection.local_reference = reader.u16();
  connection.remote_reference = reader.u16();
  const auto size = cotp::tpdu_size_from_code(reader.u8());
  connection.closing_time = Duration{static_cast<std::int64_t>(reader.u64())};
  if (!reader.ok() || !size || connection.closing_time < Duration::zero()) return false;
  connection.size = *size;
  return take_short(reader, connection.selectors.calling) && take_short(reader, connection.selectors.called) &&
         take_short(reader, connection.connect_data) && take_short(reader, connection.confirm_data);
}

void put_streams(ByteWriter& writer, const IsoImage& image) noexcept {
  put_short(writer, image.reader.head.bytes());
  writer.u32(image.reader.payload_left);
  writer.put(image.writer.head);
  writer.u8(image.writer.head_left);
  writer.u32(image.writer.tpdu_left);
  writer.u64(image.writer.tsdu_left);
}

bool take_streams(ByteReader& reader, IsoImage& image) noexcept {
  if (!take_short(reader, image.reader.head)) return false;
  image.reader.payload_left = reader.u32();
  const Bytes head = reader.take(image.writer.head.size());
  if (!reader.ok()) return false;
  std::ranges::copy(head, image.writer.head.begin());
  image.writer.head_left = reader.u8();
  image.writer.tpdu_left = reader.u32();
  image.writer.tsdu_left = reader.u64();
  return reader.ok();
}

}  // namespace

Bytes encode(MutableBytes room, const IsoImage& image) noexcept {
  ByteWriter writer{room};
  writer.u8(iso_image_version);
  writer.u8(static_cast<std::uint8_t>(image.carrier));
  // How long the fixed part is: filled in below.
  writer.u16(0);
  writer.u8(static_cast<std::uint8_t>(bit(image.connection.confirmed, confirmed_bit) |
                                      bit(image.connection.role == transport::Role::Responder, responder_bit) |
                                      bit(image.reader.more, more_bit) | bit(image.in_tsdu, in_tsdu_bit) |
                                      bit(image.hello_sent, hello_sent_bit) | bit(image.hello_seen, hello_seen_bit) |
                                      bit(image.unread_ends_tsdu, unread_ends_bit)));
  put_connection(writer, image.connection);
  put_host(writer, image.local_host);
  put_host(writer, image.peer_host);
  put_streams(writer, image);
  writer.u32(image.credit);
  writer.u32(static_cast<std::uint32_t>(image.unread.size()));
  writer.u32(image.features);
  const std::size_t fixed = writer.size();
  writer.put(image.unread);
  if (!writer.ok()) return {};
  ByteWriter{room.subspan(2, 2)}.u16(static_cast<std::uint16_t>(fixed));
  return writer.written();
}

std::optional<IsoImage> decode_iso_image(Bytes octets) noexcept {
  ByteReader start{octets};
  IsoImage image;
  const std::uint8_t version = start.u8();
  image.carrier = static_cast<Carrier>(start.u8());
  const std::size_t fixed = start.u16();
  if (!start.ok() || version != iso_image_version || fixed < 4 || fixed > octets.size()) return std::nullopt;
  if (image.carrier != Carrier::Local && image.carrier != Carrier::Tcp) return std::nullopt;
  ByteReader reader{octets.subspan(4, fixed - 4)};
  const std::uint8_t bits = reader.u8();
  image.connection.confirmed = (bits & confirmed_bit) != 0;
  image.connection.role = (bits & responder_bit) != 0 ? transport::Role::Responder : transport::Role::Initiator;
  image.reader.more = (bits & more_bit) != 0;
  image.in_tsdu = (bits & in_tsdu_bit) != 0;
  image.hello_sent = (bits & hello_sent_bit) != 0;
  image.hello_seen = (bits & hello_seen_bit) != 0;
  image.unread_ends_tsdu = (bits & unread_ends_bit) != 0;
  if (!take_connection(reader, image.connection) || !take_host(reader, image.local_host) ||
      !take_host(reader, image.peer_host) || !take_streams(reader, image))
    return std::nullopt;
  image.credit = reader.u32();
  const std::size_t unread = reader.u32();
  if (reader.remaining() >= sizeof image.features) image.features = reader.u32();
  image.unread = octets.subspan(fixed);
  if (!reader.ok() || unread != image.unread.size()) return std::nullopt;
  if (unread > 0 && (image.carrier != Carrier::Local || unread > cotp::max_tpdu_octets)) return std::nullopt;
  // No data flow before the CC.
  if (!image.connection.confirmed && (image.reader.payload_left > 0 || image.reader.more || image.writer.tsdu_left > 0))
    return std::nullopt;
  if (!transport::Connection::restore(image.connection) || !transport::PacketReader::restore(image.reader) ||
      !transport::PacketWriter::restore(image.writer))
    return std::nullopt;
  return image;
}

}  // namespace baton::handoff
