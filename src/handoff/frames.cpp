// SPDX-License-Identifier: MIT
#include "handoff/frames.hpp"

#include <optional>

#include "handoff/frame_fields.hpp"

namespace baton::handoff {
namespace {
/// The first field of each tag that a frame type reads.
struct Fields {
  std::array<std::optional<Bytes>, 17> by_tag;
  [[nodiscard]] const std::optional<Bytes>& operator[](Tag tag) const { return by_tag[static_cast<std::size_t>(tag)]; }
};

std::expected<Fields, FrameError> read_fields(Bytes payload) noexcept {
  Fields fields;
  ByteReader reader{payload};
  while (!reader.at_end()) {
    const std::uint16_t tag = reader.u16();
    const std::uint32_t length = reader.u32();
    const Bytes value = reader.take(length);
    if (!reader.ok()) return std::unexpected{FrameError::Field};
    if (tag < fields.by_tag.size() && !fields.by_tag[tag]) fields.by_tag[tag] = value;
  }
  return fields;
}

/// The number in a field; 0 where there is none, or it is too short.
template <class T>
T number_of(const std::optional<Bytes>& field) noexcept {
  if (!field) return 0;
  ByteReader reader{*field};
  const T value = reader.number<T>();
  return reader.ok() ? value : T{0};
}

bool known(Kind kind) noexcept {
  return kind == Kind::Connection || kind == Kind::ListeningSocket || kind == Kind::UnreadConnectRequest;
}
bool known(Family family) noexcept {
  return family == Family::Inet || family == Family::Inet6 || family == Family::Iso;
}

std::expected<Body, FrameError> read_hello(const Fields& fields) noexcept {
  if (!fields[Tag::Versions]) return std::unexpected{FrameError::Field};
  Hello hello;
  ByteReader versions{*fields[Tag::Versions]};
  hello.lowest_version = versions.u8();
  hello.highest_version = versions.u8();
  if (!versions.ok() || hello.lowest_version == 0 || hello.lowest_version > hello.highest_version)
    return std::unexpected{FrameError::Field};
  bool whole = true;
  const auto number = [&](Tag tag, std::uint32_t absent) {
    if (!fields[tag]) return absent;
    ByteReader reader{*fields[tag]};
    const std::uint32_t value = reader.u32();
    whole = whole && reader.ok();
    return value;
  };
  hello.features = number(Tag::Features, 0);
  hello.credit = number(Tag::Credit, 0);
  hello.largest_frame = number(Tag::LargestFrame, max_frame);
  if (fields[Tag::Process]) {
    ByteReader process{*fields[Tag::Process]};
    hello.process = process.u32();
    hello.user = process.u32();
    whole = whole && process.ok();
  }
  if (!whole) return std::unexpected{FrameError::Field};
  return hello;
}

PeerAddress read_address(ByteReader& reader) noexcept {
  PeerAddress address;
  const Bytes octets = reader.take(address.octets.size());
  std::ranges::copy(octets, address.octets.begin());
  address.port = reader.u16();
  address.scope = reader.u32();
  return address;
}

std::optional<tsap::IsoAddress> read_iso_address(ByteReader& reader) noexcept {
  const std::size_t selector = reader.u8();
  const Bytes area = reader.take(tsap::address_area_size);
  if (!reader.ok()) return std::nullopt;
  const auto address = tsap::decode_address(area, selector);
  return address ? std::optional{*address} : std::nullopt;
}

std::expected<Body, FrameError> read_offer(const Fields& fields) noexcept {
  if (!fields[Tag::Description]) return std::unexpected{FrameError::Field};
  Offer offer;
  Description& description = offer.description;
  ByteReader reader{*fields[Tag::Description]};
  description.kind = static_cast<Kind>(reader.u8());
  description.family = static_cast<Family>(reader.u8());
  description.nonblocking = (reader.u8() & nonblocking_bit) != 0;
  description.descriptor = static_cast<std::int32_t>(reader.u32());
  description.interface_index = static_cast<std::int32_t>(reader.u32());
  description.receive_window = static_cast<std::int32_t>(reader.u32());
  description.send_window = static_cast<std::int32_t>(reader.u32());
  description.local = read_address(reader);
  description.peer = read_address(reader);
  if (fields[Tag::UserData]) offer.user_data = *fields[Tag::UserData];
  if (fields[Tag::IsoAddresses]) {
    ByteReader addresses{*fields[Tag::IsoAddresses]};
    const auto local = read_iso_address(addresses);
    const auto peer = read_iso_address(addresses);
    if (!local || !peer) return std::unexpected{FrameError::Field};
    description.iso_local = *local;
    description.iso_peer = *peer;
  }
  if (!reader.ok() || !known(description.kind) || !known(description.family) || offer.user_data.size() > max_user_data)
    return std::unexpected{FrameError::Field};
  return offer;
}

std::expected<Body, FrameError> read_answer(const Fields& fields) noexcept {
  if (!fields[Tag::Answer]) return std::unexpected{FrameError::Field};
  ByteReader reader{*fields[Tag::Answer]};
  Answer answer;
  answer.bind_ok = static_cast<std::int16_t>(reader.u16());
  answer.server_descriptor = static_cast<std::int32_t>(reader.u32());
  answer.transport_reference = static_cast<std::int32_t>(reader.u32());
  // 1 accepts, a negative reason refuses; nothing else exists.
  if (!reader.ok() || (answer.bind_ok != 1 && answer.bind_ok >= 0)) return std::unexpected{FrameError::Field};
  return answer;
}

/// Records of equal size behind a size (2) and a count (2): the size may be larger than ours, never smaller.
std::expected<std::pair<Bytes, std::size_t>, FrameError> read_records(Bytes value, std::size_t least) noexcept {
  ByteReader reader{value};
  const std::size_t size = reader.u16();
  const std::size_t count = reader.u16();
  const Bytes records = reader.take_rest();
  if (!reader.ok() || size < least || count == 0 || count > max_batch || records.size() != size * count)
    return std::unexpected{FrameError::Field};
  return std::pair{records, size};
}

std::expected<Body, FrameError> read_call(const Fields& fields, std::uint8_t flags) noexcept {
  if (!fields[Tag::CallItems]) return std::unexpected{FrameError::Field};
  const auto records = read_records(*fields[Tag::CallItems], least_call_record);
  if (!records) return std::unexpected{records.error()};
  const CallItems items{records->first, records->second};
  const Bytes user_data = fields[Tag::UserData].value_or(Bytes{});
  const bool express = (flags & express_flag) != 0;
  const bool held = (flags & held_flag) != 0;
  const Bytes iso_images = fields[Tag::IsoImages].value_or(Bytes{});
  const Bytes blobs = fields[Tag::Blobs].value_or(Bytes{});
  const std::uint64_t group = number_of<std::uint64_t>(fields[Tag::Group]);
  const std::size_t memfds = number_of<std::uint16_t>(fields[Tag::Memfds]);
  std::uint64_t announced = 0;
  std::uint64_t images = 0;
  std::uint64_t in_frame = 0;
  std::size_t apart = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const CallItem item = items[i];
    if (!known(item.kind) || !known(item.family)) return std::unexpected{FrameError::Field};
    announced += item.user_data;
    images += item.iso_image;
    if ((item.family == Family::Iso) != (item.iso_image > 0)) return std::unexpected{FrameError::Field};
    if (item.blob > (item.blob_apart ? max_blob : max_blob_in_frame)) return std::unexpected{FrameError::Field};
    if (item.blob_apart)
      ++apart;
    else
      in_frame += item.blob;
  }
  // Only an express CALL may bring several end points or octets: in the seed's sequence the OFFER brought them.
  if (images != iso_images.size() || announced != user_data.size() || user_data.size() > max_user_data ||
      in_frame != blobs.size() || apart != memfds || items.size() + memfds > max_batch || held != (group != 0) ||
      (!express && (items.size() != 1 || announced != 0 || in_frame != 0 || apart != 0 || held)))
    return std::unexpected{FrameError::Field};
  return Body{Call{express, group, items, user_data, iso_images, blobs, memfds}};
}

std::expected<Body, FrameError> read_taken(const Fields& fields) noexcept {
  if (!fields[Tag::TakenItems]) return std::unexpected{FrameError::Field};
  const auto records = read_records(*fields[Tag::TakenItems], taken_record);
  if (!records) return std::unexpected{records.error()};
  return Taken{TakenItems{records->first, records->second}};
}

template <class T>
std::expected<Body, FrameError> read_count(const Fields& fields) noexcept {
  const auto count = number_of<std::uint32_t>(fields[Tag::Count]);
  if (count == 0) return std::unexpected{FrameError::Field};  // no group is empty
  return T{count};
}

std::expected<Body, FrameError> read_credit(const Fields& fields) noexcept {
  if (!fields[Tag::Credit]) return std::unexpected{FrameError::Field};
  ByteReader reader{*fields[Tag::Credit]};
  const Credit credit{reader.u32()};
  if (!reader.ok()) return std::unexpected{FrameError::Field};
  return credit;
}

std::expected<Body, FrameError> read_body(std::uint8_t type, std::uint8_t flags, Bytes payload) noexcept {
  const auto fields = read_fields(payload);
  if (!fields) return std::unexpected{fields.error()};
  switch (static_cast<FrameType>(type)) {
    case FrameType::Hello:
      return read_hello(*fields);
    case FrameType::Offer:
      return read_offer(*fields);
    case FrameType::Answer:
      return read_answer(*fields);
    case FrameType::Call:
      return read_call(*fields, flags);
    case FrameType::Taken:
      return read_taken(*fields);
    case FrameType::Cancel:
      return Cancel{};
    case FrameType::Cancelled:
      return Cancelled{};
    case FrameType::Credit:
      return read_credit(*fields);
    case FrameType::Held:
      return read_count<Held>(*fields);
    case FrameType::Commit:
      return read_count<Commit>(*fields);
    case FrameType::Abort:
      return Abort{};
    case FrameType::Complete:
      return read_count<Complete>(*fields);
  }
  return Unsupported{type};
}

}  // namespace

