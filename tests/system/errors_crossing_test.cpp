// SPDX-License-Identifier: MIT
// What the simulator found (docs/simulator.md), with real processes: ends of links and deaths that cross with moves.
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "hostile.hpp"

namespace baton::system_tests {
namespace {

constexpr auto taken_type = static_cast<std::uint8_t>(handoff::FrameType::Taken);
constexpr auto credit_type = static_cast<std::uint8_t>(handoff::FrameType::Credit);

/// A connection of which the test has both ends: `far` is the client's.
struct Pair {
  UniqueFd near;
  UniqueFd far;
};
Pair tcp_pair() {
  unsigned short port = 0;
  const UniqueFd front{adopt, listen_tcp(AF_INET, &port)};
  UniqueFd far{adopt, connect_tcp(AF_INET, port)};
  UniqueFd near{adopt, ::accept(front.get(), nullptr, nullptr)};
  EXPECT_TRUE(near.valid() && far.valid());
  return {std::move(near), std::move(far)};
}

using Crossing = Hostile;

TEST_F(Crossing, AListenerThatAlsoTakesHearsTheOutcomeAfterItHasClosedTheLink) {
  const Connection client = connect_client();
  const Connection other = connect_client();
  const Connection back{UniqueFd{}, moved(other), AF_INET};  // S has it, and offers it back on the same link
  EXPECT_STEP(offer_over(*server_, link_.in_server, back));
  const Step seen = look_for_offer(*listener_, link_.in_listener);
  ASSERT_TRUE(seen.ok()) << seen.text;
  called(client);
  close_in(*listener_, {link_.in_listener, seen.header.fd_server, client.number, other.number});
  EXPECT_STEP(take());
  expect_serves(*server_, offered_.fd_server, client);
  // The listener has let go: nobody else holds what the server closes.
  close_in(*server_, {offered_.fd_server, back.number});
  expect_end(client);
  close_in(*server_, {link_.in_server});
  listener_->await_alone();
  link_ = open_link(*listener_, *server_, listening_);
  remember_descriptors();
}

TEST_F(Crossing, ACancelIsNotObeyedWhereNobodyHearsTheAnswer) {
  std::optional<RawPeer> peer;
  peer.emplace(folder_.path(), "S");
  const int link = accept_from(*peer);
  Pair pair = tcp_pair();
  const handoff::CallItem item = described(pair.near.get());
  const Step seen = accepted(*peer, link, 7);
  EXPECT_TRUE(peer->send(call_frame_of(7, false, {&item, 1}), pair.near.get()));
  EXPECT_TRUE(peer->send(cancel_frame(7)));
  // As a process that is killed: its descriptors close, and for a while it does not count as dead.
  pair.near.reset();
  peer.reset();
  EXPECT_STEP(server_->call([=] { return system_tests::take(link, seen.header); }).value);
  expect_serves(*server_, seen.header.fd_server, Connection{std::move(pair.far), -1, AF_INET});
  close_in(*server_, {seen.header.fd_server, link});
}

TEST_F(Crossing, WhatFoundNoRoomAfterTheListenersDeathIsTakenAtTheNextTry) {
  std::optional<RawPeer> peer;
  peer.emplace(folder_.path(), "S");
  const int link = accept_from(*peer);
  EXPECT_EQ(server_->call([=] { return soc_credit(link, 1); }).value, 1);
  EXPECT_FALSE(peer->receive_frame(credit_type).empty());
  Pair pair = tcp_pair();
  const handoff::CallItem item = described(pair.near.get());
  EXPECT_TRUE(peer->send(call_frame_of(9, true, {&item, 1}), pair.near.get()));
  pair.near.reset();
  peer.reset();
  const auto take_one = [link] {
    soc_move move{};
    return soc_take(link, &move, 1, 20'000) == 1 ? move.fd : -1;
  };
  // Not even the placeholder's number is within the limit.
  const auto refused = server_->call([take_one] {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlimit none{3, limit.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const int number = take_one();
    const int error = errno;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    errno = error;
    return number;
  });
  EXPECT_EQ(refused.value, -1);
  EXPECT_EQ(refused.error, EMFILE);
  const int number = server_->call(take_one).value;
  ASSERT_GE(number, 0);
  expect_serves(*server_, number, Connection{std::move(pair.far), -1, AF_INET});
  close_in(*server_, {number, link});
}

/// S announces credit, is called 2000 times, and closes the link; how many calls it answered.
class FullLink : public Crossing {
 protected:
  static constexpr std::size_t batches = 8;
  static constexpr std::size_t batch = 250;
  std::size_t answers_of_a_close() {
    RawPeer peer{folder_.path(), "S"};
    const int link = accept_from(peer);
    const int announced = static_cast<int>(batches * batch);
    const auto held = server_->call([=] {
      rlimit limit{};
      ::getrlimit(RLIMIT_NOFILE, &limit);
      limit.rlim_cur = limit.rlim_max;
      ::setrlimit(RLIMIT_NOFILE, &limit);
      return soc_credit(link, announced);
    });
    EXPECT_EQ(held.value, announced);
    const Pair pair = tcp_pair();
    const std::vector<handoff::CallItem> items(batch, described(pair.near.get()));
    const std::vector<int> descriptors(batch, pair.near.get());
    for (std::size_t i = 0; i < batches; ++i)
      EXPECT_TRUE(peer.send_with(call_frame_of(1000 + i * batch, true, items), descriptors)) << std::strerror(errno);
    close_in(*server_, {link});
    std::size_t answered = 0;
    for (;;) {
      const auto frame = peer.receive_frame(taken_type);
      if (frame.empty()) return answered;
      const auto decoded = handoff::decode(frame);
      if (!decoded) return 0;
      answered += std::get<handoff::Taken>(decoded->body).items.size();
    }
  }
};

TEST_F(FullLink, IsClosedOnlyWhenEveryMoveIsAnswered) {
  EXPECT_EQ(answers_of_a_close(), batches * batch);
  remember_descriptors();  // the thread that goes on sending has been there once
  EXPECT_EQ(answers_of_a_close(), batches * batch);
}

TEST_F(Crossing, ACancelThatComesWhileTakenWaitsForRoomIsAnsweredWhenItCannotBeSent) {
  RawPeer peer{folder_.path(), "S"};
  const int link = accept_from(peer);
  EXPECT_EQ(server_->call([=] { return soc_credit(link, 1); }).value, 1);
  EXPECT_FALSE(peer.receive_frame(credit_type).empty());
  // Answers that nobody reads, until some wait in S.
  const auto said = [&] {
    int octets = -1;
    EXPECT_EQ(::ioctl(peer.number(), FIONREAD, &octets), 0);
    return octets;
  };
  for (int so_far = -1; said() > so_far;) {
    so_far = said();
    EXPECT_TRUE(peer.send(call_frame(7, false)));
    EXPECT_EQ(poll(*server_, link, 0).value, 0);
  }
  const std::size_t before = server_->descriptors();
  const Pair pair = tcp_pair();
  const handoff::CallItem item = described(pair.near.get());
  EXPECT_TRUE(peer.send(call_frame_of(1000, true, {&item, 1}), pair.near.get()));
  auto taking = server_->start([=] {
    soc_move move{};
    return soc_take(link, &move, 1, 2'000);  // in which it is seen to wait
  });
  server_->await_blocked();
  EXPECT_TRUE(peer.send(cancel_frame(1000)));
  const auto out_of_time = taking.get();
  EXPECT_EQ(out_of_time.value, 0);
  // Not taken: so it is L's again, who hears it as soon as there is room.
  EXPECT_EQ(server_->call([=] { return soc_pending(link); }).value, 0);
  EXPECT_LE(server_->descriptors(), before);
  bool cancelled = false;
  for (int looks = 0; !cancelled && looks < 10'000; ++looks) {
    const auto frame = peer.receive();
    ASSERT_FALSE(frame.empty());
    cancelled =
        frame[2] == std::byte{static_cast<std::uint8_t>(handoff::FrameType::Cancelled)} && move_in(frame) == 1000;
    EXPECT_GE(poll(*server_, link, 0).value, 0);
  }
  EXPECT_TRUE(cancelled);
  close_in(*server_, {link});
}

}  // namespace
}  // namespace baton::system_tests
