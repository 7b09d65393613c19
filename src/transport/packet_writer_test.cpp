// SPDX-License-Identifier: MIT
// TSDUs to packets, with writes cut anywhere; and both ways together.
#include "transport/packet_writer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <numeric>

#include "transport/packets_for_tests.hpp"

namespace baton::transport {
namespace {

constexpr std::size_t largest_data = cotp::max_tpdu_octets - cotp::data_header_octets;

Octets part_of(const Octets& octets, std::size_t from, std::size_t to) {
  return {octets.begin() + static_cast<std::ptrdiff_t>(from), octets.begin() + static_cast<std::ptrdiff_t>(to)};
}
/// The wire of one TSDU that nothing disturbed.
Octets packets_of(const Octets& tsdu, std::size_t max_data) {
  Octets wire;
  for (std::size_t at = 0; at < tsdu.size(); at += max_data) {
    const std::size_t end = std::min(at + max_data, tsdu.size());
    wire = std::move(wire) + data_packet(part_of(tsdu, at, end), end == tsdu.size());
  }
  return wire;
}
std::vector<Octets> tsdus_in(const Octets& wire) {
  Receiver receiver;
  receiver.read_all(wire);
  EXPECT_TRUE(receiver.reader.at_boundary());
  return receiver.found.tsdus;
}

TEST(PacketWriter, CutsATsduIntoDtsOctetByOctet) {
  PacketWriter writer;
  Octets wire;
  EXPECT_EQ(send(writer, hex("0102030405060708"), 3, wire), 8U);
  EXPECT_EQ(to_hex(wire), to_hex(hex("0300000a 02f000 010203 0300000a 02f000 040506 03000009 02f080 0708")));
  EXPECT_EQ(writer.owed(), 0U);
}

TEST(PacketWriter, CutsEveryLengthAtEverySize) {
  for (std::size_t max_data = 1; max_data <= 20; ++max_data)
    for (std::size_t size = 1; size <= 60; ++size) {
      PacketWriter writer;
      Octets wire;
      ASSERT_EQ(send(writer, pattern(size), max_data, wire, all, 200), size);
      ASSERT_EQ(wire, packets_of(pattern(size), max_data)) << size << " octets, " << max_data << " in a DT";
    }
}

TEST(PacketWriter, FillsTheLargestTpkt) {
  PacketWriter writer;
  Octets wire;
  EXPECT_EQ(send(writer, pattern(200000), largest_data, wire), 200000U);
  EXPECT_EQ(to_hex(Bytes{wire}.first(7)), "0300ffff02f000");
  EXPECT_EQ(wire.size(), 200000U + 4 * 7);
  EXPECT_EQ(tsdus_in(wire), std::vector<Octets>{pattern(200000)});
}

TEST(PacketWriter, CopiesNothingAndKeepsTheHeadOfFullDtsOnce) {
  Octets octets = pattern(10);
  const iovec whole{octets.data(), octets.size()};
  PacketWriter writer;
  std::array<iovec, 16> parts{};
  ASSERT_EQ(writer.plan({&whole, 1}, 3, parts), 8U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(parts[2 * i].iov_len, 7U);
    EXPECT_EQ(parts[2 * i].iov_base == parts[0].iov_base, i < 3);
    EXPECT_EQ(parts[2 * i + 1].iov_base, octets.data() + 3 * i);
  }
}

TEST(PacketWriter, TakesOctetsThatLieInManyPlaces) {
  Octets octets = pattern(50);
  std::vector<iovec> scattered{{nullptr, 0}};
  for (std::size_t i = 0; i < octets.size(); ++i) {
    scattered.push_back({octets.data() + i, 1});
    scattered.push_back({octets.data() + i, 0});
    if (i % 7 == 0) scattered.push_back({nullptr, 0});
  }
  for (const std::size_t max_data : {1U, 3U, 49U, 50U, 51U}) {
    PacketWriter writer;
    Octets wire;
    EXPECT_EQ(send(writer, scattered, max_data, wire, all, 200), 50U);
    EXPECT_EQ(wire, packets_of(octets, max_data)) << max_data;
  }
}

TEST(PacketWriter, PlansAtLeastOneOctetWhereverTheRoomForPartsEnds) {
  const Octets tsdu = pattern(30);
  for (std::size_t room = 4; room <= 40; ++room) {
    PacketWriter writer;
    Octets wire;
    std::size_t done = 0;
    while (done < tsdu.size()) {
      const std::size_t accepted = send(writer, part_of(tsdu, done, tsdu.size()), 4, wire, all, room);
      ASSERT_GT(accepted, 0U) << room;
      done += accepted;
      ASSERT_EQ(writer.owed(), tsdu.size() - done);
    }
    EXPECT_EQ(wire, packets_of(tsdu, 4)) << room;
  }
}

TEST(PacketWriter, OfNothingPlansNothing) {
  PacketWriter writer;
  Octets wire;
  EXPECT_EQ(send(writer, Octets{}, 5, wire), 0U);
  EXPECT_EQ(send(writer, std::vector<iovec>{{nullptr, 0}, {nullptr, 0}}, 5, wire), 0U);
  EXPECT_TRUE(wire.empty());
  EXPECT_EQ(writer.owed(), 0U);
}

/// 10 octets in DTs of 4: heads at 0, 11 and 22 of 31 octets.
class ShortWrite : public testing::Test {
 protected:
  const Octets tsdu = pattern(10);
  const Octets whole = packets_of(tsdu, 4);

