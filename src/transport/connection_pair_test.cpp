// SPDX-License-Identifier: MIT
// Two machines back to back, timers under a virtual clock, and images.
#include <gtest/gtest.h>

#include <random>

#include "transport/connection.hpp"
#include "transport/machine_for_tests.hpp"

namespace baton::transport {
namespace {

using cotp::DisconnectReason;
using cotp::TpduSize;

/// What `from` has to say goes to `to`; the event that it makes there.
std::expected<Event, Misuse> pass(Connection& from, Connection& to, Instant now = start) {
  const Octets tpdu(from.output().begin(), from.output().end());
  from.consume_output();
  return give(to, tpdu, now);
}

TEST(Pair, OpensWithTheSameFactsOnBothSides) {
  for (int proposed = 7; proposed <= 16; ++proposed)
    for (int maximum = 7; maximum <= 16; ++maximum) {
      ConnectRequest request = usual_request();
      request.proposed_size = static_cast<TpduSize>(proposed);
      request.user_data = *ConnectData::from(hex("d1d2"));
      Connection initiator = calling(request);
      Connection responder =
          Connection::await(peer_reference, {.maximum_size = static_cast<TpduSize>(maximum)}).value();
      expect_event<Indication>(pass(initiator, responder));
      ASSERT_TRUE(responder.confirm(hex("f1")).has_value());
      expect_event<Confirmed>(pass(responder, initiator));
      EXPECT_EQ(initiator.state(), State::Open);
      EXPECT_EQ(responder.state(), State::Open);
      EXPECT_EQ(initiator.tpdu_size(), responder.tpdu_size());
      EXPECT_EQ(static_cast<int>(*initiator.tpdu_size()), std::min(proposed, maximum));
      EXPECT_EQ(initiator.selectors(), responder.selectors());
      EXPECT_EQ(initiator.remote_reference(), responder.local_reference());
      EXPECT_EQ(responder.remote_reference(), initiator.local_reference());
      EXPECT_EQ(to_hex(responder.connect_data()), "d1d2");
      EXPECT_EQ(to_hex(initiator.connect_data()), "d1d2");
      EXPECT_EQ(to_hex(responder.confirm_data()), "f1");
      EXPECT_EQ(to_hex(initiator.confirm_data()), "f1");
    }
}

TEST(Pair, RefusalReachesTheInitiator) {
  Connection initiator = calling();
  Connection responder = idle();
  expect_event<Indication>(pass(initiator, responder));
  ASSERT_TRUE(responder.refuse(DisconnectReason::CongestionAtTsap, as_bytes("later"), start).has_value());
  EXPECT_EQ(expect_event<Refused>(pass(responder, initiator)).reason, DisconnectReason::CongestionAtTsap);
  EXPECT_EQ(as_text(initiator.disconnect_info()), "later");
  EXPECT_EQ(initiator.state(), State::Closed);
  EXPECT_EQ(expect_event<CarrierEnded>(responder.carrier_ended()).during, State::Closing);
}

TEST(Pair, MovesASegmentedTsdu) {
  Connection sender = open_initiator();
  Connection receiver = open_responder();
  const std::size_t total = 5000;
  std::size_t arrived = 0;
  for (std::size_t sent = 0; sent < total;) {
    const std::size_t part = std::min(sender.max_data(), total - sent);
    const bool last = sent + part == total;
    const auto header = sender.data_header(part, last);
    ASSERT_TRUE(header.has_value());
    const auto event = expect_event<DataArrived>(receiver.receive(*header, header->size() + part, start));
    EXPECT_EQ(event.payload_length, part);
    EXPECT_EQ(event.end_of_tsdu, last);
    arrived += event.payload_length;
    sent += part;
  }
  EXPECT_EQ(arrived, total);
}

TEST(Pair, DisconnectDataReachesThePeer) {
  Connection left = open_initiator();
  Connection right = open_responder();
  ASSERT_TRUE(left.disconnect(as_bytes("bye"), start).has_value());
  EXPECT_EQ(expect_event<Released>(pass(left, right)).reason, DisconnectReason::NormalDisconnect);
  EXPECT_EQ(as_text(right.disconnect_info()), "bye");
  EXPECT_EQ(right.disconnect_reason(), DisconnectReason::NormalDisconnect);
  EXPECT_TRUE(right.output().empty());
}

TEST(Pair, OurOwnErrorReportClosesThePeerWithoutAnAnswer) {
  Connection left = open_initiator();
  Connection right = open_responder();
  expect_event<ProtocolError>(give(left, hex("02 f0 81 01")));
  expect_event<ErrorReported>(pass(left, right));
  EXPECT_EQ(right.state(), State::Closed);
  EXPECT_TRUE(right.output().empty());
}

// RFC 905 §6.5.4: TS1
TEST(Timers, ARequestWithoutAnswerEndsAtItsDeadline) {
  ConnectRequest request = usual_request();
  request.connect_time = seconds{7};
  Connection connection = calling(request);
  ASSERT_EQ(connection.deadline(), start + seconds{7});
  EXPECT_EQ(connection.on_deadline(start + seconds{7} - Duration{1}).error(), Misuse::NotDue);
  EXPECT_EQ(connection.state(), State::AwaitingConfirm);
  EXPECT_EQ(expect_event<TimedOut>(connection.on_deadline(start + seconds{7})).timer, Timer::Connect);
  EXPECT_EQ(connection.state(), State::Closed);
  EXPECT_FALSE(connection.deadline().has_value());
  EXPECT_TRUE(connection.output().empty());
}

// RFC 905 §6.22.3: TS2
TEST(Timers, AnErrorWaitsForThePeerNoLongerThanItsDeadline) {
  Connection connection = idle({.closing_time = seconds{2}});
  const Instant later = start + seconds{50};
  expect_event<ProtocolError>(give(connection, hex("02f08001"), later));
  ASSERT_EQ(connection.deadline(), later + seconds{2});
  EXPECT_EQ(connection.on_deadline(later).error(), Misuse::NotDue);
  EXPECT_EQ(expect_event<TimedOut>(connection.on_deadline(later + seconds{3})).timer, Timer::Closing);
  EXPECT_EQ(connection.state(), State::Closed);
  EXPECT_TRUE(connection.output().empty());
}

TEST(Timers, TheInitiatorsClosingTimeIsItsOwn) {
  ConnectRequest request = usual_request();
  request.closing_time = seconds{1};
  Connection connection = calling(request);
  expect_event<ProtocolError>(give(connection, hex("02f08001")));
  EXPECT_EQ(connection.deadline(), start + seconds{1});
}

TEST(Timers, OnlyTwoStatesHaveADeadline) {
  EXPECT_FALSE(idle().deadline().has_value());
  EXPECT_TRUE(awaiting_confirm().deadline().has_value());
  EXPECT_FALSE(indicated().deadline().has_value());
  EXPECT_FALSE(open_initiator().deadline().has_value());
  EXPECT_FALSE(open_responder().deadline().has_value());
  EXPECT_TRUE(closing().deadline().has_value());
  EXPECT_FALSE(closed().deadline().has_value());
}

TEST(Timers, AnEndlessTimeDoesNotOverflow) {
  ConnectRequest request = usual_request();
  request.connect_time = Duration::max();
  Connection connection = calling(request);
  EXPECT_EQ(connection.deadline(), never);
  EXPECT_EQ(connection.on_deadline(start + seconds{1000000}).error(), Misuse::NotDue);
}

TEST(Image, GoesOnWhereTheConnectionStopped) {
  const Connection originals[] = {open_initiator(), open_responder(), indicated()};
  for (const Connection& original : originals) {
    const auto image = original.image();
    ASSERT_TRUE(image.has_value());
    const auto restored = Connection::restore(*image);
    ASSERT_TRUE(restored.has_value());
    EXPECT_EQ(restored->state(), original.state());
    EXPECT_EQ(restored->role(), original.role());
    EXPECT_EQ(restored->local_reference(), original.local_reference());
    EXPECT_EQ(restored->remote_reference(), original.remote_reference());
    EXPECT_EQ(restored->tpdu_size(), original.tpdu_size());
    EXPECT_EQ(restored->selectors(), original.selectors());
    EXPECT_EQ(restored->image(), image);
    EXPECT_TRUE(restored->output().empty());
  }
}

// The hand-off point before the CC: the new owner answers.
TEST(Image, OfAnUnansweredRequestCanBeConfirmedElsewhere) {
  Connection restored = Connection::restore(*indicated().image()).value();
  ASSERT_TRUE(restored.confirm().has_value());
  EXPECT_EQ(take_output(restored), "11d001020a0b00c0010ac102c1c1c202c2c2");
  EXPECT_EQ(to_hex(*restored.data_header(1021, true)), "02f080");
}

TEST(Image, ThatCannotBeIsRefused) {
  Image image = *open_initiator().image();
  image.confirmed = false;
  EXPECT_EQ(Connection::restore(image).error(), Misuse::WrongState);
  image = *open_responder().image();
  image.local_reference = 0;
  EXPECT_EQ(Connection::restore(image).error(), Misuse::ZeroReference);
}

TEST(Copy, IsAConnectionOfItsOwn) {
  Connection original = open_responder();
  Connection copy = original;
  expect_event<Released>(give(copy, hex("06 80 0000 0000 00")));
  EXPECT_EQ(copy.state(), State::Closed);
  EXPECT_EQ(original.state(), State::Open);
  EXPECT_TRUE(original.data_header(1, true).has_value());
}

// Whatever a peer sends, a connection answers with at most one TPDU, and that is one that another can read.
TEST(Garbage, NeverBreaksAConnection) {
  std::mt19937 random{42};
  constexpr std::uint8_t codes[] = {0xE0, 0xD0, 0x80, 0xF0, 0x70, 0xC0};
  for (int round = 0; round < 20000; ++round) {
    Connection made[] = {idle(), awaiting_confirm(), indicated(), open_responder(), open_initiator()};
    for (Connection& connection : made)
      for (int message = 0; message < 4 && connection.state() != State::Closed; ++message) {
        Octets octets(1 + random() % 60);
        for (std::byte& each : octets) each = static_cast<std::byte>(random());
        if (octets.size() > 2) {
          octets[0] = static_cast<std::byte>(random() % octets.size());
          octets[1] = std::byte{codes[random() % 6]};
        }
        const bool was_closing = connection.state() == State::Closing;
        ASSERT_TRUE(give(connection, octets).has_value()) << to_hex(octets);
        if (connection.output().empty()) continue;
        ASSERT_FALSE(was_closing);
        ASSERT_EQ(connection.state(), State::Closing);
        ASSERT_TRUE(cotp::decode(connection.output()).has_value());
        connection.consume_output();
        ASSERT_TRUE(connection.output().empty());
      }
  }
}

}  // namespace
}  // namespace baton::transport
