// SPDX-License-Identifier: MIT
// Octets as a frame of a move, or as the image of an ISO end point, and what comes out encoded and decoded again.
#include <array>
#include <variant>
#include <vector>

#include "fuzz/input.hpp"
#include "handoff/frames.hpp"
#include "handoff/iso_image.hpp"

namespace baton::handoff {
namespace {

using fuzz::same;
using fuzz::within;

bool equal(const IsoImage& a, const IsoImage& b) {
  return a.carrier == b.carrier && a.connection == b.connection && a.local_host == b.local_host &&
         a.peer_host == b.peer_host && a.reader == b.reader && a.writer == b.writer && a.in_tsdu == b.in_tsdu &&
         a.hello_sent == b.hello_sent && a.hello_seen == b.hello_seen && a.credit == b.credit &&
         a.unread_ends_tsdu == b.unread_ends_tsdu && same(a.unread, b.unread);
}

void run_image(Bytes octets) {
  const auto image = decode_iso_image(octets);
  if (!image) return;
  BATON_REQUIRE(within(image->unread, octets));
  BATON_REQUIRE(transport::Connection::restore(image->connection).has_value());
  BATON_REQUIRE(transport::PacketReader::restore(image->reader).has_value());
  BATON_REQUIRE(transport::PacketWriter::restore(image->writer).has_value());
  std::vector<std::byte> room(max_iso_image_head + image->unread.size());
  const Bytes encoded = encode(room, *image);
  BATON_REQUIRE(!encoded.empty());
  const auto again = decode_iso_image(encoded);
  BATON_REQUIRE(again.has_value() && equal(*again, *image));
}

/// `head` with what the caller sends behind it.
std::vector<std::byte> gathered(Bytes head, Bytes user_data) {
  BATON_REQUIRE(!head.empty());
  std::vector<std::byte> whole{head.begin(), head.end()};
  whole.insert(whole.end(), user_data.begin(), user_data.end());
  return whole;
}
template <typename T>
T decoded(Bytes octets, MoveId move) {
  const auto frame = decode(octets);
  BATON_REQUIRE(frame.has_value() && frame->move == move && std::holds_alternative<T>(frame->body));
  return std::get<T>(frame->body);
}

/// What holds of each body, and that it is the same when it has been through the encoder.
struct CheckBody {
  Bytes message;
  MoveId move;
  MutableBytes room;