  /// The carrier takes `cut` octets of the first call: how many of the user's those are.
  std::size_t cut_at(std::size_t cut, PacketWriter& writer, Octets& wire) const {
    const std::size_t accepted = send(writer, tsdu, 4, wire, cut);
    EXPECT_EQ(wire, part_of(whole, 0, cut));
    const std::size_t in_dt = cut % 11;
    EXPECT_EQ(accepted, cut == whole.size() ? 10 : cut / 11 * 4 + (in_dt > 7 ? in_dt - 7 : 0)) << cut;
    EXPECT_EQ(writer.owed(), cut == 0 ? 0 : 10 - accepted) << cut;
    return accepted;
  }
};

TEST_F(ShortWrite, AtEveryOctetIsPaidByTheNextCall) {
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    PacketWriter writer;
    Octets wire;
    const std::size_t accepted = cut_at(cut, writer, wire);
    EXPECT_EQ(send(writer, part_of(tsdu, accepted, 10), 4, wire), 10 - accepted);
    EXPECT_EQ(wire, whole) << cut;
    EXPECT_EQ(writer.owed(), 0U);
  }
}

TEST_F(ShortWrite, AtEveryPairOfOctetsIsPaidAsWell) {
  for (std::size_t cut = 0; cut <= whole.size(); ++cut)
    for (std::size_t more = 0; cut + more <= whole.size(); ++more) {
      PacketWriter writer;
      Octets wire;
      std::size_t accepted = cut_at(cut, writer, wire);
      accepted += send(writer, part_of(tsdu, accepted, 10), 4, wire, more);
      ASSERT_EQ(wire, part_of(whole, 0, cut + more));
      send(writer, part_of(tsdu, accepted, 10), 4, wire);
      ASSERT_EQ(wire, whole) << cut << ", " << more;
    }
}

TEST_F(ShortWrite, MayBePaidInPartsAndStaysOneTsdu) {
  for (std::size_t cut = 1; cut < whole.size(); ++cut)
    for (std::size_t less = 1; less < 10; ++less) {
      PacketWriter writer;
      Octets wire;
      std::size_t done = cut_at(cut, writer, wire);
      while (done < 10) {
        const std::size_t end = std::min<std::size_t>(done + less, 10);
        ASSERT_EQ(send(writer, part_of(tsdu, done, end), 4, wire), end - done);
        done = end;
        ASSERT_EQ(writer.owed(), 10 - done);
      }
      ASSERT_EQ(tsdus_in(wire), std::vector<Octets>{tsdu}) << cut << ", " << less;
    }
}

TEST_F(ShortWrite, PaidWithMoreThanIsOwedBeginsTheNextTsdu) {
  const Octets both = tsdu + pattern(9, 100);
  for (std::size_t cut = 1; cut < whole.size(); ++cut)
    for (std::size_t room = 4; room <= 20; ++room) {
      PacketWriter writer;
      Octets wire;
      std::size_t done = cut_at(cut, writer, wire);
      while (done < both.size()) done += send(writer, part_of(both, done, both.size()), 4, wire, all, room);
      ASSERT_EQ(wire, whole + packets_of(pattern(9, 100), 4)) << cut << ", " << room;
      ASSERT_EQ(writer.owed(), 0U);
    }
}

TEST_F(ShortWrite, OfThePaymentLeavesTheRestOwed) {
  const Octets both = tsdu + pattern(9, 100);
  const Octets expected = whole + packets_of(pattern(9, 100), 4);
  for (std::size_t cut = 1; cut < whole.size(); ++cut)
    for (std::size_t more = 0; cut + more <= expected.size(); ++more) {
      PacketWriter writer;
      Octets wire;
      std::size_t done = cut_at(cut, writer, wire);
      done += send(writer, part_of(both, done, both.size()), 4, wire, more);
      ASSERT_EQ(wire, part_of(expected, 0, cut + more));
      // Of the second TSDU nothing is owed before its first octet is out.
      ASSERT_EQ(writer.owed(), cut + more <= whole.size() ? 10 - done : 19 - done);
      send(writer, part_of(both, done, both.size()), 4, wire);
      ASSERT_EQ(wire, expected) << cut << ", " << more;
    }
}

// What a plan needs most heads for: a DT at hand, full ones, the last owed one, full ones again, the last of all.
TEST_F(ShortWrite, IsPaidTogetherWithAWholeTsduInOnePlan) {
  const Octets next = pattern(9, 100);
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    PacketWriter writer;
    Octets wire;
    const std::size_t accepted = cut_at(cut, writer, wire);
    // A payment of less ends its DT early, so that the DT at hand is none of the others' size.
    const Octets rest = part_of(tsdu, accepted, 10) + next;
    EXPECT_EQ(send(writer, rest, 4, wire), rest.size()) << cut;
    EXPECT_EQ(wire, whole + packets_of(next, 4));
  }
  PacketWriter writer;
  Octets wire;
  send(writer, pattern(30), 6, wire, 3);
  const Octets rest = pattern(30) + next;
  EXPECT_EQ(send(writer, rest, 4, wire), rest.size());
  EXPECT_EQ(tsdus_in(wire), (std::vector{pattern(30), next}));
}

