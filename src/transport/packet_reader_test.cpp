// SPDX-License-Identifier: MIT
// Octets to packets, cut wherever TCP may cut them.
#include "transport/packet_reader.hpp"

#include <gtest/gtest.h>

#include <tuple>

#include "transport/packets_for_tests.hpp"

namespace baton::transport {
namespace {

constexpr std::size_t largest_payload = cotp::max_tpdu_octets - cotp::data_header_octets;

/// Every kind of packet, and what is in them.
Octets mixed_stream() {
  return hex(golden[0].packet) + data_packet(pattern(5), false) + data_packet(pattern(3, 5), true) +
         data_packet(pattern(1, 20), true) + data_packet({}, true) + data_packet(pattern(300), true) +
         data_packet(pattern(2), false) + data_packet({}, true) + hex(golden[8].packet);
}
Found in_mixed_stream() {
  return {{pattern(8), pattern(1, 20), {}, pattern(300), pattern(2)},
          {},
          {std::string{golden[0].packet}.substr(8), std::string{golden[8].packet}.substr(8)},
          {}};
}

TEST(PacketReader, FindsEveryPacketOfAStream) {
  Receiver receiver;
  receiver.read_all(mixed_stream());
  EXPECT_EQ(receiver.found, in_mixed_stream());
  EXPECT_TRUE(receiver.reader.at_boundary());
}

TEST(PacketReader, FindsTheSameWhereverTheStreamIsCutOnce) {
  const Octets stream = mixed_stream();
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    Receiver receiver;
    receiver.read_all(Bytes{stream}.first(cut));
    receiver.read_all(Bytes{stream}.subspan(cut));
    ASSERT_EQ(receiver.found, in_mixed_stream()) << cut;
  }
}

TEST(PacketReader, FindsTheSameWhateverARead) {
  for (std::size_t most = 1; most <= 40; ++most) {
    Receiver receiver;
    receiver.read_all(mixed_stream(), most);
    ASSERT_EQ(receiver.found, in_mixed_stream()) << most;
  }
}

TEST(PacketReader, FindsGoldenVectorsInEverySplitIntoThree) {
  for (const Golden& vector : golden) {
    SCOPED_TRACE(vector.sender);
    const Octets stream = hex(vector.packet);
    const Found expected{{}, {}, {std::string{vector.packet}.substr(8)}, {}};
    for (std::size_t first = 0; first <= stream.size(); ++first)
      for (std::size_t second = first; second <= stream.size(); ++second) {
        Receiver receiver;
        receiver.read_all(Bytes{stream}.first(first));
        receiver.read_all(Bytes{stream}.subspan(first, second - first));
        receiver.read_all(Bytes{stream}.subspan(second));
        ASSERT_EQ(receiver.found, expected) << first << ", " << second;
      }
  }
}

TEST(PacketReader, LeavesAStrayOctetBehindADisconnectRequestInTheStream) {
  const Octets stream = hex("0300000c0680000100010000");
  Receiver receiver;
  EXPECT_EQ(receiver.read(stream) + receiver.read(Bytes{stream}.subspan(7)), stream.size() - 1);
  EXPECT_EQ(receiver.found.others, std::vector<std::string>{"06800001000100"});
}

// Of a packet nothing is asked for that could belong to the next but one.
TEST(PacketReader, AsksForNoMoreThanPayloadAndTheLeastHead) {
  for (const std::size_t payload : {std::size_t{1}, std::size_t{125}, std::size_t{2045}, largest_payload}) {
    PacketReader reader;
    reader.begin_data(payload, true);
    EXPECT_EQ(reader.payload_left(), payload);
    EXPECT_EQ(reader.head_room().size(), 7U);
    reader.took_payload(payload);
    EXPECT_EQ(reader.payload_left(), 0U);
    EXPECT_EQ(reader.head_room().size(), 7U);
  }
}

TEST(PacketReader, AsksForExactlyTheHead) {
  struct Case {
    const char* what;
    Octets packet;
    std::size_t head;  ///< with the TPKT
  };
  const Case cases[] = {
      {"DT", data_packet(pattern(9), true), 7},
      {"DT without data", data_packet({}, true), 7},
      {"CR", hex(golden[0].packet), 22},
      {"CR of 128 octets", packet(128, cotp::TpduBuilder::request().user_data(pattern(121)).octets()), 132},
      {"CR of 129 octets, which there is not",
       packet(129, cotp::TpduBuilder::request().user_data(pattern(122)).octets()), 7},
      {"DR", hex(golden[8].packet), 11},
      {"ER", packet(5, hex("04 70 0001 02")), 9},
      {"LI 255", packet(300, hex("ff e0 00")), 7},
      {"a type that there is not", packet(300, hex("05 c0 00")), 7},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.what);
    Octets stream = each.packet;
    stream.resize(std::max<std::size_t>(stream.size(), 7));
    PacketReader reader;
    std::size_t taken = 0;
    while (!reader.next().value()) {
      const MutableBytes room = reader.head_room();
      ASSERT_GT(room.size(), 0U);
      ASSERT_LE(taken + room.size(), each.head);
      room[0] = stream[taken++];
      reader.took_head(1);
    }
    EXPECT_EQ(taken, each.head);
    EXPECT_EQ((*reader.next())->head.size(), each.head - 4);
  }
}

TEST(PacketReader, ReadsTheLongestHeadThatThereIs) {
  const Octets fixed = hex("fe 80 0001 0002 80 e0 f5");
  const Octets header = fixed + pattern(255 - fixed.size());
  const Octets stream = packet(255, header);
  ASSERT_EQ(stream.size(), max_head);
  Receiver receiver;
  receiver.read_all(stream, 1);
  EXPECT_EQ(receiver.found.others, std::vector<std::string>{to_hex(header)});
}

