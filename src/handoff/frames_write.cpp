// SPDX-License-Identifier: MIT
// Frames -> octets.
#include <algorithm>

#include "handoff/frame_fields.hpp"
#include "handoff/frames.hpp"

namespace baton::handoff {
namespace {

/// Writes header and fields; the payload length is filled in at the end.
class FrameWriter {
 public:
  FrameWriter(MutableBytes room, FrameType type, std::uint8_t flags, MoveId move) : room_{room}, writer_{room} {
    writer_.u8(std::to_integer<std::uint8_t>(frame_mark));
    writer_.u8(protocol_version);
    writer_.u8(static_cast<std::uint8_t>(type));
    writer_.u8(flags);
    writer_.u32(0);
    writer_.u64(move);
  }
  ByteWriter& field(Tag tag, std::size_t length) {
    writer_.u16(static_cast<std::uint16_t>(tag));
    writer_.u32(static_cast<std::uint32_t>(length));
    return writer_;
  }
  /// `following` octets come from elsewhere.
  Bytes finish(std::size_t following = 0) {
    if (!writer_.ok() || writer_.size() + following > max_frame) return {};
    ByteWriter length{room_.subspan(4, 4)};
    length.u32(static_cast<std::uint32_t>(writer_.size() - header_size + following));
    return writer_.written();
  }