TEST_F(ShortWrite, MovedAtEveryOctetIsPaidElsewhere) {
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    PacketWriter writer;
    Octets wire;
    const std::size_t accepted = cut_at(cut, writer, wire);
    auto restored = PacketWriter::restore(writer.image());
    ASSERT_TRUE(restored.has_value()) << cut;
    EXPECT_EQ(restored->image(), writer.image());
    EXPECT_EQ(restored->owed(), writer.owed());
    EXPECT_EQ(send(*restored, part_of(tsdu, accepted, 10), 4, wire), 10 - accepted);
    EXPECT_EQ(wire, whole) << cut;
  }
}

TEST(PacketWriter, GoesOnAfterAnotherSizeWasTakenUp) {
  PacketWriter writer;
  Octets wire;
  const std::size_t accepted = send(writer, pattern(10), 4, wire, 9);
  send(writer, part_of(pattern(10), accepted, 10), 3, wire);
  EXPECT_EQ(tsdus_in(wire), std::vector<Octets>{pattern(10)});
}

PacketWriter::Image image(std::string_view head, std::uint8_t head_left, std::uint32_t tpdu_left,
                          std::uint64_t tsdu_left) {
  PacketWriter::Image made{{}, head_left, tpdu_left, tsdu_left};
  std::ranges::copy(hex(head), made.head.begin());
  return made;
}

TEST(PacketWriterImage, ThatNoWriterLeavesIsRefused) {
  const auto possible = [](const PacketWriter::Image& each) { return PacketWriter::restore(each).has_value(); };
  EXPECT_TRUE(possible({}));
  EXPECT_TRUE(possible(image("", 0, 0, 5)));
  EXPECT_TRUE(possible(image("", 0, 0, 0xFFFFFFFFFFFFFFFF)));
  EXPECT_TRUE(possible(image("", 0, 65528, 65528)));
  EXPECT_FALSE(possible(image("", 0, 65529, 65529)));
  EXPECT_FALSE(possible(image("", 0, 6, 5)));
  // The head of a DT with 5 octets that ends its TSDU, and one that does not.
  for (std::uint8_t left = 1; left <= 7; ++left) {
    EXPECT_TRUE(possible(image("0300000c02f080", left, 5, 5)));
    EXPECT_TRUE(possible(image("0300000c02f000", left, 5, 6)));
    EXPECT_FALSE(possible(image("0300000c02f080", left, 5, 6)));
    EXPECT_FALSE(possible(image("0300000c02f000", left, 5, 5)));
    EXPECT_FALSE(possible(image("0300000c02f080", left, 4, 4)));
    EXPECT_FALSE(possible(image("0300000702f080", left, 0, 0)));
    EXPECT_FALSE(possible(image("0200000c02f080", left, 5, 5)));
  }
  EXPECT_FALSE(possible(image("0300000c02f080", 8, 5, 5)));
  EXPECT_FALSE(possible(image("0300000c02f080", 255, 5, 5)));
}