CallItem CallItems::operator[](std::size_t index) const noexcept {
  ByteReader reader{records_.subspan(index * record_size_, record_size_)};
  CallItem item;
  item.image.position.consumed = reader.u64();
  item.image.position.written = reader.u64();
  item.image.position.tcp_state = reader.u8();
  item.image.cookie = reader.u64();
  item.image.nonblocking = (reader.u8() & nonblocking_bit) != 0;
  item.image.stopped_at = Instant{static_cast<std::int64_t>(reader.u64())};
  item.kind = static_cast<Kind>(reader.u8());
  item.family = static_cast<Family>(reader.u8());
  item.descriptor = static_cast<std::int32_t>(reader.u32());
  item.user_data = reader.u32();
  if (reader.remaining() >= sizeof item.iso_image) item.iso_image = reader.u32();
  if (reader.remaining() >= sizeof item.blob + 1) {
    item.blob = reader.u32();
    item.blob_apart = (reader.u8() & blob_apart_bit) != 0;
  }
  return item;
}

TakenItem TakenItems::operator[](std::size_t index) const noexcept {
  ByteReader reader{records_.subspan(index * record_size_, record_size_)};
  TakenItem item;
  item.move = reader.u64();
  item.outcome = static_cast<TakeOutcome>(reader.u8());
  item.server_descriptor = static_cast<std::int32_t>(reader.u32());
  return item;
}

