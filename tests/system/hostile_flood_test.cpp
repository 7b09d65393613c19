// SPDX-License-Identifier: MIT
// Floods: whatever a peer sends again and again, calls come back in time, other links work, and memory is bounded.
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>

#include "flood.hpp"
#include "hostile.hpp"
#include "remote.hpp"

namespace baton::system_tests {
namespace {

/// Messages of a flood that ends: BATON_TEST_FLOOD says how many.
unsigned long many() {
  const char* const said = std::getenv("BATON_TEST_FLOOD");
  return said != nullptr ? std::strtoul(said, nullptr, 10) : 50'000;
}
using Messages = std::vector<std::vector<std::byte>>;

/// The same frame with many empty fields that nobody knows: it takes longer to read than to send.
std::vector<std::byte> padded(std::vector<std::byte> frame) {
  constexpr std::size_t fields = 20'000;
  constexpr std::byte empty_field[6]{std::byte{0x7f}};
  for (std::size_t i = 0; i < fields; ++i) frame.insert(frame.end(), std::begin(empty_field), std::end(empty_field));
  const std::size_t length = frame.size() - handoff::header_size;
  for (std::size_t i = 0; i < 4; ++i) frame[7 - i] = static_cast<std::byte>(length >> 8U * i & 0xffU);
  return frame;
}

class HostileFlood : public Hostile {
 protected:
  /// Somebody who sends `messages` for ever on a link to S, or from a server to L: S's or L's number.
  struct Source {
    std::unique_ptr<RawPeer> peer;
    std::unique_ptr<Flood> flood;
    int link = -1;
  };
  Source flood_server(const Messages& messages, unsigned long rounds = Flood::for_ever,
                      const std::vector<int>& descriptors = {}) {
    Source source{std::make_unique<RawPeer>(folder_.path(), "S"), nullptr, -1};
    source.link = accept_from(*source.peer);
    source.flood = std::make_unique<Flood>(*source.peer, messages, rounds, descriptors);
    return source;
  }
  /// Looks at the link until the source has sent everything. Every look comes back.
  static void look_until_finished(Agent& agent, Source& source) {
    for (int looks = 0; !source.flood->finished(); ++looks) {
      ASSERT_LT(looks, 100'000'000);
      const auto seen = poll(agent, source.link, 10);
      ASSERT_GE(seen.value, 0) << std::strerror(seen.error);
    }
  }
  /// Calls that look, that wait for a time, and the close, while the flood goes on.
  void expect_calls_in_time(Agent& agent, Source& source) {
    EXPECT_EQ(poll(agent, source.link, 0).value, 0);
    EXPECT_EQ(poll(agent, source.link, 50).value, 0);
    EXPECT_ERRNO(EAGAIN, look_for_offer(agent, source.link, MSG_DONTWAIT));
    set_move_timeout(agent, source.link, 100);
    auto waiting = agent.start([link = source.link] { return system_tests::receive_offer(link); });
    EXPECT_TRUE(waiting.done(10'000)) << "the time of the call has passed";
    EXPECT_ERRNO(ETIMEDOUT, waiting.get().value);
    auto reading = agent.start([link = source.link] {
      char octet = 0;
      return soc_recv(link, &octet, 1, MSG_DONTWAIT);
    });
    EXPECT_TRUE(reading.done(10'000));
    EXPECT_EQ(reading.get().error, EAGAIN);
    auto closing = agent.start([link = source.link] { return soc_close(link); });
    EXPECT_TRUE(closing.done(10'000)) << "the close waits for the end of the flood";
    EXPECT_EQ(closing.get().value, 0);
  }
};

TEST_F(HostileFlood, CancelsOfUnknownMoves) {
  const std::size_t before = memory_of(*server_);
  Source source = flood_server({cancel_frame(4711)}, many());
  look_until_finished(*server_, source);
  EXPECT_LT(memory_of(*server_), before + flood_memory);
  close_in(*server_, {source.link});
}

TEST_F(HostileFlood, OffersEachCalledOff) {
  const std::size_t before = memory_of(*server_);
  Source source = flood_server({offer_frame(1), cancel_frame(1)}, many() / 2);
  look_until_finished(*server_, source);
  EXPECT_LT(memory_of(*server_), before + flood_memory);
  close_in(*server_, {source.link});
}

TEST_F(HostileFlood, OffersThatNobodyReadsWaitInTheLink) {
  const std::size_t before = memory_of(*server_);
  Messages offers;
  for (std::uint64_t move = 1; move < 2'000; ++move) offers.push_back(offer_frame(move));
  // From one sender: the same move from two would be a violation.
  Source source = flood_server(offers, 1);
  // The first of them makes the link readable: from then on the looks do not wait for the sender.
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  for (int pending = 0; pending < 64 && std::chrono::steady_clock::now() < limit;) {
    ASSERT_EQ(poll(*server_, source.link, 20'000).value, 1);
    pending = server_->call([link = source.link] { return soc_pending(link); }).value;
  }
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(poll(*server_, source.link, 0).value, 1);
  EXPECT_EQ(server_->call([link = source.link] { return soc_pending(link); }).value, 64);
  EXPECT_LT(memory_of(*server_), before + flood_memory);
  // Read and not answered, the one beyond the limit is more than the protocol allows.
  int read = 0;
  int error = 0;
  std::vector<int> numbers;
  for (; error == 0; ++read) {
    const Step step = look_for_offer(*server_, source.link);
    error = step.error;
    if (step.ok()) numbers.push_back(step.header.fd_server);
    ASSERT_LE(read, 65);
  }
  EXPECT_EQ(error, EPROTO);
  for (const int number : numbers) close_in(*server_, {number});
  close_in(*server_, {source.link});
}

TEST_F(HostileFlood, UserDataThatNobodyReadsWaitsInTheLink) {
  const std::size_t before = memory_of(*server_);
  Source source = flood_server({data_message(65'000)});
  const auto pending = [&] { return server_->call([link = source.link] { return soc_pending(link); }).value; };
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (pending() < 64 && std::chrono::steady_clock::now() < limit)
    ASSERT_GE(poll(*server_, source.link, 100).value, 0);
  for (int i = 0; i < 1'000; ++i) ASSERT_EQ(poll(*server_, source.link, 0).value, 1);
  EXPECT_EQ(pending(), 64);
  EXPECT_LT(memory_of(*server_), before + flood_memory);
  EXPECT_ERRNO(ENOMSG, look_for_offer(*server_, source.link));
  close_in(*server_, {source.link});
}

TEST_F(HostileFlood, FramesWithoutMeaningHoldUpNoCall) {
  const Messages kinds[] = {
      {cancel_frame(7)},      {cancelled_frame(7)},       {taken_frame(7)},          {answer_frame(7)},
      {credit_frame(1)},      {credit_frame(~0U)},        {hello_frame()},           {data_message(0)},
      {call_frame(7, false)}, {call_frame(7, true, 252)}, {padded(cancel_frame(7))},
  };
  for (const auto& messages : kinds) {
    SCOPED_TRACE(int(messages[0][2]));
    Source source = flood_server(messages);
    expect_calls_in_time(*server_, source);
  }
}

TEST_F(HostileFlood, OffersAndTheirCancelsHoldUpNoCall) {
  // From one sender: two offers of the same move in a row would be a violation.
  Source source = flood_server({offer_frame(1), cancel_frame(1)}, Flood::for_ever - 1);
  for (int i = 0; i < 100; ++i) {
    auto polling = server_->start([link = source.link] {
      pollfd entry{link, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 1);
    });
    ASSERT_TRUE(polling.done(10'000));
    EXPECT_GE(polling.get().value, 0);
  }
  auto closing = server_->start([link = source.link] { return soc_close(link); });
  EXPECT_TRUE(closing.done(10'000));
  EXPECT_EQ(closing.get().value, 0);
}

TEST_F(HostileFlood, DescriptorsWithEachFrameHoldUpNoCall) {
  Source source = flood_server({cancel_frame(7), call_frame(7, true, 252)}, Flood::for_ever, std::vector<int>(253, 0));
  expect_calls_in_time(*server_, source);
  const std::size_t held = server_->descriptors();
  EXPECT_LT(held, 253U + 100U) << "more than one message's";
}

TEST_F(HostileFlood, AServersFramesHoldUpNoCallOfTheListener) {
  const RawListener villain{folder_.path(), "H"};
  for (const auto& message :
       {taken_frame(7), credit_frame(~0U), answer_frame(7), data_message(0), padded(cancelled_frame(7))}) {
    ToHostile to = link_to(villain);
    EXPECT_TRUE(to.peer.send(hello_frame()));
    const Connection connection = connect_client();
    EXPECT_STEP(offer_over(*listener_, to.link, connection));
    Source source{std::make_unique<RawPeer>(std::move(to.peer)), nullptr, to.link};
    source.flood = std::make_unique<Flood>(*source.peer, Messages{message}, Flood::for_ever);
    set_move_timeout(*listener_, to.link, 100);
    EXPECT_ERRNO(ETIMEDOUT, await_answer_over(*listener_, to.link, connection));
    expect_serves(*listener_, connection.number, connection);
    close_in(*listener_, {connection.number});
    expect_calls_in_time(*listener_, source);
  }
}

TEST_F(HostileFlood, AnswersToNoOffer) {
  const RawListener villain{folder_.path(), "H"};
  ToHostile to = link_to(villain);
  EXPECT_TRUE(to.peer.send(hello_frame()));
  const std::size_t before = memory_of(*listener_);
  Source source{std::make_unique<RawPeer>(std::move(to.peer)), nullptr, to.link};
  source.flood = std::make_unique<Flood>(*source.peer, Messages{answer_frame(7), taken_frame(7)}, many() / 2);
  look_until_finished(*listener_, source);
  EXPECT_LT(memory_of(*listener_), before + flood_memory);
  close_in(*listener_, {to.link});
}

TEST_F(HostileFlood, PeersThatConnectAgainAndAgainHoldUpNobody) {
  const std::size_t before = memory_of(*server_);
  const std::size_t descriptors = server_->descriptors();
  std::optional<Flood> one{std::in_place, folder_.path() + "/tsap/53"};
  std::optional<Flood> other{std::in_place, folder_.path() + "/tsap/53"};
  for (int i = 0; i < 20; ++i) {
    // The listening socket may be looked at, waited on for a time, and connected to.
    ASSERT_GE(poll(*server_, listening_, 0).value, 0);
    ASSERT_GE(poll(*server_, listening_, 20).value, 0);
    const LinkNumbers link = open_link(*listener_, *server_, listening_);
    close_in(*listener_, {link.in_listener});
    close_in(*server_, {link.in_server});
  }
  EXPECT_LT(memory_of(*server_), before + flood_memory);
  one.reset();
  other.reset();
  // Sees that nobody is left.
  while (server_->descriptors() > descriptors) ASSERT_EQ(poll(*server_, listening_, 0).value, 0);
}

TEST_F(HostileFlood, TenThousandPeersThatSayNothingCostAFixedNumberOfDescriptors) {
  // Five hundred at a time, so that the test itself needs no more.
  const std::size_t before = server_->descriptors();
  for (int round = 0; round < 20; ++round) {
    std::vector<RawPeer> silent;
    for (int i = 0; i < 500; ++i) {
      silent.emplace_back(folder_.path(), "S");
      if (i % 10 != 9) continue;
      EXPECT_EQ(poll(*server_, listening_, 0).value, 0);
    }
    EXPECT_LE(server_->descriptors(), before + 128);
    const LinkNumbers link = open_link(*listener_, *server_, listening_);
    close_in(*listener_, {link.in_listener});
    close_in(*server_, {link.in_server});
  }
  EXPECT_EQ(poll(*server_, listening_, 0).value, 0);  // sees that the last have gone
}

/// A partner on another host.
class RemoteFlood : public Remote {};

TEST_F(RemoteFlood, EmptyPacketsHoldUpNoCall) {
  const Connection connection = opened();
  std::string packets;
  for (int i = 0; i < 5'000; ++i) packets += data_packet("");
  const pid_t flooding = ::fork();
  if (flooding == 0)
    while (::send(connection.client.get(), packets.data(), packets.size(), MSG_NOSIGNAL) > 0) {
    }
  if (flooding == 0) ::_exit(0);
  const auto poll_for = [&](int milliseconds) {
    auto polling = listener_->start([=, number = connection.number] {
      pollfd entry{number, POLLIN, 0};
      return soc_poll_ms(&entry, 1, milliseconds);
    });
    EXPECT_TRUE(polling.done(10'000));
    return polling.get().value;
  };
  EXPECT_EQ(poll_for(0), 0);
  EXPECT_EQ(poll_for(50), 0);
  auto reading = listener_->start([number = connection.number] { return read_once(number, 1, MSG_DONTWAIT); });
  EXPECT_TRUE(reading.done(10'000));
  EXPECT_EQ(reading.get().value.error, EAGAIN);
  auto closing = listener_->start([number = connection.number] { return soc_close(number); });
  EXPECT_TRUE(closing.done(10'000));
  EXPECT_EQ(closing.get().value, 0);
  ::kill(flooding, SIGKILL);
  ::waitpid(flooding, nullptr, 0);
}

}  // namespace
}  // namespace baton::system_tests
