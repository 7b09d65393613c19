// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <random>

#include "cotp/octets_for_tests.hpp"
#include "cotp/tpdu.hpp"

namespace baton::cotp {
namespace {

template <typename T>
Octets encoded(const T& tpdu) {
  Octets room(256);
  room.resize(encode(tpdu, room));
  return room;
}

ConnectionRequest full_request(const Octets& calling, const Octets& called, const Octets& data) {
  ConnectionRequest request;
  request.destination_reference = 0x1122;
  request.source_reference = 0x3344;
  request.preferred_class = 4;
  request.alternatives = {0, 2};
  request.size = TpduSize::Octets1024;
  request.preferred_size = 0x0102;
  request.calling = calling;
  request.called = called;
  request.user_data = data;
  return request;
}

TEST(EncodeRequest, WritesEveryFieldInItsOrder) {
  const Octets calling = hex("a1a2");
  const Octets called = hex("b1");
  const Octets data = hex("d1d2d3");
  EXPECT_EQ(to_hex(encoded(full_request(calling, called, data))),
            to_hex(TpduBuilder{{0xE0, 0x11, 0x22, 0x33, 0x44, 0x40}}
                       .parameter(0xC0, "0a")
                       .parameter(0xF0, "0102")
                       .parameter(0xC1, "a1a2")
                       .parameter(0xC2, "b1")
                       .parameter(0xC7, "0020")
                       .user_data(data)
                       .octets()));
}

TEST(EncodeRequest, LeavesOutWhatIsAbsent) {
  ConnectionRequest request;
  request.source_reference = 1;
  EXPECT_EQ(to_hex(encoded(request)), "06e00000000100");
}

TEST(EncodeRequest, FitsInto128OctetsOrFails) {
  const Octets selector = repeated(64, 0x41);
  const Octets data = repeated(33, 1);
  ConnectionRequest request;
  request.calling = Bytes{selector}.first(63);
  request.called = Bytes{selector}.first(54);
  EXPECT_EQ(encoded(request).size(), 128U);
  request.called = Bytes{selector}.first(55);
  EXPECT_TRUE(encoded(request).empty());
  request = {};
  request.user_data = Bytes{data}.first(32);
  EXPECT_EQ(encoded(request).size(), 39U);
  request.user_data = data;
  EXPECT_TRUE(encoded(request).empty());
  request = {};
  request.preferred_class = 5;
  EXPECT_TRUE(encoded(request).empty());
  const Octets huge = repeated(300, 0);
  request = {};
  request.calling = huge;
  EXPECT_TRUE(encoded(request).empty());
}

TEST(EncodeConfirm, WritesWhatARequestHasUnderAnotherCode) {
  const Octets selector = hex("0001");
  ConnectionConfirm confirm;
  confirm.destination_reference = 0x0102;
  confirm.source_reference = 0x0304;
  confirm.size = TpduSize::Octets65531;
  confirm.calling = confirm.called = selector;
  EXPECT_EQ(to_hex(encoded(confirm)), "11d00102030400c00110c1020001c2020001");
}

TEST(EncodeDisconnect, WritesReasonAndInformation) {
  const Octets text = hex("6e6f");
  EXPECT_EQ(to_hex(encoded(DisconnectRequest{
                .destination_reference = 0x0102, .reason = DisconnectReason::AddressUnknown, .additional_info = text})),
            "0a800102000003e0026e6f");
  EXPECT_EQ(to_hex(encoded(DisconnectRequest{.source_reference = 7})), "06800000000700");
}

TEST(EncodeDisconnect, HoldsUpTo119OctetsOfInformation) {
  const Octets text = repeated(120, 0x41);
  EXPECT_EQ(encoded(DisconnectRequest{.additional_info = Bytes{text}.first(119)}).size(), max_disconnect_octets);
  EXPECT_TRUE(encoded(DisconnectRequest{.additional_info = text}).empty());
}

// RFC 905 §13.12.4: the parameter is mandatory in class 0.
TEST(EncodeErrorReport, AlwaysReturnsTheInvalidTpdu) {
  const Octets invalid = hex("02f0");
  EXPECT_EQ(to_hex(encoded(ErrorReport{
                .destination_reference = 0x0102, .cause = RejectCause::InvalidTpduType, .invalid_tpdu = invalid})),
            "0870010202c10202f0");
  EXPECT_EQ(to_hex(encoded(ErrorReport{})), "0670000000c100");
  const Octets most = repeated(129, 0);
  EXPECT_EQ(encoded(ErrorReport{.invalid_tpdu = Bytes{most}.first(128)}).size(), max_error_octets);
  EXPECT_TRUE(encoded(ErrorReport{.invalid_tpdu = most}).empty());
}

TEST(EncodeData, IsThreeOctets) {
  EXPECT_EQ(to_hex(encode_data_header(true)), "02f080");
  EXPECT_EQ(to_hex(encode_data_header(false)), "02f000");
}

TEST(Encode, FailsInEveryRoomThatIsTooSmall) {
  const Octets calling = hex("a1a2");
  const Octets called = hex("b1");
  const Octets data = hex("d1d2d3");
  const auto check = [](const auto& tpdu) {
    const std::size_t whole = encoded(tpdu).size();
    ASSERT_GT(whole, 0U);
    for (std::size_t size = 0; size < whole; ++size) {
      Octets room(size);
      EXPECT_EQ(encode(tpdu, room), 0U) << size;
    }
    Octets room(whole);
    EXPECT_EQ(encode(tpdu, room), whole);
  };
  check(full_request(calling, called, data));
  check(ConnectionConfirm{});
  check(DisconnectRequest{.additional_info = data});
  check(ErrorReport{.invalid_tpdu = data});
}

// One TPDU of each kind, header and payload apart.
struct Sample {
  const char* name;
  Octets octets;
  std::size_t header;
};

std::vector<Sample> samples() {
  std::vector<Sample> all = {
      {"CR", TpduBuilder::request(5, 0x40).parameter(0xC0, "0b").parameter(0xC7, "00").parameter(0xC2, "01").octets(),
       0},
      {"CR with data", TpduBuilder::request().parameter(0xC1, "0102").user_data(hex("010203")).octets(), 0},
      {"CC", TpduBuilder::confirm(1, 2).parameter(0xC0, "0b").parameter(0xC1, "0102").octets(), 0},
      {"DR", TpduBuilder{{0x80, 0, 1, 0, 2, 3}}.parameter(0xE0, "414243").octets(), 0},
      {"DT", hex("02 f0 80 010203"), 0},
      {"ER", TpduBuilder{{0x70, 0, 1, 2}}.parameter(0xC1, "02f1").octets(), 0},
  };
  for (Sample& each : all) each.header = std::to_integer<std::size_t>(each.octets[0]) + 1;
  return all;
}

TEST(Decode, FailsOnEveryTpduCutWithinItsHeader) {
  for (const Sample& sample : samples())
    for (std::size_t size = 0; size < sample.header; ++size)
      EXPECT_FALSE(decode(Bytes{sample.octets}.first(size)).has_value()) << sample.name << ' ' << size;
}

TEST(Decode, AsksForMoreUntilItHasWhatItNeeds) {
  for (const Sample& sample : samples()) {
    const Bytes whole{sample.octets};
    const std::size_t needed = head_needed(whole, whole.size());
    EXPECT_LE(needed, whole.size());
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes head = whole.first(size);
      const auto tpdu = decode(head, whole.size());
      if (size < needed) {
        ASSERT_FALSE(tpdu.has_value()) << sample.name << ' ' << size;
        EXPECT_EQ(tpdu.error().fault, Fault::Incomplete);
        EXPECT_GT(head_needed(head, whole.size()), size) << sample.name;
      } else {
        EXPECT_TRUE(tpdu.has_value()) << sample.name << ' ' << size;
      }
    }
  }
}

TEST(Decode, IgnoresOctetsBehindTheTpdu) {
  for (const Sample& sample : samples()) {
    Octets longer = sample.octets;
    longer.insert(longer.end(), 400, std::byte{0xFF});
    const auto tpdu = decode(longer, sample.octets.size());
    ASSERT_TRUE(tpdu.has_value()) << sample.name;
    EXPECT_EQ(tpdu->index(), decode(sample.octets)->index());
  }
}

/// A carrier that reads only what it has to must come to the same end as one that has all.
void expect_same_with_least_head(Bytes head, std::size_t length) {
  const auto with_all = decode(head, length);
  std::size_t size = 0;
  while (head_needed(head.first(size), length) > size) size = head_needed(head.first(size), length);
  const auto with_least = decode(head.first(size), length);
  ASSERT_EQ(with_least.has_value(), with_all.has_value()) << to_hex(head);
  if (with_all) {
    ASSERT_EQ(with_least->index(), with_all->index());
    return;
  }
  ASSERT_EQ(with_least.error().fault, with_all.error().fault);
  ASSERT_EQ(with_least.error().cause, with_all.error().cause);
  ASSERT_EQ(with_least.error().offending.size(), with_all.error().offending.size());
  ASSERT_EQ(with_least.error().source_reference, with_all.error().source_reference);
  ASSERT_EQ(with_least.error().in_error_report, with_all.error().in_error_report);
}

// What every decode promises, whatever the octets.
void expect_sane(Bytes head, std::size_t length) {
  const std::size_t needed = head_needed(head, length);
  ASSERT_LE(needed, std::min<std::size_t>(length, 255));
  const auto tpdu = decode(head, length);
  if (head.size() >= length) expect_same_with_least_head(head, length);
  if (tpdu) {
    ASSERT_GE(head.size(), needed);
    return;
  }
  const DecodeError& error = tpdu.error();
  ASSERT_EQ(error.fault == Fault::Incomplete, std::min(head.size(), length) < needed) << to_hex(head);
  if (error.fault == Fault::Incomplete) return;
  ASSERT_LE(error.offending.size(), max_connect_octets);
  ASSERT_EQ(error.offending.data(), head.data());
  ASSERT_FALSE(encoded(ErrorReport{.cause = error.cause, .invalid_tpdu = error.offending}).empty());
}

TEST(Decode, SurvivesRandomOctets) {
  std::mt19937 random{20261105};
  for (int round = 0; round < 200000; ++round) {
    Octets octets(random() % 160);
    for (std::byte& each : octets) each = static_cast<std::byte>(random());
    constexpr std::uint8_t codes[] = {0xE0, 0xD0, 0x80, 0xF0, 0x70};
    if (octets.size() > 1 && round % 4 != 0) {
      octets[0] = static_cast<std::byte>(random() % (octets.size() + 2));
      octets[1] = std::byte{codes[random() % 5]};
    }
    expect_sane(octets, octets.size());
    expect_sane(octets, random() % 70000);
    if (HasFatalFailure()) return;
  }
}

TEST(Decode, SurvivesEveryChangeOfOneOctet) {
  for (const Sample& sample : samples())
    for (std::size_t at = 0; at < sample.octets.size(); ++at)
      for (int value = 0; value < 256; ++value) {
        Octets changed = sample.octets;
        changed[at] = static_cast<std::byte>(value);
        expect_sane(changed, changed.size());
        if (HasFatalFailure()) return;
      }
}

TEST(Encode, WritesWhatDecodeReadsBack) {
  std::mt19937 random{7};
  for (int round = 0; round < 20000; ++round) {
    const Octets calling(random() % 40, std::byte{0xA1});
    const Octets called(random() % 40, std::byte{0xB1});
    const Octets data(random() % 12, std::byte{0xD1});
    ConnectionRequest request;
    request.destination_reference = static_cast<std::uint16_t>(random());
    request.source_reference = static_cast<std::uint16_t>(random());
    request.preferred_class = static_cast<std::uint8_t>(random() % 5);
    if (request.preferred_class != 0)
      for (std::uint8_t each = 0; each <= max_class; ++each)
        if (random() % 2 != 0) request.alternatives.insert(each);
    if (random() % 2 != 0) request.size = static_cast<TpduSize>(7 + random() % 10);
    if (random() % 2 != 0) request.preferred_size = static_cast<std::uint32_t>(random() >> random() % 32);
    request.calling = calling;
    request.called = called;
    request.user_data = data;
    const Octets octets = encoded(request);
    ASSERT_FALSE(octets.empty());
    const auto tpdu = decode(octets);
    ASSERT_TRUE(tpdu.has_value()) << to_hex(octets);
    const auto& read = std::get<ConnectionRequest>(*tpdu);
    ASSERT_EQ(read.destination_reference, request.destination_reference);
    ASSERT_EQ(read.source_reference, request.source_reference);
    ASSERT_EQ(read.preferred_class, request.preferred_class);
    ASSERT_EQ(read.alternatives, request.alternatives);
    ASSERT_EQ(read.size, request.size);
    ASSERT_EQ(read.preferred_size, request.preferred_size);
    ASSERT_EQ(to_hex(read.calling), to_hex(calling));
    ASSERT_EQ(to_hex(read.called), to_hex(called));
    ASSERT_EQ(to_hex(read.user_data), to_hex(data));
  }
}

}  // namespace
}  // namespace baton::cotp
