// SPDX-License-Identifier: MIT
// Frames to octets and back; what the first octets of a CALL tell.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "handoff/frames.hpp"
#include "handoff/frames_for_tests.hpp"

namespace rc {

using baton::handoff::CallItem;
using baton::handoff::Description;
using baton::handoff::Family;
using baton::handoff::Kind;
using baton::handoff::PeerAddress;
using baton::handoff::TakenItem;
using baton::tsap::IsoAddress;

template <>
struct Arbitrary<Kind> {
  static Gen<Kind> arbitrary() {
    return gen::element(Kind::Connection, Kind::ListeningSocket, Kind::UnreadConnectRequest);
  }
};
template <>
struct Arbitrary<Family> {
  static Gen<Family> arbitrary() { return gen::element(Family::Inet, Family::Inet6, Family::Iso); }
};
template <>
struct Arbitrary<PeerAddress> {
  static Gen<PeerAddress> arbitrary() {
    const auto octet = gen::map(gen::arbitrary<std::uint8_t>(), [](std::uint8_t each) { return std::byte{each}; });
    return gen::build<PeerAddress>(gen::set(&PeerAddress::octets, gen::container<std::array<std::byte, 16>>(octet)),
                                   gen::set(&PeerAddress::port), gen::set(&PeerAddress::scope));
  }
};
template <>
struct Arbitrary<Description> {
  static Gen<Description> arbitrary() {
    return gen::build<Description>(gen::set(&Description::kind), gen::set(&Description::family),
                                   gen::set(&Description::nonblocking), gen::set(&Description::descriptor),
                                   gen::set(&Description::interface_index), gen::set(&Description::receive_window),
                                   gen::set(&Description::send_window), gen::set(&Description::local),
                                   gen::set(&Description::peer));
  }
};
template <>
struct Arbitrary<IsoAddress> {
  static Gen<IsoAddress> arbitrary() {
    return gen::exec([] {
      const auto characters = gen::elementOf(std::string{"ABYZabyz0189#@$"});
      auto name = *gen::container<std::string>(*gen::inRange<std::size_t>(0, 9), characters);
      const auto selector =
          *gen::container<std::vector<std::uint8_t>>(*gen::inRange<std::size_t>(0, 33), gen::arbitrary<std::uint8_t>());
      return IsoAddress{baton::tsap::Nsel::parse_padded(name).value_or(baton::tsap::Nsel{}),
                        *baton::tsap::Selector::from(std::as_bytes(std::span{selector}))};
    });
  }
};
/// Without user data and image: how much there is has to fit the frame.
template <>
struct Arbitrary<CallItem> {
  static Gen<CallItem> arbitrary() {
    return gen::exec([] {
      CallItem item;
      item.image.position = {*gen::arbitrary<std::uint64_t>(), *gen::arbitrary<std::uint64_t>(),
                             *gen::arbitrary<std::uint8_t>()};
      item.image.cookie = *gen::arbitrary<std::uint64_t>();
      item.image.nonblocking = *gen::arbitrary<bool>();
      item.image.stopped_at = baton::Instant{*gen::arbitrary<std::int64_t>()};
      item.kind = *gen::arbitrary<Kind>();
      item.family = *gen::arbitrary<Family>();
      item.descriptor = *gen::arbitrary<std::int32_t>();
      return item;
    });
  }
};
template <>
struct Arbitrary<TakenItem> {
  static Gen<TakenItem> arbitrary() {
    using baton::handoff::TakeOutcome;
    return gen::build<TakenItem>(gen::set(&TakenItem::move),
                                 gen::set(&TakenItem::outcome, gen::cast<TakeOutcome>(gen::inRange(0, 8))),
                                 gen::set(&TakenItem::server_descriptor));
  }
};

}  // namespace rc