/// A number in between, with the ends more often than chance has it.
std::size_t between(std::size_t least, std::size_t most) {
  return *rc::gen::oneOf(rc::gen::just(least), rc::gen::just(most), rc::gen::inRange(least, most + 1));
}

/// Arbitrary places that together hold `octets`.
std::vector<iovec> scattered(Octets& octets) {
  std::vector<iovec> places;
  for (std::size_t at = 0; at < octets.size();) {
    const std::size_t size = between(0, std::min<std::size_t>(octets.size() - at, 50));
    places.push_back({octets.data() + at, size});
    at += size;
    if (places.size() > 20) {
      places.push_back({octets.data() + at, octets.size() - at});
      break;
    }
  }
  return places;
}

// The user repeats what was not accepted, as write(2) wants it.
RC_GTEST_PROP(WriterAndReader, GiveTheSameTsdusHoweverBothAreCut, ()) {
  const std::size_t max_data = *rc::gen::element<std::size_t>(1, 2, 7, 125, 253, 2045, largest_data);
  const auto sizes = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 400));
  std::vector<Octets> tsdus;
  for (const std::size_t size : sizes) tsdus.push_back(pattern(size, 1000 * tsdus.size()));
  PacketWriter writer;
  Octets wire;
  for (const Octets& tsdu : tsdus)
    for (std::size_t done = 0; done < tsdu.size();) {
      Octets rest = part_of(tsdu, done, tsdu.size());
      const std::size_t most = done == 0 ? between(0, 500) : between(1, 500);
      done += send(writer, scattered(rest), max_data, wire, most, between(4, 40));
      if (*rc::gen::arbitrary<bool>()) writer = PacketWriter::restore(writer.image()).value();
    }
  RC_ASSERT(writer.owed() == 0);
  Receiver receiver;
  for (Bytes rest = wire; !rest.empty();) {
    rest = rest.subspan(receiver.read(rest, between(1, 300)));
    if (*rc::gen::arbitrary<bool>()) receiver.reader = PacketReader::restore(receiver.reader.image()).value();
  }
  RC_ASSERT(receiver.reader.at_boundary());
  RC_ASSERT(receiver.found.tsdus == tsdus);
}

// The user brings what it likes: the first octets pay, the others begin a TSDU.
RC_GTEST_PROP(WriterAndReader, PutBoundariesWhereTheRuleOfDebtSays, ()) {
  const std::size_t max_data = *rc::gen::element<std::size_t>(1, 3, 125, largest_data);
  PacketWriter writer;
  Octets wire;
  std::size_t done = 0;
  std::vector<std::size_t> ends;
  std::size_t end = 0;
  const auto bring = [&](std::size_t size, std::size_t most) {
    const std::size_t owed = writer.owed();
    const std::size_t before = wire.size();
    Octets octets = pattern(size, done);
    const std::size_t accepted = send(writer, scattered(octets), max_data, wire, most, between(4, 40));
    const std::size_t paid = std::min(owed, accepted);
    done += accepted;
    RC_ASSERT(accepted <= size);
    if (owed > 0 && writer.owed() == owed - paid && accepted <= owed) return;
    if (owed == 0 && wire.size() == before) return;
    // A TSDU has begun with what was beyond the debt.
    end = end + (size - owed);
    ends.push_back(end);
    RC_ASSERT(writer.owed() == size - accepted);
  };
  for (int calls = *rc::gen::inRange(1, 12); calls > 0; --calls) bring(between(1, 300), between(0, 400));
  while (writer.owed() > 0) bring(writer.owed(), all);
  RC_ASSERT((ends.empty() ? std::size_t{0} : ends.back()) == done);
  std::vector<std::size_t> found;
  std::size_t sum = 0;
  Octets octets;
  for (const Octets& tsdu : tsdus_in(wire)) {
    found.push_back(sum += tsdu.size());
    octets = std::move(octets) + tsdu;
  }
  RC_ASSERT(found == ends);
  RC_ASSERT(octets == pattern(done));
}

}  // namespace
}  // namespace baton::transport