  void operator()(const Hello& hello) const {
    BATON_REQUIRE(hello.lowest_version > 0 && hello.lowest_version <= hello.highest_version);
    BATON_REQUIRE(decoded<Hello>(encode(room, hello), 0) == hello);
  }
  void operator()(const Offer& offer) const {
    BATON_REQUIRE(within(offer.user_data, message) && offer.user_data.size() <= max_user_data);
    Description expected = offer.description;
    // Only those of an ISO end point have a meaning.
    if (expected.family != Family::Iso) expected.iso_local = expected.iso_peer = {};
    const auto octets = gathered(encode_head(room.first(small_frame), move, offer.description, offer.user_data.size()),
                                 offer.user_data);
    const auto again = decoded<Offer>(octets, move);
    BATON_REQUIRE(again.description == expected && same(again.user_data, offer.user_data));
  }
  void operator()(const Answer& answer) const {
    BATON_REQUIRE(answer.bind_ok == 1 || answer.bind_ok < 0);
    const auto again = decoded<Answer>(encode(room, move, answer), move);
    BATON_REQUIRE(again.bind_ok == answer.bind_ok && again.server_descriptor == answer.server_descriptor &&
                  again.transport_reference == answer.transport_reference);
  }
  void operator()(const Call& call) const {
    const std::size_t count = call.items.size();
    BATON_REQUIRE(count > 0 && count <= (call.express ? max_batch : 1));
    BATON_REQUIRE(within(call.user_data, message) && within(call.iso_images, message) && within(call.blobs, message));
    if (const auto preview = preview_call(message))
      BATON_REQUIRE(preview->first == move && preview->express == call.express && preview->count == count &&
                    preview->memfds == call.memfds);
    std::vector<CallItem> items;
    Bytes images = call.iso_images;
    Bytes blobs = call.blobs;
    std::size_t memfds = 0;
    std::size_t user_data = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const CallItem& item = items.emplace_back(call.items[i]);
      user_data += item.user_data;
      BATON_REQUIRE(item.iso_image <= images.size() && (item.iso_image > 0) == (item.family == Family::Iso));
      run_image(images.first(item.iso_image));
      images = images.subspan(item.iso_image);
      BATON_REQUIRE(item.blob <= (item.blob_apart ? max_blob : blobs.size()));
      if (item.blob_apart)
        ++memfds;
      else
        blobs = blobs.subspan(item.blob);
    }
    BATON_REQUIRE(blobs.empty() && memfds == call.memfds && (call.group == 0 || call.express));
    BATON_REQUIRE(images.empty() && user_data == call.user_data.size());
    // A frame of the largest size grows beyond it where its records are older and shorter than ours.
    const Bytes head =
        encode_call(room, move, call.express, items, call.iso_images, user_data, {call.group, {&call.blobs, 1}});
    if (head.empty() && message.size() + count * sizeof(CallItem) > max_frame) return;
    const auto octets = gathered(head, call.user_data);
    const auto again = decoded<Call>(octets, move);
    BATON_REQUIRE(again.express == call.express && again.items.size() == count && again.group == call.group);
    BATON_REQUIRE(same(again.blobs, call.blobs) && again.memfds == call.memfds);
    for (std::size_t i = 0; i < count; ++i) BATON_REQUIRE(again.items[i] == items[i]);
    BATON_REQUIRE(same(again.user_data, call.user_data) && same(again.iso_images, call.iso_images));
  }
  void operator()(const Taken& taken) const {
    std::vector<TakenItem> items;
    for (std::size_t i = 0; i < taken.items.size(); ++i) {
      items.push_back(taken.items[i]);
      BATON_REQUIRE(name_of(items.back().outcome) != nullptr);
    }
    const auto again = decoded<Taken>(encode(room, items), items.front().move);
    BATON_REQUIRE(again.items.size() == items.size());
    for (std::size_t i = 0; i < items.size(); ++i) BATON_REQUIRE(again.items[i] == items[i]);
  }
  void operator()(Cancel cancel) const { decoded<Cancel>(encode(room, move, cancel), move); }
  void operator()(Cancelled cancelled) const { decoded<Cancelled>(encode(room, move, cancelled), move); }
  void operator()(Credit credit) const { BATON_REQUIRE(decoded<Credit>(encode(room, credit), 0).more == credit.more); }
  void operator()(Held held) const { BATON_REQUIRE(decoded<Held>(encode(room, move, held), move).count == held.count); }
  void operator()(Commit commit) const {
    BATON_REQUIRE(decoded<Commit>(encode(room, move, commit), move).count == commit.count);
  }
  void operator()(Abort abort) const { decoded<Abort>(encode(room, move, abort), move); }
  void operator()(Complete complete) const {
    BATON_REQUIRE(decoded<Complete>(encode(room, move, complete), move).count == complete.count);
  }
  void operator()(Unsupported body) const {
    BATON_REQUIRE(body.type == 0 || body.type > static_cast<std::uint8_t>(FrameType::Complete));
  }
};

void run(Bytes message) {
  static_cast<void>(preview_call(message));
  if (!is_frame(message)) return run_image(message);
  const auto frame = decode(message);
  if (!frame) return;
  BATON_REQUIRE(name_of(static_cast<FrameType>(type_of(message))) != nullptr);
  std::vector<std::byte> room(max_frame);
  std::visit(CheckBody{message, frame->move, room}, frame->body);
}

}  // namespace
}  // namespace baton::handoff

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::handoff::run(std::as_bytes(std::span{data, size}));
  return 0;
}