namespace baton::handoff {
namespace {

Octets with_user_data(Bytes head, const Octets& user_data) { return copy(head) + user_data; }

/// Records of the image that the samples of frames_for_tests.hpp show in octets.
CallItem sample_item() {
  return {{{0x102, 0x100000000, 1}, 0x1122334455667788, true, Instant{1000}}, Kind::Connection, Family::Inet, 12, 0};
}
CallItem sample_iso_item() {
  CallItem item = sample_item();
  item.family = Family::Iso;
  item.iso_image = 5;
  return item;
}
Description sample_description() {
  Description given{Kind::Connection, Family::Inet6, true, 17, 2, 65536, -2, {}, {}};
  std::ranges::copy(hex("20010db8 00000000 00000000 00000001"), given.local.octets.begin());
  std::ranges::copy(hex("fe800000 00000000 00000000 00000002"), given.peer.octets.begin());
  given.local.port = 443;
  given.local.scope = 3;
  given.peer.port = 0xC001;
  given.peer.scope = 4;
  return given;
}
Description sample_iso_description() {
  Description given = sample_description();
  given.family = Family::Iso;
  given.iso_local = {*tsap::Nsel::parse("HOST0001"), *tsap::Selector::from(hex("0102"))};
  given.iso_peer = {*tsap::Nsel::parse_padded("@"), *tsap::Selector::from(Octets(32, std::byte{0x41}))};
  return given;
}

struct Encoder {
  const char* name;
  std::function<Bytes(MutableBytes)> encode;
  Octets expected;
};
/// Every encoder with the frame that it is to write.
std::vector<Encoder> encoders() {
  static const CallItem item = sample_item();
  static const CallItem iso_item = sample_iso_item();
  static const Octets image = hex("e0e1e2e3e4");
  static const std::array taken{TakenItem{move, TakeOutcome::Taken, 7}, TakenItem{move + 1, TakeOutcome::Touched, -1}};
  const auto expected = samples();
  const auto octets_of = [&](std::string_view name) {
    return std::ranges::find(expected, name, &Sample::name)->octets;
  };
  return {
      {"HELLO", [](MutableBytes room) { return encode(room, Hello{1, 3, 0x80000001, 16, 0x4000, 0x1234, 1000}); },
       octets_of("HELLO")},
      {"OFFER", [](MutableBytes room) { return encode_head(room, move, sample_description(), 0); },
       Builder{offer_type, move}.field(description_tag, description).octets()},
      {"ANSWER", [](MutableBytes room) { return encode(room, move, Answer{-5, 33, 0x1234}); }, octets_of("ANSWER")},
      {"CALL", [](MutableBytes room) { return encode_call(room, move, false, {&item, 1}, {}, 0); }, octets_of("CALL")},
      {"OFFER, ISO", [](MutableBytes room) { return encode_head(room, move, sample_iso_description(), 0); },
       octets_of("OFFER, ISO")},
      {"CALL, ISO", [](MutableBytes room) { return encode_call(room, move, false, {&iso_item, 1}, image, 0); },
       octets_of("CALL, ISO")},
      {"TAKEN", [](MutableBytes room) { return encode(room, std::span<const TakenItem>{taken}); }, octets_of("TAKEN")},
      {"CANCEL", [](MutableBytes room) { return encode(room, move, Cancel{}); }, octets_of("CANCEL")},
      {"CANCELLED", [](MutableBytes room) { return encode(room, move, Cancelled{}); }, octets_of("CANCELLED")},
      {"CREDIT", [](MutableBytes room) { return encode(room, Credit{7}); }, octets_of("CREDIT")},
      {"HELD", [](MutableBytes room) { return encode(room, move, Held{2001}); }, octets_of("HELD")},
      {"COMMIT", [](MutableBytes room) { return encode(room, move, Commit{2001}); }, octets_of("COMMIT")},
      {"ABORT", [](MutableBytes room) { return encode(room, move, Abort{}); }, octets_of("ABORT")},
      {"COMPLETE", [](MutableBytes room) { return encode(room, move, Complete{2001}); }, octets_of("COMPLETE")},
  };
}

TEST(EncodeFrame, WritesTheLayoutOctetByOctet) {
  for (const Encoder& encoder : encoders()) {
    Octets room = filled(small_frame);
    EXPECT_EQ(copy(encoder.encode(room)), encoder.expected) << encoder.name;
  }
}

TEST(EncodeFrame, NeedsNoMoreRoomThanTheFrameAndWritesNothingIntoLess) {
  for (const Encoder& encoder : encoders())
    for (std::size_t size = 0; size <= encoder.expected.size(); ++size) {
      Octets room = filled(size);
      const Bytes written = encoder.encode(room);
      EXPECT_EQ(written.size(), size < encoder.expected.size() ? 0 : size) << encoder.name;
    }
}

TEST(EncodeFrame, LeavesUserDataToTheCaller) {
  Octets room = filled(small_frame);
  const Octets octets = with_user_data(encode_head(room, move, sample_description(), 3), hex("aabbcc"));
  EXPECT_EQ(octets, offer_frame());
  CallItem item = sample_item();
  item.user_data = 2;
  const Octets call = with_user_data(encode_call(room, move, true, {&item, 1}, {}, 2), hex("d0d1"));
  EXPECT_EQ(call, Builder(call_type, move, express)
                      .field(call_tag, records_head(call_record, 1) + first_item)
                      .field(user_data_tag, hex("d0d1"))
                      .octets());
}

TEST(EncodeFrame, WritesOneTo252Items) {
  for (const std::size_t count : {0U, 1U, 251U, 252U, 253U}) {
    const std::vector<CallItem> called(count, sample_item());
    const std::vector<TakenItem> taken(count);
    Octets room = filled(max_frame);
    const bool fits = count >= 1 && count <= 252;
    EXPECT_EQ(!encode_call(room, move, true, called, {}, 0).empty(), fits) << count;
    EXPECT_EQ(!encode(room, std::span<const TakenItem>{taken}).empty(), fits) << count;
  }
}

TEST(EncodeFrame, WritesAtMost64KiBOfUserDataAlsoBehindAWholeBatch) {
  Octets room = filled(max_frame);
  EXPECT_TRUE(encode_head(room, move, {}, 65537).empty());
  EXPECT_TRUE(decode(with_user_data(encode_head(room, move, {}, 65536), filled(65536))).has_value());
  std::vector<CallItem> items(252);
  items[251].user_data = 65536;
  EXPECT_TRUE(decode(with_user_data(encode_call(room, move, true, items, {}, 65536), filled(65536))).has_value());
  items[251].user_data = 65537;
  EXPECT_TRUE(encode_call(room, move, true, items, {}, 65537).empty());
}

TEST(EncodeFrame, NeedsTheRoomThatIsSaid) {
  for (const std::size_t count : {1U, 2U, 251U}) {
    std::vector<CallItem> called(count, sample_item());
    called[0].blob_apart = true;
    const std::vector<TakenItem> taken(count);
    Octets room = filled(call_size(count));
    const Octets images = filled(5);
    const Octets blob = filled(3);
    const std::array blobs{Bytes{blob}};
    room.resize(room.size() + images.size() + blob.size());
    EXPECT_EQ(encode_call(room, move, true, called, images, 1, {9, blobs}).size(), room.size());
    room.pop_back();
    EXPECT_TRUE(encode_call(room, move, true, called, images, 1, {9, blobs}).empty());
    room = filled(taken_size(count));
    EXPECT_EQ(encode(room, std::span<const TakenItem>{taken}).size(), room.size());
    room.pop_back();
    EXPECT_TRUE(encode(room, std::span<const TakenItem>{taken}).empty());
  }
}

TEST(PreviewCall, TellsTheSameAsTheWholeFrame) {
  EXPECT_EQ(preview_size, 34U);
  for (const Sample& sample : samples())
    for (std::size_t size = 0; size <= sample.octets.size(); ++size) {
      const auto preview = preview_call(copy(Bytes{sample.octets}.first(size)));
      const auto frame = decode(sample.octets);
      const auto* call = std::get_if<Call>(&frame->body);
      const std::size_t least = call != nullptr && call->memfds > 0 ? 34U : 26U;
      ASSERT_EQ(preview.has_value(), call != nullptr && size >= least) << sample.name << ", " << size;
      if (!preview) continue;
      EXPECT_EQ(preview->first, frame->move);
      EXPECT_EQ(preview->express, call->express);
      EXPECT_EQ(preview->count, call->items.size());
      EXPECT_EQ(preview->memfds, call->memfds);
    }
}

TEST(PreviewCall, OfACountThatNoCallMayHaveIsNothing) {
  for (const std::size_t count : {0U, 1U, 252U, 253U, 65535U}) {
    const Octets head = Builder{call_type, move}.field(call_tag, records_head(call_record, count)).octets();
    EXPECT_EQ(preview_call(head).has_value(), count >= 1 && count <= 252) << count;
  }
  EXPECT_FALSE(preview_call(Builder{call_type, move}.field(user_data_tag, filled(30)).octets()).has_value());
}

TEST(NameOf, EveryFrameTypeAndOutcomeIsANameOfItsOwn) {
  std::set<std::string> types;
  for (int type = 1; type <= 11; ++type) types.insert(name_of(static_cast<FrameType>(type)));
  EXPECT_EQ(types.size(), 11U);
  std::set<std::string> outcomes;
  for (int outcome = 0; outcome <= 7; ++outcome) outcomes.insert(name_of(static_cast<TakeOutcome>(outcome)));
  EXPECT_EQ(outcomes.size(), 8U);
  EXPECT_FALSE(types.contains("?") || outcomes.contains("?"));
  EXPECT_STREQ(name_of(static_cast<FrameType>(200)), "?");
  EXPECT_STREQ(name_of(static_cast<TakeOutcome>(200)), "?");
}

Octets any_octets(int most) {
  const auto values = *rc::gen::resize(most, rc::gen::arbitrary<std::vector<std::uint8_t>>());
  return copy(std::as_bytes(std::span{values}));
}

RC_GTEST_PROP(RoundTrip, OfAnOffer, (MoveId id, const Description& given)) {
  const Octets user_data = any_octets(300);
  Octets room = filled(small_frame);
  const Octets octets = with_user_data(encode_head(room, id, given, user_data.size()), user_data);
  const auto frame = decode(octets);
  RC_ASSERT(frame.has_value());
  RC_ASSERT(frame->move == id);
  const auto& offer = std::get<Offer>(frame->body);
  RC_ASSERT(offer.description == given);
  RC_ASSERT(copy(offer.user_data) == user_data);
}

RC_GTEST_PROP(RoundTrip, OfAnIsoOffer, (MoveId id, Description given)) {
  given.family = Family::Iso;
  given.iso_local = *rc::gen::arbitrary<tsap::IsoAddress>();
  given.iso_peer = *rc::gen::arbitrary<tsap::IsoAddress>();
  Octets room = filled(small_frame);
  const Octets octets = with_user_data(encode_head(room, id, given, 3), filled(3));
  const auto frame = decode(octets);
  RC_ASSERT(frame.has_value());
  RC_ASSERT(std::get<Offer>(frame->body).description == given);
}

RC_GTEST_PROP(RoundTrip, OfAnAnswer, (MoveId id, std::int32_t descriptor, std::int32_t reference)) {
  const auto bind_ok = *rc::gen::oneOf(rc::gen::just<std::int16_t>(1), rc::gen::negative<std::int16_t>());
  Octets room = filled(small_frame);
  const Octets octets = copy(encode(room, id, Answer{bind_ok, descriptor, reference}));
  const auto frame = decode(octets);
  RC_ASSERT(frame.has_value());
  RC_ASSERT(frame->move == id);
  const auto& answer = std::get<Answer>(frame->body);
  RC_ASSERT(answer.bind_ok == bind_ok);
  RC_ASSERT(answer.server_descriptor == descriptor);
  RC_ASSERT(answer.transport_reference == reference);
}

RC_GTEST_PROP(RoundTrip, OfAnExpressCall, (MoveId id)) {
  const auto count = *rc::gen::inRange<std::size_t>(1, max_batch + 1);
  auto items = *rc::gen::container<std::vector<CallItem>>(count, rc::gen::arbitrary<CallItem>());
  Octets user_data;
  Octets images;
  for (CallItem& item : items) {
    if (item.family == Family::Iso) {
      item.iso_image = *rc::gen::inRange<std::uint32_t>(1, 50);
      images = std::move(images) + filled(item.iso_image, static_cast<int>(images.size() % 251));
    }
    const Octets each = any_octets(20);
    item.user_data = static_cast<std::uint32_t>(each.size());
    user_data = std::move(user_data) + each;
  }
  Octets room = filled(call_size(count) + images.size());
  const Octets octets = with_user_data(encode_call(room, id, true, items, images, user_data.size()), user_data);
  const auto frame = decode(octets);
  RC_ASSERT(frame.has_value());
  RC_ASSERT(frame->move == id);
  const auto& call = std::get<Call>(frame->body);
  RC_ASSERT(call.express);
  RC_ASSERT(call.items.size() == count);
  for (std::size_t i = 0; i < count; ++i) RC_ASSERT(call.items[i] == items[i]);
  RC_ASSERT(copy(call.user_data) == user_data);
  RC_ASSERT(copy(call.iso_images) == images);
}

RC_GTEST_PROP(RoundTrip, OfATaken, (const std::vector<TakenItem>& given)) {
  RC_PRE(!given.empty());
  Octets room = filled(taken_size(given.size()));
  const Octets octets = copy(encode(room, std::span<const TakenItem>{given}));
  const auto frame = decode(octets);
  RC_ASSERT(frame.has_value());
  RC_ASSERT(frame->move == given.front().move);
  const auto& taken = std::get<Taken>(frame->body);
  RC_ASSERT(taken.items.size() == given.size());
  for (std::size_t i = 0; i < given.size(); ++i) RC_ASSERT(taken.items[i] == given[i]);
}

RC_GTEST_PROP(RoundTrip, OfAHello, (std::uint8_t one, std::uint8_t other, std::array<std::uint32_t, 5> numbers)) {
  RC_PRE(one > 0 && other > 0);
  const Hello hello{std::min(one, other), std::max(one, other), numbers[0], numbers[1],
                    numbers[2],           numbers[3],           numbers[4]};
  Octets room = filled(small_frame);
  const Octets octets = copy(encode(room, hello));
  const auto frame = decode(octets);
  RC_ASSERT(frame.has_value());
  RC_ASSERT(std::get<Hello>(frame->body) == hello);
}

// A preview of what will not decode is harmless; one that disagrees with what does decode is not.
RC_GTEST_PROP(Preview, AgreesWithEveryCallThatDecodes, (MoveId id)) {
  const auto count = *rc::gen::inRange<std::size_t>(1, 5);
  Octets records = records_head(call_record, count);
  for (std::size_t i = 0; i < count; ++i) records = std::move(records) + quiet_item;
  Octets octets = Builder{call_type, id, express}.field(call_tag, records).octets();
  for (int changes = *rc::gen::inRange(0, 4); changes > 0; --changes)
    octets[*rc::gen::inRange<std::size_t>(0, octets.size())] = static_cast<std::byte>(*rc::gen::arbitrary<char>());
  const auto frame = decode(octets);
  const auto preview = preview_call(octets);
  if (!frame || !preview) return;
  const auto* call = std::get_if<Call>(&frame->body);
  RC_ASSERT(call != nullptr);
  RC_ASSERT(preview->first == frame->move);
  RC_ASSERT(preview->count == call->items.size());
  RC_ASSERT(preview->express == call->express);
}

}  // namespace
}  // namespace baton::handoff
