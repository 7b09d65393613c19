// SPDX-License-Identifier: MIT
// Conversations: what a connection does in each state, with the clause that asks for it.
#include "transport/connection.hpp"

#include <gtest/gtest.h>

#include "transport/machine_for_tests.hpp"

namespace baton::transport {
namespace {

using cotp::DisconnectReason;
using cotp::RejectCause;
using cotp::TpduSize;

// Some servers drop a CR with any parameter but these.
TEST(Initiator, SendsSizeAndSelectorsAndNothingElse) {
  Connection connection = calling();
  EXPECT_EQ(connection.state(), State::AwaitingConfirm);
  EXPECT_EQ(connection.role(), Role::Initiator);
  EXPECT_EQ(take_output(connection), "11e000000a0b00c0010bc102c1c1c202c2c2");
  EXPECT_TRUE(connection.output().empty());
}

TEST(Initiator, SendsUserDataBehindTheHeader) {
  ConnectRequest request = usual_request();
  request.user_data = *ConnectData::from(hex("d1d2"));
  request.proposed_size = TpduSize::Octets65531;
  Connection connection = calling(request);
  EXPECT_EQ(take_output(connection), "11e000000a0b00c00110c102c1c1c202c2c2d1d2");
  EXPECT_EQ(to_hex(connection.connect_data()), "d1d2");
}

// RFC 905 §6.5.4a, §13.3
TEST(Initiator, NeedsAReferenceAndACrOf128Octets) {
  ConnectRequest request = usual_request();
  request.local_reference = 0;
  EXPECT_EQ(Connection::initiate(request, start).error(), Misuse::ZeroReference);
  request = usual_request();
  request.selectors.calling = *Selector::from(cotp::repeated(64, 1));
  request.selectors.called = *Selector::from(cotp::repeated(64, 2));
  EXPECT_EQ(Connection::initiate(request, start).error(), Misuse::TooLong);
  // The largest that BS2000 knows, with all the user data there may be, fits.
  request.selectors.calling = *Selector::from(cotp::repeated(32, 1));
  request.selectors.called = *Selector::from(cotp::repeated(32, 2));
  request.user_data = *ConnectData::from(cotp::repeated(32, 3));
  EXPECT_TRUE(Connection::initiate(request, start).has_value());
}

TEST(Initiator, OpensWithTheConfirmation) {
  Connection connection = awaiting_confirm();
  expect_event<Confirmed>(give(connection, TpduBuilder::confirm(our_reference, peer_reference)
                                               .parameter(0xC0, "09")
                                               .parameter(0xC1, "c1c1")
                                               .parameter(0xC2, "c2c2")
                                               .user_data(hex("f1f2"))
                                               .octets()));
  EXPECT_EQ(connection.state(), State::Open);
  EXPECT_EQ(connection.remote_reference(), peer_reference);
  EXPECT_EQ(connection.tpdu_size(), TpduSize::Octets512);
  EXPECT_EQ(connection.max_data(), 509U);
  EXPECT_EQ(to_hex(connection.confirm_data()), "f1f2");
  EXPECT_FALSE(connection.deadline().has_value());
  EXPECT_TRUE(connection.output().empty());
}

// RFC 2126 §6.4
TEST(Initiator, KeepsItsSizeWhenTheConfirmationNamesNone) {
  Connection connection = awaiting_confirm();
  expect_event<Confirmed>(give(connection, TpduBuilder::confirm(our_reference, peer_reference).octets()));
  EXPECT_EQ(connection.tpdu_size(), TpduSize::Octets2048);
}

// snap7 returns the CR under another code, references and all.
TEST(Initiator, TakesAConfirmationWithMisplacedReferences) {
  Connection connection = awaiting_confirm();
  expect_event<Confirmed>(give(connection, TpduBuilder::confirm(0, our_reference).parameter(0xC0, "0b").octets()));
  EXPECT_EQ(connection.state(), State::Open);
}

struct BadConfirm {
  const char* what;
  Octets cc;
  Violation violation;
  const char* error;
};

TEST(Initiator, AnswersAConfirmationItDidNotAskForWithAnError) {
  const auto cc = [](int option = 0) { return TpduBuilder::confirm(our_reference, peer_reference, option); };
  const BadConfirm cases[] = {
      // RFC 905 table 3
      {"class 4", cc(0x40).octets(), Violation::ClassNotProposed, "0d70010203c10706d00a0b010240"},
      // RFC 905 §13.4.4
      {"larger size", cc().parameter(0xC0, "0c").octets(), Violation::SizeNotProposed,
       "1070010203c10a09d00a0b010200c0010c"},
      // X.224 §13.4.4: F0 answers F0 only
      {"F0", cc().parameter(0xF0, "01").octets(), Violation::SizeNotProposed, "1070010203c10a09d00a0b010200f00101"},
      // RFC 905 §13.2.3
      {"unknown parameter", cc().parameter(0x55, "01").octets(), Violation::Malformed,
       "0e70010201c10809d00a0b01020055"},
  };
  for (const BadConfirm& each : cases) {
    SCOPED_TRACE(each.what);
    Connection connection = awaiting_confirm();
    EXPECT_EQ(expect_event<ProtocolError>(give(connection, each.cc)).violation, each.violation);
    EXPECT_EQ(connection.state(), State::Closing);
    EXPECT_EQ(take_output(connection), each.error);
    EXPECT_EQ(connection.deadline(), start + default_closing_time);
  }
}

// RFC 905 §6.6.3
TEST(Initiator, LearnsReasonAndTextOfARefusal) {
  Connection connection = awaiting_confirm();
  const auto refused = expect_event<Refused>(
      give(connection, TpduBuilder{{0x80, 0x0A, 0x0B, 0, 0, 3}}.parameter(0xE0, "6e6f").octets()));
  EXPECT_EQ(refused.reason, DisconnectReason::AddressUnknown);
  EXPECT_EQ(connection.state(), State::Closed);
  EXPECT_EQ(connection.disconnect_reason(), DisconnectReason::AddressUnknown);
  EXPECT_EQ(as_text(connection.disconnect_info()), "no");
  EXPECT_FALSE(connection.deadline().has_value());
  EXPECT_TRUE(connection.output().empty());
}

TEST(Initiator, KeepsAllTheTextThatADrCanHold) {
  Connection connection = awaiting_confirm();
  expect_event<Refused>(
      give(connection, TpduBuilder{{0x80, 0, 0, 0, 0, 0x80}}.parameter(0xE0, cotp::repeated(246, 0x41)).octets()));
  EXPECT_EQ(connection.disconnect_info().size(), 246U);
}

// RFC 905 §6.22.3
TEST(Initiator, ClosesOnAnError) {
  Connection connection = awaiting_confirm();
  EXPECT_EQ(expect_event<ErrorReported>(give(connection, hex("06 70 0a0b 01 c100"))).cause,
            RejectCause::InvalidParameterCode);
  EXPECT_EQ(connection.state(), State::Closed);
  EXPECT_TRUE(connection.output().empty());
}

TEST(Responder, IndicatesWhatTheRequestSays) {
  Connection connection = idle();
  expect_event<Indication>(give(connection, TpduBuilder::request(peer_reference)
                                                .parameter(0xC0, "0a")
                                                .parameter(0xC2, "0102")
                                                .parameter(0xC1, "a1a2a3")
                                                .user_data(hex("d1"))
                                                .octets()));
  EXPECT_EQ(connection.state(), State::Indicated);
  EXPECT_EQ(connection.role(), Role::Responder);
  EXPECT_EQ(connection.local_reference(), our_reference);
  EXPECT_EQ(connection.remote_reference(), peer_reference);
  EXPECT_EQ(to_hex(connection.selectors().calling.bytes()), "a1a2a3");
  EXPECT_EQ(to_hex(connection.selectors().called.bytes()), "0102");
  EXPECT_EQ(connection.tpdu_size(), TpduSize::Octets1024);
  EXPECT_EQ(to_hex(connection.connect_data()), "d1");
  EXPECT_TRUE(connection.output().empty());
}

// RFC 2126 §6.4; some clients refuse a CC without the selectors.
TEST(Responder, ConfirmsWithSizeAndBothSelectors) {
  Connection connection = indicated();
  ASSERT_TRUE(connection.confirm(hex("f1")).has_value());
  EXPECT_EQ(connection.state(), State::Open);
  EXPECT_EQ(take_output(connection), "11d001020a0b00c0010ac102c1c1c202c2c2f1");
  EXPECT_EQ(to_hex(connection.confirm_data()), "f1");
  EXPECT_EQ(connection.max_data(), 1021U);
}

TEST(Responder, ConfirmsWithoutSelectorsWhereTheyWouldNotFit) {
  Connection connection = indicated(TpduBuilder::request(peer_reference)
                                        .parameter(0xC1, cotp::repeated(64, 1))
                                        .parameter(0xC2, cotp::repeated(50, 2))
                                        .octets());
  ASSERT_TRUE(connection.confirm(hex("f1f2")).has_value());
  EXPECT_EQ(take_output(connection), "09d001020a0b00c0010bf1f2");
}

TEST(Responder, ConfirmsWithAtMost32Octets) {
  Connection connection = indicated();
  EXPECT_EQ(connection.confirm(cotp::repeated(33, 0)).error(), Misuse::TooLong);
  EXPECT_EQ(connection.state(), State::Indicated);
  EXPECT_TRUE(connection.confirm(cotp::repeated(32, 0)).has_value());
}

// RFC 905 §6.6.3: SRC-REF is 0.
TEST(Responder, RefusesWithReasonAndText) {
  Connection connection = indicated();
  EXPECT_EQ(connection.refuse(DisconnectReason::AddressUnknown, cotp::repeated(120, 0), start).error(),
            Misuse::TooLong);
  ASSERT_TRUE(connection.refuse(DisconnectReason::AddressUnknown, as_bytes("no"), start).has_value());
  EXPECT_EQ(connection.state(), State::Closing);
  EXPECT_EQ(take_output(connection), "0a800102000003e0026e6f");
  EXPECT_EQ(connection.deadline(), start + default_closing_time);
}

struct SizeCase {
  const char* parameters;
  TpduSize maximum;
  TpduSize selected;
};

TEST(Responder, SelectsASizeThatBothSidesCanTake) {
  const SizeCase cases[] = {
      {"c0010a", TpduSize::Octets65531, TpduSize::Octets1024},
      {"c00110", TpduSize::Octets65531, TpduSize::Octets65531},
      {"c00110", TpduSize::Octets8192, TpduSize::Octets8192},
      {"", TpduSize::Octets65531, TpduSize::Octets2048},
      {"", TpduSize::Octets512, TpduSize::Octets512},
      {"c00106", TpduSize::Octets65531, TpduSize::Octets2048},
      // X.224 §13.3.4c: F0 beside C0 is for those who answer F0; alone it is a bound all the same.
      {"f00201ffc0010b", TpduSize::Octets65531, TpduSize::Octets2048},
      {"f00104", TpduSize::Octets65531, TpduSize::Octets512},
      {"f004ffffffff", TpduSize::Octets65531, TpduSize::Octets2048},
  };
  for (const SizeCase& each : cases) {
    SCOPED_TRACE(each.parameters);
    Connection connection = idle({.maximum_size = each.maximum});
    expect_event<Indication>(give(connection, TpduBuilder::request().raw(each.parameters).octets()));
    EXPECT_EQ(connection.tpdu_size(), each.selected);
  }
}

TEST(Responder, AnswersARequestWithoutASizeAsItWasTold) {
  Connection connection = idle({.size_if_none = TpduSize::Octets65531});
  expect_event<Indication>(give(connection, TpduBuilder::request().octets()));
  EXPECT_EQ(connection.tpdu_size(), TpduSize::Octets65531);
}

TEST(Responder, NeedsAReference) { EXPECT_EQ(Connection::await(0, {}).error(), Misuse::ZeroReference); }

// A selector has no maximum in RFC 905, so these are refused, not called malformed.
TEST(Responder, RefusesSelectorsThatNobodyHas) {
  Connection called = idle();
  EXPECT_EQ(expect_event<NegotiationFailed>(
                give(called, TpduBuilder::request(peer_reference).parameter(0xC2, cotp::repeated(65, 1)).octets()))
                .reason,
            DisconnectReason::AddressUnknown);
  EXPECT_EQ(take_output(called), "06800102000003");
  Connection by = idle();
  EXPECT_EQ(expect_event<NegotiationFailed>(
                give(by, TpduBuilder::request(peer_reference).parameter(0xC1, cotp::repeated(65, 1)).octets()))
                .reason,
            DisconnectReason::HeaderOrParameterLengthInvalid);
  EXPECT_EQ(take_output(by), "0680010200008a");
}

TEST(Responder, ClosesWithoutAWordOnADisconnectOrErrorThatComesFirst) {
  Connection by_disconnect = idle();
  expect_event<Released>(give(by_disconnect, hex("06 80 0000 0001 00")));
  EXPECT_EQ(by_disconnect.state(), State::Closed);
  EXPECT_TRUE(by_disconnect.output().empty());
  Connection by_error = idle();
  expect_event<ErrorReported>(give(by_error, hex("06 70 0000 00 c100")));
  EXPECT_EQ(by_error.state(), State::Closed);
  EXPECT_TRUE(by_error.output().empty());
}

// RFC 905 §6.3.3, §13.7
TEST(Transfer, FramesUserData) {
  Connection connection = open_responder();
  EXPECT_EQ(to_hex(*connection.data_header(1021, true)), "02f080");
  EXPECT_EQ(to_hex(*connection.data_header(1, false)), "02f000");
  EXPECT_EQ(to_hex(*connection.data_header(0, true)), "02f080");
  EXPECT_EQ(connection.data_header(1022, true).error(), Misuse::TooLong);
  EXPECT_EQ(connection.data_header(0, false).error(), Misuse::EmptyData);
}

TEST(Transfer, SendsTheConfirmationBeforeAnyData) {
  Connection connection = indicated();
  ASSERT_TRUE(connection.confirm().has_value());
  EXPECT_EQ(connection.data_header(1, true).error(), Misuse::OutputWaiting);
  EXPECT_EQ(connection.image().error(), Misuse::OutputWaiting);
  connection.consume_output();
  EXPECT_TRUE(connection.data_header(1, true).has_value());
}

TEST(Transfer, NeedsOnlyTheHeaderOfDataThatArrives) {
  Connection connection = open_initiator();
  EXPECT_EQ(connection.receive(hex("02f0"), 1024, start).error(), Misuse::HeadTooShort);
  const auto arrived = expect_event<DataArrived>(connection.receive(hex("02f080"), 1024, start));
  EXPECT_EQ(arrived.payload_offset, 3U);
  EXPECT_EQ(arrived.payload_length, 1021U);
  EXPECT_TRUE(arrived.end_of_tsdu);
  EXPECT_EQ(connection.state(), State::Open);
}

// BS2000 disconnect data travel in the DR.
TEST(Release, SendsADisconnectOnlyWhenAsked) {
  Connection connection = open_responder();
  EXPECT_EQ(connection.disconnect(cotp::repeated(120, 0), start).error(), Misuse::TooLong);
  ASSERT_TRUE(connection.disconnect(hex("e1e2"), start).has_value());
  EXPECT_EQ(connection.state(), State::Closing);
  EXPECT_EQ(take_output(connection), "0a8001020a0b80e002e1e2");
}

TEST(Release, GoesOutBehindAConfirmationThatStillWaits) {
  Connection connection = indicated();
  ASSERT_TRUE(connection.confirm().has_value());
  ASSERT_TRUE(connection.disconnect({}, start).has_value());
  EXPECT_EQ(take_output(connection).substr(2, 2), "d0");
  EXPECT_EQ(take_output(connection).substr(2, 2), "80");
  EXPECT_EQ(take_output(connection), "");
}

// RFC 905 §6.22.3: whatever arrives after our ER or DR is ignored, broken or not.
TEST(Release, IgnoresEverythingWhileClosing) {
  const Octets late[] = {
      hex("02f080"), hex("06 80 0000 0000 00"), hex("05 c0 0000 0000"), hex("04 70 0000 00"), hex("ff"), usual_cr()};
  for (const Octets& each : late) {
    Connection connection = closing();
    expect_event<Ignored>(give(connection, each));
    EXPECT_EQ(connection.state(), State::Closing);
    EXPECT_TRUE(connection.output().empty());
  }
}

// RFC 905 §6.22.3 note 2
TEST(Errors, NeverAnswerABrokenErrorWithAnother) {
  Connection made[] = {idle(), awaiting_confirm(), indicated(), open_responder()};
  for (Connection& connection : made) {
    const auto error = expect_event<ProtocolError>(give(connection, hex("03 70 0000 00")));
    EXPECT_EQ(error.violation, Violation::Malformed);
    EXPECT_EQ(connection.state(), State::Closed);
    EXPECT_TRUE(connection.output().empty());
  }
}

struct Misplaced {
  Connection connection;
  Octets tpdu;
  const char* error;
};

// RFC 905 §6.22.3
TEST(Errors, AnswerEveryMisplacedTpdu) {
  const Octets dt = hex("02 f0 80 01");
  const Misplaced cases[] = {
      {idle(), dt, "0870000002c10202f0"},
      {idle(), usual_cc(), "0870000002c10209d0"},
      {awaiting_confirm(), dt, "0870000002c10202f0"},
      {awaiting_confirm(), usual_cr(), "0870000002c10211e0"},
      {indicated(), dt, "0870010202c10202f0"},
      {indicated(), usual_cr(), "0870010202c10211e0"},
      {indicated(), usual_cc(), "0870010202c10209d0"},
      {open_responder(), usual_cr(), "0870010202c10211e0"},
      {open_initiator(), usual_cc(), "0870010202c10209d0"},
  };
  for (const Misplaced& each : cases) {
    SCOPED_TRACE(to_hex(each.tpdu));
    Connection connection = each.connection;
    const auto error = expect_event<ProtocolError>(give(connection, each.tpdu));
    EXPECT_EQ(error.violation, Violation::Misplaced);
    EXPECT_EQ(error.cause, RejectCause::InvalidTpduType);
    EXPECT_EQ(connection.state(), State::Closing);
    EXPECT_EQ(take_output(connection), each.error);
  }
}

TEST(Indicated, EndsWhenThePeerGivesUp) {
  Connection connection = indicated();
  expect_event<Released>(give(connection, hex("06 80 0000 0102 80")));
  EXPECT_EQ(connection.state(), State::Closed);
  EXPECT_EQ(connection.confirm().error(), Misuse::WrongState);
}

// The calls of the table in the header, tried in every state.
TEST(Misuse, ChangesNothing) {
  const Connection made[] = {idle(), awaiting_confirm(), indicated(), open_responder(), closing(), closed()};
  for (const Connection& original : made) {
    const State state = original.state();
    SCOPED_TRACE(static_cast<int>(state));
    const auto expect_only_in = [&](State right, const auto& call) {
      Connection connection = original;
      const auto outcome = call(connection);
      EXPECT_EQ(outcome.has_value(), state == right);
      if (outcome.has_value()) return;
      EXPECT_EQ(outcome.error(), Misuse::WrongState);
      EXPECT_EQ(connection.state(), state);
      EXPECT_TRUE(connection.output().empty());
    };
    expect_only_in(State::Indicated, [](Connection& c) { return c.confirm(); });
    expect_only_in(State::Indicated, [](Connection& c) { return c.refuse(DisconnectReason::NotSpecified, {}, start); });
    expect_only_in(State::Open, [](Connection& c) { return c.disconnect({}, start); });
    expect_only_in(State::Open, [](Connection& c) { return c.data_header(1, true); });
    Connection connection = original;
    EXPECT_EQ(connection.image().has_value(), state == State::Open || state == State::Indicated);
    EXPECT_EQ(connection.on_deadline(start).error(), Misuse::NotDue);
    if (state == State::Closed) {
      EXPECT_EQ(give(connection, hex("02f080")).error(), Misuse::WrongState);
      EXPECT_EQ(connection.carrier_ended().error(), Misuse::WrongState);
    } else {
      EXPECT_EQ(expect_event<CarrierEnded>(connection.carrier_ended()).during, state);
      EXPECT_EQ(connection.state(), State::Closed);
      EXPECT_FALSE(connection.deadline().has_value());
    }
  }
}

}  // namespace
}  // namespace baton::transport