TEST(PacketReader, ClosesOnABrokenTpktAtItsFirstWrongOctet) {
  for (const auto& [octets, known_after, error] :
       {std::tuple{"02000016", 1U, cotp::TpktError::BadVersion}, std::tuple{"ff", 1U, cotp::TpktError::BadVersion},
        std::tuple{"03000006", 4U, cotp::TpktError::BadLength},
        std::tuple{"03ff0000", 4U, cotp::TpktError::BadLength}}) {
    SCOPED_TRACE(octets);
    const Octets broken = hex(octets);
    const Octets stream = data_packet(pattern(4), true) + broken + pattern(20);
    for (std::size_t most = 1; most <= 12; ++most) {
      Receiver receiver;
      receiver.read_all(stream, most);
      EXPECT_EQ(receiver.found, (Found{{pattern(4)}, {}, {}, error})) << most;
    }
    Receiver receiver;
    for (std::size_t i = 0; i < 11 + known_after; ++i) {
      EXPECT_FALSE(receiver.found.broken) << i;
      EXPECT_EQ(receiver.read(Bytes{stream}.subspan(i), 1), 1U);
    }
    EXPECT_EQ(receiver.found.broken, error);
  }
}

TEST(PacketReader, KnowsWhereAStreamMayEnd) {
  const Octets stream = data_packet(pattern(2), false) + data_packet(pattern(2), true);
  PacketReader reader;
  EXPECT_TRUE(reader.at_boundary());
  Receiver receiver;
  for (std::size_t i = 0; i < stream.size(); ++i) {
    receiver.read(Bytes{stream}.subspan(i), 1);
    EXPECT_EQ(receiver.reader.at_boundary(), i + 1 == stream.size()) << i;
  }
}

TEST(PacketReader, TellsOfTheEndOfATsduWithItsLastDt) {
  PacketReader reader;
  EXPECT_TRUE(reader.ends_tsdu());
  reader.begin_data(5, false);
  EXPECT_FALSE(reader.ends_tsdu());
  reader.took_payload(5);
  EXPECT_FALSE(reader.ends_tsdu());
  reader.begin_data(1, true);
  EXPECT_TRUE(reader.ends_tsdu());
  EXPECT_FALSE(reader.at_boundary());
}

TEST(PacketReaderImage, RestoredAtEveryOctetGoesOnTheSame) {
  const Octets stream = mixed_stream();
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    Receiver before;
    before.read_all(Bytes{stream}.first(cut));
    const auto restored = PacketReader::restore(before.reader.image());
    ASSERT_TRUE(restored.has_value()) << cut;
    EXPECT_EQ(restored->image(), before.reader.image());
    EXPECT_EQ(restored->payload_left(), before.reader.payload_left());
    EXPECT_EQ(restored->ends_tsdu(), before.reader.ends_tsdu());
    EXPECT_EQ(restored->at_boundary(), before.reader.at_boundary());
    Receiver after{*restored};
    after.found = before.found;
    after.read_all(Bytes{stream}.subspan(cut));
    ASSERT_EQ(after.found, in_mixed_stream()) << cut;
  }
}

TEST(PacketReaderImage, OfAHeadThatNobodyHasLookedAtYetGivesItsPacket) {
  PacketReader reader;
  const Octets head = hex("0300000a02f080");
  std::ranges::copy(head, reader.head_room().begin());
  reader.took_head(head.size());
  const auto restored = PacketReader::restore(reader.image());
  ASSERT_TRUE(restored.has_value());
  ASSERT_TRUE(restored->next().value().has_value());
  EXPECT_EQ(to_hex((*restored->next())->head), "02f080");
  EXPECT_EQ((*restored->next())->tpdu_length, 6U);
}

PacketReader::Image image(std::string_view head, std::uint32_t payload_left = 0, bool more = false) {
  return {*InlineBytes<max_head>::from(hex(head)), payload_left, more};
}

TEST(PacketReaderImage, ThatNoReaderLeavesIsRefused) {
  const auto possible = [](const PacketReader::Image& each) { return PacketReader::restore(each).has_value(); };
  EXPECT_TRUE(possible(image("", 65528)));
  EXPECT_FALSE(possible(image("", 65529)));
  EXPECT_FALSE(possible(image("", 0xFFFFFFFF)));
  EXPECT_TRUE(possible(image("", 1, true)));
  EXPECT_FALSE(possible(image("03", 1)));
  // Octets behind the head
  EXPECT_TRUE(possible(image("0300000a02f080")));
  EXPECT_FALSE(possible(image("0300000a02f08001")));
  EXPECT_TRUE(possible(image(golden[0].packet)));
  EXPECT_FALSE(possible(image(std::string{golden[0].packet} + "03")));
  // A TPKT that is broken is found so with the first read.
  EXPECT_TRUE(possible(image("02000000000000")));
  EXPECT_FALSE(possible(image("0200000000000000")));
  EXPECT_TRUE(possible(image("03000006000000")));
  EXPECT_FALSE(possible(image("0300000600000000")));
}

TEST(PacketReaderImage, WithABrokenTpktGivesTheError) {
  EXPECT_EQ(PacketReader::restore(image("02"))->next().error(), cotp::TpktError::BadVersion);
  EXPECT_EQ(PacketReader::restore(image("03000006"))->next().error(), cotp::TpktError::BadLength);
}

}  // namespace
}  // namespace baton::transport