 private:
  MutableBytes room_;
  ByteWriter writer_;
};

void write_address(ByteWriter& writer, const PeerAddress& address) noexcept {
  writer.put(address.octets);
  writer.u16(address.port);
  writer.u32(address.scope);
}

void write_item(ByteWriter& writer, const CallItem& item) noexcept {
  writer.u64(item.image.position.consumed);
  writer.u64(item.image.position.written);
  writer.u8(item.image.position.tcp_state);
  writer.u64(item.image.cookie);
  writer.u8(item.image.nonblocking ? nonblocking_bit : std::uint8_t{0});
  writer.u64(static_cast<std::uint64_t>(item.image.stopped_at.count()));
  writer.u8(static_cast<std::uint8_t>(item.kind));
  writer.u8(static_cast<std::uint8_t>(item.family));
  writer.u32(static_cast<std::uint32_t>(item.descriptor));
  writer.u32(item.user_data);
  writer.u32(item.iso_image);
  writer.u32(item.blob);
  writer.u8(item.blob_apart ? blob_apart_bit : std::uint8_t{0});
}

void write_iso_address(ByteWriter& writer, const tsap::IsoAddress& address) noexcept {
  std::array<std::byte, tsap::address_area_size> area{};
  const auto selector = tsap::encode_address(address, area);
  writer.u8(static_cast<std::uint8_t>(selector.value_or(0)));
  writer.put(area);
}

Bytes with_count(MutableBytes room, FrameType type, MoveId group, std::uint32_t count) noexcept {
  FrameWriter frame{room, type, 0, group};
  frame.field(Tag::Count, 4).u32(count);
  return frame.finish();
}

}  // namespace

Bytes encode(MutableBytes room, const Hello& hello) noexcept {
  FrameWriter frame{room, FrameType::Hello, 0, 0};
  ByteWriter& versions = frame.field(Tag::Versions, 2);
  versions.u8(hello.lowest_version);
  versions.u8(hello.highest_version);
  frame.field(Tag::Features, 4).u32(hello.features);
  frame.field(Tag::Credit, 4).u32(hello.credit);
  frame.field(Tag::LargestFrame, 4).u32(hello.largest_frame);
  ByteWriter& process = frame.field(Tag::Process, 8);
  process.u32(hello.process);
  process.u32(hello.user);
  return frame.finish();
}

Bytes encode_head(MutableBytes room, MoveId move, const Description& description,
                  std::size_t user_data_length) noexcept {
  if (user_data_length > max_user_data) return {};
  FrameWriter frame{room, FrameType::Offer, 0, move};
  ByteWriter& writer = frame.field(Tag::Description, description_size);
  writer.u8(static_cast<std::uint8_t>(description.kind));
  writer.u8(static_cast<std::uint8_t>(description.family));
  writer.u8(description.nonblocking ? nonblocking_bit : std::uint8_t{0});
  writer.u32(static_cast<std::uint32_t>(description.descriptor));
  writer.u32(static_cast<std::uint32_t>(description.interface_index));
  writer.u32(static_cast<std::uint32_t>(description.receive_window));
  writer.u32(static_cast<std::uint32_t>(description.send_window));
  write_address(writer, description.local);
  write_address(writer, description.peer);
  if (description.family == Family::Iso) {
    ByteWriter& addresses = frame.field(Tag::IsoAddresses, 2 * iso_address_size);
    write_iso_address(addresses, description.iso_local);
    write_iso_address(addresses, description.iso_peer);
  }
  if (user_data_length > 0) frame.field(Tag::UserData, user_data_length);
  return frame.finish(user_data_length);
}

Bytes encode(MutableBytes room, MoveId move, const Answer& answer) noexcept {
  FrameWriter frame{room, FrameType::Answer, 0, move};
  ByteWriter& writer = frame.field(Tag::Answer, 10);
  writer.u16(static_cast<std::uint16_t>(answer.bind_ok));
  writer.u32(static_cast<std::uint32_t>(answer.server_descriptor));
  writer.u32(static_cast<std::uint32_t>(answer.transport_reference));
  return frame.finish();
}

Bytes encode_call(MutableBytes room, MoveId first, bool express, std::span<const CallItem> items, Bytes iso_images,
                  std::size_t user_data_length, const CallExtras& extras) noexcept {
  const auto memfds = static_cast<std::size_t>(std::ranges::count_if(items, &CallItem::blob_apart));
  if (items.empty() || items.size() + memfds > max_batch || user_data_length > max_user_data) return {};
  std::uint8_t flags = express ? express_flag : std::uint8_t{0};
  if (extras.group != 0) flags |= held_flag;
  FrameWriter frame{room, FrameType::Call, flags, first};
  // In front: preview_call() reads it.
  if (memfds > 0) frame.field(Tag::Memfds, 2).u16(static_cast<std::uint16_t>(memfds));
  ByteWriter& writer = frame.field(Tag::CallItems, 4 + items.size() * call_record);
  writer.u16(call_record);
  writer.u16(static_cast<std::uint16_t>(items.size()));
  for (const CallItem& item : items) write_item(writer, item);
  if (extras.group != 0) frame.field(Tag::Group, 8).u64(extras.group);
  if (!iso_images.empty()) frame.field(Tag::IsoImages, iso_images.size()).put(iso_images);
  std::size_t octets = 0;
  for (const Bytes blob : extras.blobs) octets += blob.size();
  if (octets > 0) {
    ByteWriter& blobs = frame.field(Tag::Blobs, octets);
    for (const Bytes blob : extras.blobs) blobs.put(blob);
  }
  if (user_data_length > 0) frame.field(Tag::UserData, user_data_length);
  return frame.finish(user_data_length);
}

Bytes encode(MutableBytes room, std::span<const TakenItem> items) noexcept {
  if (items.empty() || items.size() > max_batch) return {};
  FrameWriter frame{room, FrameType::Taken, 0, items.front().move};
  ByteWriter& writer = frame.field(Tag::TakenItems, 4 + items.size() * taken_record);
  writer.u16(taken_record);
  writer.u16(static_cast<std::uint16_t>(items.size()));
  for (const TakenItem& item : items) {
    writer.u64(item.move);
    writer.u8(static_cast<std::uint8_t>(item.outcome));
    writer.u32(static_cast<std::uint32_t>(item.server_descriptor));
  }
  return frame.finish();
}

Bytes encode(MutableBytes room, MoveId move, Cancel) noexcept {
  return FrameWriter{room, FrameType::Cancel, 0, move}.finish();
}

Bytes encode(MutableBytes room, MoveId move, Cancelled) noexcept {
  return FrameWriter{room, FrameType::Cancelled, 0, move}.finish();
}

Bytes encode(MutableBytes room, Credit credit) noexcept {
  FrameWriter frame{room, FrameType::Credit, 0, 0};
  frame.field(Tag::Credit, 4).u32(credit.more);
  return frame.finish();
}

Bytes encode(MutableBytes room, MoveId group, Held held) noexcept {
  return with_count(room, FrameType::Held, group, held.count);
}
Bytes encode(MutableBytes room, MoveId group, Commit commit) noexcept {
  return with_count(room, FrameType::Commit, group, commit.count);
}
Bytes encode(MutableBytes room, MoveId group, Abort) noexcept {
  return FrameWriter{room, FrameType::Abort, 0, group}.finish();
}
Bytes encode(MutableBytes room, MoveId group, Complete complete) noexcept {
  return with_count(room, FrameType::Complete, group, complete.count);
}

std::size_t call_size(std::size_t count) noexcept {
  // Items, memfds, group, images, blobs, user data.
  return header_size + 6 * field_head + 2 + 4 + 8 + count * call_record;
}
std::size_t taken_size(std::size_t count) noexcept { return header_size + field_head + 4 + count * taken_record; }

}  // namespace baton::handoff