std::expected<Frame, FrameError> decode(Bytes message) noexcept {
  ByteReader reader{message};
  const std::uint8_t mark = reader.u8();
  Frame frame;
  frame.version = reader.u8();
  const std::uint8_t type = reader.u8();
  const std::uint8_t flags = reader.u8();
  const std::uint32_t length = reader.u32();
  frame.move = reader.u64();
  if (!reader.ok() || mark != std::to_integer<std::uint8_t>(frame_mark)) return std::unexpected{FrameError::NotAFrame};
  // A HELLO is understood in any version: it is how versions are agreed.
  if (frame.version == 0 || (frame.version > protocol_version && type != static_cast<std::uint8_t>(FrameType::Hello)))
    return std::unexpected{FrameError::Version};
  if (message.size() > max_frame || length != reader.remaining()) return std::unexpected{FrameError::Length};
  auto body = read_body(type, flags, reader.take_rest());
  if (!body) return std::unexpected{body.error()};
  frame.body = *body;
  return frame;
}

std::optional<CallPreview> preview_call(Bytes head) noexcept {
  if (type_of(head) != static_cast<std::uint8_t>(FrameType::Call)) return std::nullopt;
  ByteReader reader{head};
  reader.take(3);
  CallPreview preview;
  preview.express = (reader.u8() & express_flag) != 0;
  reader.take(4);
  preview.first = reader.u64();
  auto tag = static_cast<Tag>(reader.u16());
  if (tag == Tag::Memfds) {
    reader.take(4);
    preview.memfds = reader.u16();
    tag = static_cast<Tag>(reader.u16());
  }
  reader.take(4 + 2);
  preview.count = reader.u16();
  if (!reader.ok() || tag != Tag::CallItems || preview.count == 0 || preview.count + preview.memfds > max_batch)
    return std::nullopt;
  return preview;
}

const char* name_of(FrameType type) noexcept {
  switch (type) {
    case FrameType::Hello:
      return "HELLO";
    case FrameType::Offer:
      return "OFFER";
    case FrameType::Answer:
      return "ANSWER";
    case FrameType::Call:
      return "CALL";
    case FrameType::Taken:
      return "TAKEN";
    case FrameType::Cancel:
      return "CANCEL";
    case FrameType::Cancelled:
      return "CANCELLED";
    case FrameType::Credit:
      return "CREDIT";
    case FrameType::Held:
      return "HELD";
    case FrameType::Commit:
      return "COMMIT";
    case FrameType::Abort:
      return "ABORT";
    case FrameType::Complete:
      return "COMPLETE";
  }
  return "?";
}

const char* name_of(TakeOutcome outcome) noexcept {
  switch (outcome) {
    case TakeOutcome::Taken:
      return "taken";
    case TakeOutcome::NoDescriptor:
      return "no descriptor";
    case TakeOutcome::WrongKind:
      return "wrong kind";
    case TakeOutcome::WrongCookie:
      return "wrong cookie";
    case TakeOutcome::Touched:
      return "touched";
    case TakeOutcome::UnknownMove:
      return "unknown move";
    case TakeOutcome::Declined:
      return "declined";
    case TakeOutcome::NoCredit:
      return "no credit";
    case TakeOutcome::WrongBlob:
      return "wrong blob";
  }
  return "?";
}

}  // namespace baton::handoff
