// SPDX-License-Identifier: MIT
// Octets to frames: every field, every limit, every kind of damage.
#include "handoff/frames.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "handoff/frames_for_tests.hpp"

namespace baton::handoff {
namespace {

bool within(Bytes part, Bytes whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

/// What holds of every frame that any octets may give. Reads all that can be read, for the address sanitizer.
void expect_sane(const Frame& frame, Bytes message) {
  if (const auto* hello = std::get_if<Hello>(&frame.body)) {
    EXPECT_TRUE(hello->lowest_version > 0 && hello->lowest_version <= hello->highest_version);
  }
  if (const auto* offer = std::get_if<Offer>(&frame.body)) {
    EXPECT_TRUE(within(offer->user_data, message) && offer->user_data.size() <= max_user_data);
  }
  if (const auto* answer = std::get_if<Answer>(&frame.body)) {
    EXPECT_TRUE(answer->bind_ok == 1 || answer->bind_ok < 0);
  }
  if (const auto* call = std::get_if<Call>(&frame.body)) {
    std::size_t octets = 0;
    std::size_t images = 0;
    for (std::size_t i = 0; i < call->items.size(); ++i) {
      octets += call->items[i].user_data;
      images += call->items[i].iso_image;
      EXPECT_EQ(call->items[i].iso_image > 0, call->items[i].family == Family::Iso);
    }
    EXPECT_EQ(octets, call->user_data.size());
    EXPECT_EQ(images, call->iso_images.size());
    EXPECT_TRUE(within(call->iso_images, message));
    EXPECT_TRUE(within(call->user_data, message) && octets <= max_user_data);
    EXPECT_TRUE(call->items.size() > 0 && call->items.size() <= (call->express ? max_batch : 1));
  }
  if (const auto* taken = std::get_if<Taken>(&frame.body)) {
    EXPECT_TRUE(taken->items.size() > 0 && taken->items.size() <= max_batch);
    for (std::size_t i = 0; i < taken->items.size(); ++i) EXPECT_NE(name_of(taken->items[i].outcome), nullptr);
  }
}

TEST(DecodeHello, ReadsEveryField) {
  const Hello expected{1, 3, 0x80000001, 16, 0x4000, 0x1234, 1000};
  EXPECT_EQ(decoded<Hello>(hello_frame()), expected);
}

TEST(DecodeHello, FillsInWhatIsAbsent) {
  EXPECT_EQ(decoded<Hello>(Builder{hello_type}.field(versions_tag, hex("0101")).octets()), Hello{});
}

TEST(DecodeHello, IsUnderstoodInEveryVersionButZero) {
  for (int version = 0; version < 256; ++version) {
    const auto octets = Builder{hello_type, 0, 0, version}.field(versions_tag, versions).octets();
    const auto frame = decode(octets);
    ASSERT_EQ(frame.has_value(), version != 0) << version;
    if (frame) {
      EXPECT_EQ(frame->version, version);
    }
  }
}

TEST(DecodeHello, RefusesVersionsThatAreMissingOrInWrongOrder) {
  expect_error(Builder{hello_type}.octets(), FrameError::Field);
  for (const char* value : {"", "01", "0001", "0201"})
    expect_error(Builder{hello_type}.field(versions_tag, hex(value)).octets(), FrameError::Field);
}

TEST(DecodeHello, RefusesNumbersThatAreTooShort) {
  for (int cut = 2; cut <= 5; ++cut)
    for (std::size_t size = 0; size < (cut == 5 ? 8U : 4U); ++size) {
      SCOPED_TRACE(std::to_string(cut) + ", " + std::to_string(size));
      Builder hello{hello_type};
      hello.field(versions_tag, versions);
      for (int tag = 2; tag <= 5; ++tag) hello.field(tag, filled(tag == cut ? size : 8));
      expect_error(hello.octets(), FrameError::Field);
    }
}

TEST(DecodeOffer, ReadsEveryField) {
  const Octets octets = offer_frame();
  const auto offer = decoded<Offer>(octets);
  Description expected{Kind::Connection, Family::Inet6, true, 17, 2, 65536, -2, {}, {}};
  const Octets local = hex("20010db8 00000000 00000000 00000001");
  const Octets peer = hex("fe800000 00000000 00000000 00000002");
  std::ranges::copy(local, expected.local.octets.begin());
  std::ranges::copy(peer, expected.peer.octets.begin());
  expected.local.port = 443;
  expected.local.scope = 3;
  expected.peer.port = 0xC001;
  expected.peer.scope = 4;
  EXPECT_EQ(offer.description, expected);
  EXPECT_EQ(copy(offer.user_data), hex("aabbcc"));
  EXPECT_TRUE(within(std::get<Offer>(decode(octets)->body).user_data, octets));
  EXPECT_EQ(decode(octets)->move, move);
}

TEST(DecodeOffer, RefusesKindsAndFamiliesThatDoNotExist) {
  for (int value = 0; value < 256; ++value) {
    Octets changed = description;
    changed[0] = static_cast<std::byte>(value);
    EXPECT_EQ(decode(Builder{offer_type}.field(description_tag, changed).octets()).has_value(),
              value >= 1 && value <= 3)
        << value;
    changed = description;
    changed[1] = static_cast<std::byte>(value);
    EXPECT_EQ(decode(Builder{offer_type}.field(description_tag, changed).octets()).has_value(),
              value == 4 || value == 6 || value == 7)
        << value;
  }
}

TEST(DecodeOffer, BringsAtMost64KiBOfUserData) {
  const auto with = [](std::size_t size) {
    return Builder{offer_type}.field(description_tag, description).field(user_data_tag, filled(size)).octets();
  };
  EXPECT_EQ(decoded<Offer>(with(65536)).user_data.size(), 65536U);
  expect_error(with(65537), FrameError::Field);
  EXPECT_TRUE(decoded<Offer>(Builder{offer_type}.field(description_tag, description).octets()).user_data.empty());
}

TEST(DecodeAnswer, ReadsEveryField) {
  const auto answer = decoded<Answer>(Builder{answer_type, move}.field(answer_tag, answer_field).octets());
  EXPECT_EQ(answer.bind_ok, -5);
  EXPECT_EQ(answer.server_descriptor, 33);
  EXPECT_EQ(answer.transport_reference, 0x1234);
}

TEST(DecodeAnswer, KnowsNothingButAcceptedAndNegativeReasons) {
  for (int value = std::numeric_limits<std::int16_t>::min(); value <= std::numeric_limits<std::int16_t>::max();
       ++value) {
    Octets field;
    Builder::append(field, value, 2);
    const auto frame = decode(Builder{answer_type}.field(answer_tag, field + filled(8)).octets());
    ASSERT_EQ(frame.has_value(), value == 1 || value < 0) << value;
    if (frame) {
      ASSERT_EQ(std::get<Answer>(frame->body).bind_ok, value);
    }
  }
}

TEST(DecodeCall, ReadsEveryItemOfAnExpressCall) {
  const Octets octets = express_frame();
  const auto call = decoded<Call>(octets);
  EXPECT_TRUE(call.express);
  ASSERT_EQ(call.items.size(), 2U);
  const CallItem first{
      {{0x102, 0x100000000, 1}, 0x1122334455667788, true, Instant{1000}}, Kind::Connection, Family::Inet, 12, 2};
  EXPECT_EQ(call.items[0], first);
  const CallItem second{{{0xFFFFFFFFFFFFFFFF, 0, 8}, 0x8877665544332211, false, Instant::max()},
                        Kind::UnreadConnectRequest,
                        Family::Iso,
                        1024,
                        1,
                        3};
  EXPECT_EQ(call.items[1], second);
  EXPECT_EQ(copy(call.user_data), hex("d0d1d2"));
  EXPECT_EQ(copy(call.iso_images), hex("e0e1e2"));
}

TEST(DecodeCall, OfTheSeedsSequenceBringsOneEndPointAndNoOctets) {
  const auto with = [](const Octets& items, const Octets& user_data) {
    return Builder{call_type, move}.field(call_tag, items).field(user_data_tag, user_data).octets();
  };
  const auto call = decoded<Call>(with(records_head(call_record, 1) + quiet_item, {}));
  EXPECT_FALSE(call.express);
  EXPECT_EQ(call.items.size(), 1U);
  expect_error(with(records_head(call_record, 2) + quiet_item + quiet_item, {}), FrameError::Field);
  expect_error(with(records_head(call_record, 1) + first_item, hex("d0d1")), FrameError::Field);
}

TEST(DecodeCall, RefusesUserDataThatItsItemsDoNotAnnounce) {
  for (const std::size_t size : {0U, 1U, 2U, 4U, 70000U})
    expect_error(Builder{call_type, move, express}
                     .field(call_tag, records_head(call_record, 2) + first_item + second_item)
                     .field(iso_images_tag, filled(3))
                     .field(user_data_tag, filled(size))
                     .octets(),
                 FrameError::Field);
  Octets wrapping = quiet_item;  // 2 * 2^31 is 0 in 32 bits
  wrapping[40] = std::byte{0x80};
  expect_error(
      Builder{call_type, 0, express}.field(call_tag, records_head(call_record, 2) + wrapping + wrapping).octets(),
      FrameError::Field);
}

TEST(DecodeCall, BringsAtMost64KiBOfUserData) {
  const auto with = [](std::uint32_t size) {
    Octets item = quiet_item;
    item.resize(40);
    Builder::append(item, size, 4);
    Builder::append(item, 0, 4);
    Builder::append(item, 0, 5);
    return Builder{call_type, 0, express}
        .field(call_tag, records_head(call_record, 1) + item)
        .field(user_data_tag, filled(size))
        .octets();
  };
  EXPECT_EQ(decoded<Call>(with(65536)).user_data.size(), 65536U);
  expect_error(with(65537), FrameError::Field);
}

TEST(DecodeCall, RefusesKindsAndFamiliesThatDoNotExist) {
  for (int value = 0; value < 256; ++value)
    for (const std::size_t at : {34U, 35U}) {
      Octets item = quiet_item;
      item[at] = static_cast<std::byte>(value);
      const bool iso = at == 35 && value == 7;
      if (iso) item[47] = std::byte{1};
      const bool known = at == 34 ? value >= 1 && value <= 3 : value == 4 || value == 6 || iso;
      EXPECT_EQ(decode(Builder{call_type}
                           .field(call_tag, records_head(call_record, 1) + item)
                           .field(iso_images_tag, filled(iso ? 1 : 0))
                           .octets())
                    .has_value(),
                known)
          << value << " at " << at;
    }
}

TEST(DecodeTaken, ReadsEveryItem) {
  const auto taken = decoded<Taken>(taken_frame());
  ASSERT_EQ(taken.items.size(), 2U);
  EXPECT_EQ(taken.items[0], (TakenItem{move, TakeOutcome::Taken, 7}));
  EXPECT_EQ(taken.items[1], (TakenItem{move + 1, TakeOutcome::Touched, -1}));
}

TEST(DecodeTaken, KeepsTheReasonsOfALaterVersionAsNotTaken) {
  for (int value = 1; value < 256; ++value) {
    Octets item = taken_item;
    item[8] = static_cast<std::byte>(value);
    const auto taken =
        decoded<Taken>(Builder{taken_type}.field(taken_tag, records_head(taken_record, 1) + item).octets());
    ASSERT_EQ(taken.items.size(), 1U);
    EXPECT_EQ(static_cast<int>(taken.items[0].outcome), value);
  }
}

struct RecordFrame {
  int type, tag, flags;
  std::size_t least, size;
  Octets record;
};
const RecordFrame record_frames[] = {{call_type, call_tag, express, old_call_record, call_record, quiet_item},
                                     {taken_type, taken_tag, 0, taken_record, taken_record, taken_item}};

std::size_t items_in(const Frame& frame) {
  if (const auto* call = std::get_if<Call>(&frame.body)) return call->items.size();
  if (const auto* taken = std::get_if<Taken>(&frame.body)) return taken->items.size();
  return 0;
}

TEST(DecodeRecords, HoldsOneTo252) {
  for (const RecordFrame& given : record_frames)
    for (const std::size_t count : {0U, 1U, 2U, 251U, 252U, 253U, 1000U}) {
      Octets records = records_head(given.size, count);
      for (std::size_t i = 0; i < count; ++i) records = std::move(records) + given.record;
      const Octets octets = Builder{given.type, 1, given.flags}.field(given.tag, records).octets();
      const auto frame = decode(octets);
      ASSERT_EQ(frame.has_value(), count >= 1 && count <= 252) << count;
      if (frame) {
        EXPECT_EQ(items_in(*frame), count);
      }
    }
}

TEST(DecodeRecords, MayBeLongerThanOursButNotShorter) {
  for (const RecordFrame& given : record_frames)
    for (std::size_t size = 0; size <= given.size + 40; ++size) {
      Octets record = given.record;
      record.resize(size, std::byte{0xEE});
      SCOPED_TRACE(size);
      const Octets octets =
          Builder{given.type, 1, given.flags}.field(given.tag, records_head(size, 2) + record + record).octets();
      const auto frame = decode(octets);
      ASSERT_EQ(frame.has_value(), size >= given.least);
      if (!frame) continue;
      ASSERT_EQ(items_in(*frame), 2U);
      if (given.type == call_type) {
        EXPECT_EQ(std::get<Call>(frame->body).items[1].descriptor, 12);
      }
      if (given.type == taken_type) {
        EXPECT_EQ(std::get<Taken>(frame->body).items[1].server_descriptor, 7);
      }
    }
}

TEST(DecodeRecords, RefusesACountThatDoesNotAgreeWithTheLength) {
  for (const RecordFrame& given : record_frames) {
    const Octets two = given.record + given.record;
    for (const std::size_t count : {1U, 3U, 65535U})
      expect_error(Builder{given.type, 1, given.flags}.field(given.tag, records_head(given.size, count) + two).octets(),
                   FrameError::Field);
    expect_error(
        Builder{given.type, 1, given.flags}.field(given.tag, records_head(given.size, 2) + two + filled(1)).octets(),
        FrameError::Field);
  }
}

TEST(DecodeFrame, ReadsTheFramesWithoutFieldsAndCredit) {
  const Octets cancel = Builder{cancel_type, move}.octets();
  (void)decoded<Cancel>(cancel);
  EXPECT_EQ(decode(cancel)->move, move);
  (void)decoded<Cancelled>(Builder{cancelled_type, move}.octets());
  EXPECT_EQ(decoded<Credit>(Builder{credit_type}.field(3, hex("fffffffe")).octets()).more, 0xFFFFFFFEU);
  expect_error(Builder{credit_type}.field(3, hex("0000fe")).octets(), FrameError::Field);
}

TEST(DecodeFrame, LeavesUnknownTypesToTheCaller) {
  for (int type = 0; type < 256; ++type) {
    if (type >= hello_type && type <= complete_type) continue;
    EXPECT_EQ(decoded<Unsupported>(Builder{type, move}.field(77, filled(3)).octets()).type, type);
  }
}

TEST(DecodeFrame, RefusesAFieldThatIsTooShortAndSkipsWhatALaterVersionAppends) {
  for (const auto& [type, tag, value] :
       {std::tuple{offer_type, description_tag, description}, std::tuple{answer_type, answer_tag, answer_field}}) {
    const Octets whole = Builder{type, move}.field(tag, value).octets();
    for (std::size_t size = 0; size <= value.size() + 20; ++size) {
      SCOPED_TRACE(std::to_string(type) + ", " + std::to_string(size));
      Octets changed = value;
      changed.resize(size, std::byte{0xEE});
      const Octets octets = Builder{type, move}.field(tag, changed).octets();
      if (size < value.size()) {
        expect_error(octets, FrameError::Field);
      } else {
        EXPECT_TRUE(same(octets, whole));
      }
    }
  }
}

TEST(DecodeFrame, NeedsTheFieldThatMakesItWhatItIs) {
  for (const int type : {hello_type, offer_type, answer_type, call_type, taken_type, credit_type})
    expect_error(Builder{type, move}.field(77, filled(3)).octets(), FrameError::Field);
}

TEST(DecodeFrame, KnowsAFrameByItsFirstOctet) {
  for (int mark = 0; mark < 256; ++mark) {
    Octets octets = Builder{cancel_type, move}.octets();
    octets[0] = static_cast<std::byte>(mark);
    EXPECT_EQ(decode(octets).has_value(), mark == 255);
    EXPECT_EQ(is_frame(octets), mark == 255);
    EXPECT_EQ(type_of(octets), mark == 255 ? cancel_type : 0);
    if (mark != 255) expect_error(octets, FrameError::NotAFrame);
  }
  EXPECT_FALSE(is_frame({}));
  EXPECT_EQ(type_of(hex("ff01")), 0);
}

TEST(DecodeFrame, OfAnotherVersionIsRefusedUnlessItIsAHello) {
  for (int version = 0; version < 256; ++version) {
    const Octets octets = Builder{cancel_type, move, 0, version}.octets();
    if (version == 1)
      EXPECT_TRUE(decode(octets).has_value());
    else
      expect_error(octets, FrameError::Version);
  }
}

TEST(DecodeFrame, HoldsAtMost128KiB) {
  const auto of_size = [](std::size_t size) { return Builder{cancel_type}.field(77, filled(size - 16 - 6)).octets(); };
  EXPECT_EQ(of_size(131072).size(), 131072U);
  EXPECT_TRUE(decode(of_size(131072)).has_value());
  expect_error(of_size(131073), FrameError::Length);
}

TEST(DecodeFrame, RefusesAPayloadLengthThatDoesNotAgreeWithTheMessage) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.name);
    expect_error(sample.octets + filled(1), FrameError::Length);
    for (const std::size_t at : {4U, 5U, 6U, 7U}) {
      Octets octets = sample.octets;
      octets[at] ^= std::byte{0xFF};
      expect_error(octets, FrameError::Length);
    }
  }
}

