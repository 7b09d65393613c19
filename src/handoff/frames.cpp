// SPDX-License-Identifier: MIT
#include "handoff/frames.hpp"

#include <optional>

namespace baton::handoff {
namespace {

enum class Tag : std::uint16_t {
  Versions = 1,
  Features = 2,
  Credit = 3,
  LargestFrame = 4,
  Process = 5,
  Description = 6,
  UserData = 7,
  Answer = 8,
  CallItems = 9,
  TakenItems = 10,
  Blob = 11,  // reserved: application data
  IsoAddresses = 12,
  IsoImages = 13,
};

constexpr std::uint8_t express_flag = 1;
constexpr std::size_t field_head = 6;
// Sizes of the records as this version writes them; a later version may append to each, as this one has appended the
// size of the ISO image.
constexpr std::size_t description_size = 3 + 4 * 4 + 2 * (16 + 2 + 4);
constexpr std::size_t least_call_record = 8 + 8 + 1 + 8 + 1 + 8 + 2 + 4 + 4;
constexpr std::size_t call_record = least_call_record + 4;
constexpr std::size_t iso_address_size = 1 + tsap::address_area_size;
constexpr std::size_t taken_record = 8 + 1 + 4;

constexpr std::uint8_t nonblocking_bit = 1;

/// The first field of each tag that a frame type reads.
struct Fields {
  std::array<std::optional<Bytes>, 14> by_tag;
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
  const Bytes iso_images = fields[Tag::IsoImages].value_or(Bytes{});
  std::uint64_t announced = 0;
  std::uint64_t images = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const CallItem item = items[i];
    if (!known(item.kind) || !known(item.family)) return std::unexpected{FrameError::Field};
    announced += item.user_data;
    images += item.iso_image;
    if ((item.family == Family::Iso) != (item.iso_image > 0)) return std::unexpected{FrameError::Field};
  }
  // Only an express CALL may bring several end points or octets: in the seed's sequence the OFFER brought them.
  if (images != iso_images.size() || announced != user_data.size() || user_data.size() > max_user_data ||
      (!express && (items.size() != 1 || announced != 0)))
    return std::unexpected{FrameError::Field};
  return Body{Call{express, items, user_data, iso_images}};
}

std::expected<Body, FrameError> read_taken(const Fields& fields) noexcept {
  if (!fields[Tag::TakenItems]) return std::unexpected{FrameError::Field};
  const auto records = read_records(*fields[Tag::TakenItems], taken_record);
  if (!records) return std::unexpected{records.error()};
  return Taken{TakenItems{records->first, records->second}};
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
    case FrameType::Commit:
    case FrameType::Abort:
      break;
  }
  return Unsupported{type};
}

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
}

void write_iso_address(ByteWriter& writer, const tsap::IsoAddress& address) noexcept {
  std::array<std::byte, tsap::address_area_size> area{};
  const auto selector = tsap::encode_address(address, area);
  writer.u8(static_cast<std::uint8_t>(selector.value_or(0)));
  writer.put(area);
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
  const auto tag = static_cast<Tag>(reader.u16());
  reader.take(4 + 2);
  preview.count = reader.u16();
  if (!reader.ok() || tag != Tag::CallItems || preview.count == 0 || preview.count > max_batch) return std::nullopt;
  return preview;
}

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
                  std::size_t user_data_length) noexcept {
  if (items.empty() || items.size() > max_batch || user_data_length > max_user_data) return {};
  FrameWriter frame{room, FrameType::Call, express ? express_flag : std::uint8_t{0}, first};
  ByteWriter& writer = frame.field(Tag::CallItems, 4 + items.size() * call_record);
  writer.u16(call_record);
  writer.u16(static_cast<std::uint16_t>(items.size()));
  for (const CallItem& item : items) write_item(writer, item);
  if (!iso_images.empty()) frame.field(Tag::IsoImages, iso_images.size()).put(iso_images);
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

std::size_t call_size(std::size_t count) noexcept { return header_size + 3 * field_head + 4 + count * call_record; }
std::size_t taken_size(std::size_t count) noexcept { return header_size + field_head + 4 + count * taken_record; }

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
  }
  return "?";
}

}  // namespace baton::handoff
