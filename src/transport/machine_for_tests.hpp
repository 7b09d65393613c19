// SPDX-License-Identifier: MIT
// baton: transport/machine_for_tests.hpp: connections in every state, and short ways to talk to them. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

#include "cotp/octets_for_tests.hpp"
#include "transport/connection.hpp"

namespace baton::transport {

using cotp::hex;
using cotp::Octets;
using cotp::to_hex;
using cotp::TpduBuilder;
using std::chrono::seconds;

inline constexpr Instant start = seconds{1000};
inline constexpr std::uint16_t our_reference = 0x0A0B;
inline constexpr std::uint16_t peer_reference = 0x0102;

inline Selector selector(std::string_view digits) { return Selector::from(hex(digits)).value(); }

inline ConnectRequest usual_request() {
  return {.local_reference = our_reference, .selectors = {.calling = selector("c1c1"), .called = selector("c2c2")}};
}

inline Octets usual_cr() {
  return TpduBuilder::request(peer_reference)
      .parameter(0xC0, "0a")
      .parameter(0xC1, "c1c1")
      .parameter(0xC2, "c2c2")
      .octets();
}
inline Octets usual_cc() { return TpduBuilder::confirm(our_reference, peer_reference).parameter(0xC0, "0a").octets(); }

/// The oldest TPDU of the output, taken out; "" if there is none.
inline std::string take_output(Connection& connection) {
  const std::string text = to_hex(connection.output());
  if (!text.empty()) connection.consume_output();
  return text;
}

inline Connection idle(const ResponderSettings& settings = {}) {
  return Connection::await(our_reference, settings).value();
}
/// The CR is still in the output.
inline Connection calling(const ConnectRequest& request = usual_request()) {
  return Connection::initiate(request, start).value();
}
inline Connection awaiting_confirm() {
  Connection made = calling();
  made.consume_output();
  return made;
}
inline std::expected<Event, Misuse> give(Connection& connection, const Octets& tpdu, Instant now = start) {
  return connection.receive(tpdu, tpdu.size(), now);
}
inline Connection indicated(const Octets& cr = usual_cr()) {
  Connection made = idle();
  EXPECT_TRUE(give(made, cr).has_value());
  EXPECT_EQ(made.state(), State::Indicated);
  return made;
}
inline Connection open_responder() {
  Connection made = indicated();
  EXPECT_TRUE(made.confirm().has_value());
  made.consume_output();
  return made;
}
inline Connection open_initiator() {
  Connection made = awaiting_confirm();
  EXPECT_TRUE(give(made, usual_cc()).has_value());
  return made;
}
inline Connection closing() {
  Connection made = open_responder();
  EXPECT_TRUE(made.disconnect({}, start).has_value());
  made.consume_output();
  return made;
}
inline Connection closed() {
  Connection made = open_responder();
  EXPECT_TRUE(made.carrier_ended().has_value());
  return made;
}

/// The event, which must be an `E`.
template <typename E>
E expect_event(const std::expected<Event, Misuse>& event) {
  EXPECT_TRUE(event.has_value());
  const E* found = event ? std::get_if<E>(&*event) : nullptr;
  EXPECT_NE(found, nullptr) << "another event, number " << (event ? event->index() : 99);
  return found != nullptr ? *found : E{};
}

}  // namespace baton::transport