TEST(DecodeFrame, SkipsUnknownFieldsWhereverTheyStand) {
  const Octets unknown =
      hex("4d4d 00000003 010203") + hex("000b 00000000 000e 00000000 0000 00000000") + hex("ffff 00000001 00");
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.name);
    for (const std::size_t at : field_starts(sample.octets)) {
      Octets octets = sample.octets;
      octets.insert(octets.begin() + static_cast<std::ptrdiff_t>(at), unknown.begin(), unknown.end());
      set_payload_length(octets);
      EXPECT_TRUE(same(octets, sample.octets)) << at;
    }
  }
}

TEST(DecodeFrame, CountsTheFirstOfARepeatedField) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.name);
    const auto starts = field_starts(sample.octets);
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
      Octets octets = sample.octets;
      Octets again{octets.begin() + static_cast<std::ptrdiff_t>(starts[i]),
                   octets.begin() + static_cast<std::ptrdiff_t>(starts[i + 1])};
      std::ranges::fill(again.begin() + 6, again.end(), std::byte{0});
      octets = std::move(octets) + again;
      set_payload_length(octets);
      EXPECT_TRUE(same(octets, sample.octets)) << starts[i];
    }
  }
}

TEST(DecodeFrame, RefusesAFieldThatRunsPastTheEnd) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.name);
    for (const char* tail : {"4d", "4d4d", "4d4d 000000", "4d4d 00000001", "4d4d 00000003 0102", "4d4d ffffffff 00"}) {
      Octets octets = sample.octets + hex(tail);
      set_payload_length(octets);
      expect_error(octets, FrameError::Field);
    }
  }
}

