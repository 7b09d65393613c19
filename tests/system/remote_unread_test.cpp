// SPDX-License-Identifier: MIT
// A connection whose CR nobody has read comes to the TSAP's listener from another process of the host; and what else
// may come that way.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "raw_peer.hpp"
#include "remote.hpp"
#include "support/sockets.hpp"

namespace baton::system_tests {
namespace {

using handoff::TakeOutcome;

constexpr std::uint8_t taken_type = 5;

/// A client, and what the process that has the port has accepted.
struct Pair {
  Pair() {
    const UniqueFd listening = test::tcp_listen(AF_INET);
    client = test::tcp_connect(AF_INET, test::port_of(listening.ref()));
    server = UniqueFd{adopt, ::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  }
  /// Says `octets`, and they have arrived.
  void say(std::string_view octets) const {
    write_all(client.get(), octets);
    char first = 0;
    ASSERT_EQ(::recv(server.get(), &first, 1, MSG_PEEK), 1);
  }
  UniqueFd client;
  UniqueFd server;
};

/// S listens at TSEL "S"; the test is the process that has the port.
class Unread : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    Pair first;
    serve(first, "S");
    close_in(*server_, {taken_});
    remember_descriptors();
  }
  void TearDown() override { expect_unharmed(); }

  /// As described(), of this kind.
  static std::vector<std::byte> gift(handoff::CallItem item, bool express = true) {
    item.kind = handoff::Kind::UnreadConnectRequest;
    return call_frame_of(1, express, {&item, 1});
  }
  Reply<int> look() {
    return server_->call([listening = listening_] {
      pollfd entry{listening, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 0);
    });
  }
  /// What S's library answers; nothing of it is there for S's program.
  std::vector<std::byte> answer_to(const std::vector<std::byte>& message, std::span<const int> descriptors) {
    const RawPeer peer{folder_.path(), "S"};
    EXPECT_TRUE(peer.send_with(message, descriptors));
    EXPECT_EQ(look().value, 0);
    return peer.receive();
  }
  /// The client calls `tsel`; given to S, confirmed, and a TSDU each way.
  void serve(Pair& pair, std::string_view tsel) {
    pair.say(connection_request(tsel));
    const RawPeer peer{folder_.path(), "S"};
    const int number = pair.server.get();
    ASSERT_TRUE(peer.send_with(gift(described(number)), {&number, 1}));
    taken_ = server_
                 ->call([listening = listening_] {
                   const int s = accept_iso(listening);
                   return s >= 0 && soc_write(s, "welcome", 7) == 7 ? s : -1;
                 })
                 .value;
    ASSERT_GE(taken_, 0);
    EXPECT_EQ(outcome_in(peer.receive_frame(taken_type)), TakeOutcome::Taken);
    EXPECT_TRUE(peer.receive().empty());  // and no more
    pair.server.reset();
    EXPECT_EQ(static_cast<unsigned char>(read_packet(pair.client.get())[1]), 0xd0);
    EXPECT_EQ(read_tsdu(pair.client.get()), "welcome");
  }

