// SPDX-License-Identifier: MIT
// Times after which a process lets go of a peer that says or reads nothing, and the highest number that a header can
// name, which is above the descriptors that a process may have, and credit. Run with BATON_TEST_BOUNDS, which makes
// them small: run.py.
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <vector>

#include "hostile.hpp"
#include "remote.hpp"

namespace baton::system_tests {
namespace {

constexpr auto patience = std::chrono::seconds{5};

/// Looks at a listening number until the agent has no more descriptors than `most`.
bool comes_down_to(Agent& agent, std::size_t most, int listening) {
  const auto limit = std::chrono::steady_clock::now() + patience;
  while (agent.descriptors() > most && std::chrono::steady_clock::now() < limit)
    agent.call([=] {
      pollfd entry{listening, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 10);
    });
  return agent.descriptors() <= most;
}

class Times : public Hostile {};

TEST_F(Times, APeerThatConnectsAndSaysNothingIsLetGo) {
  const std::size_t before = server_->descriptors();
  const RawPeer silent{folder_.path(), "S"};
  EXPECT_EQ(poll(*server_, listening_, 0).value, 0);
  EXPECT_TRUE(comes_down_to(*server_, before, listening_));
  EXPECT_TRUE(silent.receive().empty());
}

TEST_F(Times, ARequestThatNobodyAcceptsIsTurnedAway) {
  const std::size_t before = server_->descriptors();
  RawPeer waiting{folder_.path(), "S"};
  waiting.request();
  EXPECT_EQ(poll(*server_, listening_, 0).value, 1);
  EXPECT_TRUE(comes_down_to(*server_, before, listening_));
  const auto refusal = waiting.receive();
  ASSERT_GE(refusal.size(), 7U);
  EXPECT_EQ(refusal[1], std::byte{0x80}) << "no DR";
  EXPECT_EQ(refusal[6], std::byte{1}) << "not: congestion at the TSAP";
  EXPECT_TRUE(waiting.receive().empty());
}

TEST_F(Times, RepliesThatNobodyReadsDoNotKeepAClosedLinkForEver) {
  const std::size_t before = server_->descriptors();
  RawPeer deaf{folder_.path(), "S"};
  const int link = accept_from(deaf);
  // Answered until the answers find no room: then some are still to be sent when the link is closed.
  for (int left = 1; left > 0;) {
    for (int i = 0; i < 100; ++i) (void)deaf.send_with(call_frame(7, false), {}, MSG_DONTWAIT);
    EXPECT_EQ(poll(*server_, link, 0).value, 0);
    left = server_
               ->call([=] {
                 int octets = 0;
                 return ::ioctl(link, FIONREAD, &octets) == 0 ? octets : -1;
               })
               .value == 0;
  }
  close_in(*server_, {link});
  EXPECT_TRUE(comes_down_to(*server_, before, listening_));
}

class RemoteTimes : public Remote {
 protected:
  /// Looks until L has taken somebody in.
  void await_more_than(std::size_t descriptors) {
    const auto limit = std::chrono::steady_clock::now() + patience;
    while (listener_->descriptors() <= descriptors && std::chrono::steady_clock::now() < limit)
      listener_->call([at = iso_listening_] {
        pollfd entry{at, POLLIN, 0};
        return soc_poll_ms(&entry, 1, 1);
      });
    EXPECT_GT(listener_->descriptors(), descriptors);
  }
};

TEST_F(RemoteTimes, APartnerThatConnectsAndSaysNothingIsLetGo) {
  const std::size_t before = listener_->descriptors();
  const UniqueFd silent = connect_raw(iso_port_);
  await_more_than(before);
  EXPECT_TRUE(comes_down_to(*listener_, before, iso_listening_));
  EXPECT_EQ(read_outcome(silent.get()), 0);
}

TEST_F(RemoteTimes, ARequestThatNobodyAcceptsIsTurnedAway) {
  const std::size_t before = listener_->descriptors();
  const UniqueFd waiting = connect_raw(iso_port_);
  write_all(waiting.get(), connection_request("APP"));
  const auto limit = std::chrono::steady_clock::now() + patience;
  pollfd answered{waiting.get(), POLLIN, 0};
  while (::poll(&answered, 1, 0) == 0 && std::chrono::steady_clock::now() < limit)
    listener_->call([at = iso_listening_] {
      pollfd entry{at, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 10);
    });
  ASSERT_EQ(answered.revents & POLLIN, POLLIN);
  const std::string refusal = read_packet(waiting.get());
  ASSERT_GE(refusal.size(), 7U);
  EXPECT_EQ(refusal[1], '\x80') << "no DR";
  EXPECT_EQ(refusal[6], '\x01') << "not: congestion at the TSAP";
  EXPECT_TRUE(comes_down_to(*listener_, before, iso_listening_));
}

/// S may have no number above 40.
class Numbers : public Hostile {};
std::vector<int> filled;  // S's

TEST_F(Numbers, AServerThatCannotNameTheEndPointRefusesTheOfferAndGoesOn) {
  const Connection connection = connect_client();
  const auto highest = server_->call([] {
    while (filled.empty() || filled.back() < 40) filled.push_back(::dup(0));
    return filled.back();
  });
  ASSERT_EQ(highest.value, 40);
  EXPECT_STEP(offer_over(*listener_, link_.in_listener, connection));
  EXPECT_ERRNO(EOVERFLOW, look_for_offer(*server_, link_.in_server));
  const Step answered = await_answer_over(*listener_, link_.in_listener, connection);
  EXPECT_STEP(answered);
  EXPECT_EQ(answered.header.bind_ok, REDBIND_NO_DESCRIPTOR);
  expect_serves(*listener_, connection.number, connection);
  server_->call([] {
    for (const int number : filled) ::close(number);
    return 0;
  });
  close_in(*listener_, {connection.number});
}

/// No more than three express moves are believed to be wanted.
class Credit : public Parties {};

TEST_F(Credit, BeyondTheBoundIsNotBelieved) {
  EXPECT_GE(server_->call([link = link_.in_server] { return soc_credit(link, 10); }).value, 0);
  std::array<int, 5> numbers{};
  std::vector<Connection> clients;
  for (int& number : numbers) {
    clients.push_back(connect_client());
    number = clients.back().number;
  }
  const auto given = listener_->call([=, link = link_.in_listener] {
    std::array<soc_move, 5> moves{};
    for (std::size_t i = 0; i < moves.size(); ++i) moves[i].fd = numbers[i];
    return soc_give(link, moves.data(), 5);
  });
  EXPECT_EQ(given.value, 3);
  const auto taken = server_->call([link = link_.in_server] {
    std::array<soc_move, 5> moves{};
    std::array<int, 3> got{-1, -1, -1};
    const int count = soc_take(link, moves.data(), 5, 10'000);
    for (int i = 0; i < count && i < 3; ++i) got[static_cast<std::size_t>(i)] = moves[static_cast<std::size_t>(i)].fd;
    return got;
  });
  for (std::size_t i = 0; i < 3; ++i) expect_serves(*server_, taken.value[i], clients[i]);
  for (std::size_t i = 3; i < 5; ++i) expect_serves(*listener_, numbers[i], clients[i]);
}

}  // namespace
}  // namespace baton::system_tests