TEST(DecodeFrame, RefusesEveryShorterPrefix) {
  for (const Sample& sample : samples())
    for (std::size_t size = 0; size < sample.octets.size(); ++size) {
      SCOPED_TRACE(std::string{sample.name} + ", " + std::to_string(size));
      expect_error(copy(Bytes{sample.octets}.first(size)), size < 16 ? FrameError::NotAFrame : FrameError::Length);
    }
}

TEST(DecodeFrame, RefusesEveryPrefixThatCutsAFieldAlsoWhereTheLengthAgrees) {
  for (const Sample& sample : samples()) {
    const auto starts = field_starts(sample.octets);
    for (std::size_t size = 16; size < sample.octets.size(); ++size) {
      Octets octets = copy(Bytes{sample.octets}.first(size));
      set_payload_length(octets);
      if (std::ranges::find(starts, size) == starts.end())
        expect_error(octets, FrameError::Field);
      else if (const auto frame = decode(octets))
        expect_sane(*frame, octets);
    }
  }
}

TEST(DecodeFrame, StaysSaneUnderEveryChangeOfASingleOctet) {
  std::size_t refused = 0;
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.name);
    Octets octets = sample.octets;
    for (std::byte& octet : octets) {
      const std::byte whole = octet;
      for (int value = 0; value < 256; ++value) {
        octet = static_cast<std::byte>(value);
        const auto frame = decode(octets);
        if (frame)
          expect_sane(*frame, octets);
        else
          ++refused;
      }
      octet = whole;
    }
    EXPECT_TRUE(decode(octets).has_value());
  }
  EXPECT_GT(refused, 0U);
}

}  // namespace
}  // namespace baton::handoff