  int taken_ = -1;
};

TEST_F(Unread, IsAcceptedAsIfItHadComeToAPortOfS) {
  Pair pair;
  serve(pair, "S");
  write_all(pair.client.get(), data_packet("a message"));
  EXPECT_EQ(server_
                ->call([s = taken_] {
                  char octets[64];
                  return soc_read(s, octets, sizeof octets);
                })
                .value,
            9);
  close_in(*server_, {taken_});
  EXPECT_TRUE(read_packet(pair.client.get()).empty());
}

TEST_F(Unread, ThatCallsAnotherTsapIsRefusedByItsListener) {
  Pair pair;
  const std::size_t before = server_->descriptors();
  pair.say(connection_request("OTHER"));
  const int number = pair.server.get();
  EXPECT_EQ(outcome_in(answer_to(gift(described(number)), {&number, 1})), TakeOutcome::Taken);
  pair.server.reset();
  const std::string dr = read_packet(pair.client.get());
  ASSERT_GT(dr.size(), 6U);
  EXPECT_EQ(static_cast<unsigned char>(dr[1]), 0x80);
  EXPECT_EQ(dr[6], 3);  // address unknown (RFC 905 13.5.3)
  pair.client.reset();
  while (server_->descriptors() > before) (void)look();  // the port sees that the client has gone
}

TEST_F(Unread, IsTheGiversUntilTakenIsSent) {
  Pair pair;
  pair.say(connection_request("S"));
  const int number = pair.server.get();
  const RawPeer peer{folder_.path(), "S"};
  ASSERT_TRUE(peer.send_with(gift(described(number)), {&number, 1}));
  ASSERT_EQ(::shutdown(peer.number(), SHUT_RD), 0);  // has waited enough
  EXPECT_EQ(look().value, 0);
  EXPECT_TRUE(peer.receive().empty());
  // S has read nothing of it.
  char first = 0;
  EXPECT_EQ(::recv(number, &first, 1, MSG_PEEK), 1);
  EXPECT_EQ(first, 3);
}

TEST_F(Unread, IsOneEndPointHoweverOftenItIsGiven) {
  Pair pair;
  const UniqueFd again{adopt, ::dup(pair.server.get())};
  serve(pair, "S");
  const int number = again.get();
  EXPECT_EQ(outcome_in(answer_to(gift(described(number)), {&number, 1})), TakeOutcome::WrongCookie);
  close_in(*server_, {taken_});
}

TEST_F(Unread, IsAcceptedOnceIfItWasGivenTwiceBefore) {
  const Pair pair;
  pair.say(connection_request("S") + connection_request("S"));
  const int number = pair.server.get();
  for (int i = 0; i < 2; ++i) {
    const RawPeer peer{folder_.path(), "S"};
    ASSERT_TRUE(peer.send_with(gift(described(number)), {&number, 1}));
    EXPECT_EQ(look().value, 1);
    EXPECT_EQ(outcome_in(peer.receive_frame(taken_type)), TakeOutcome::Taken);
  }
  const int accepted = server_->call([listening = listening_] { return accept_iso(listening); }).value;
  EXPECT_GE(accepted, 0);
  const auto second = server_->call([listening = listening_] {
    ::fcntl(listening, F_SETFL, O_NONBLOCK);
    const int s = soc_accept(listening, nullptr, nullptr);
    const int error = errno;
    ::fcntl(listening, F_SETFL, 0);
    errno = error;
    return s;
  });
  EXPECT_EQ(second.value, -1);
  EXPECT_EQ(second.error, EWOULDBLOCK);
  close_in(*server_, {accepted});
}

TEST_F(Unread, StaysWithTheGiverWhereSHasNoDescriptorForIt) {
  const Pair pair;
  pair.say(connection_request("S"));
  const int number = pair.server.get();
  const RawPeer peer{folder_.path(), "S"};
  ASSERT_TRUE(peer.send_with(gift(described(number)), {&number, 1}));
  const unsigned long before = server_->call([] { return limit_descriptors(1); }).value;  // for what brings it
  EXPECT_EQ(look().value, 0);
  server_->call([before] {
    restore_descriptors(before);
    return 0;
  });
  EXPECT_EQ(outcome_in(peer.receive()), TakeOutcome::NoDescriptor);
  char first = 0;
  EXPECT_EQ(::recv(number, &first, 1, MSG_PEEK), 1);
  EXPECT_EQ(first, 3);
}

TEST_F(Unread, WhatIsNoneIsRefusedOrClosed) {
  Pair pair;
  const int number = pair.server.get();
  const handoff::CallItem item = described(number);
  std::array<int, 2> pipe_ends;
  ASSERT_EQ(::pipe2(pipe_ends.data(), O_CLOEXEC), 0);
  const UniqueFd reader{adopt, pipe_ends[0]};
  const UniqueFd writer{adopt, pipe_ends[1]};

  EXPECT_EQ(outcome_in(answer_to(gift(item), {&pipe_ends[0], 1})), TakeOutcome::WrongKind);
  EXPECT_EQ(outcome_in(answer_to(gift(item), {})), TakeOutcome::NoDescriptor);
  const std::array<int, 2> twice{number, number};
  EXPECT_EQ(outcome_in(answer_to(gift(item), twice)), TakeOutcome::NoDescriptor);
  handoff::CallItem wrong = item;
  wrong.image.cookie ^= 1;
  EXPECT_EQ(outcome_in(answer_to(gift(wrong), {&number, 1})), TakeOutcome::WrongCookie);
  wrong = item;
  wrong.image.position.consumed += 1;
  EXPECT_EQ(outcome_in(answer_to(gift(wrong), {&number, 1})), TakeOutcome::Touched);
  // No such frame: turned away as whoever sends no CR.
  for (const auto& message : {gift(item, false), call_frame_of(1, true, {&item, 1}), hello_frame(),
                              std::vector<std::byte>(20, std::byte{255})}) {
    const auto answer = answer_to(message, {&number, 1});
    EXPECT_FALSE(handoff::is_frame(answer));
  }
  // The connection has come through all of it.
  write_all(pair.client.get(), "x");
  EXPECT_EQ(read_some(number, 1), "x");
}

}  // namespace
}  // namespace baton::system_tests
