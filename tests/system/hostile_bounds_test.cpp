// SPDX-License-Identifier: MIT
// The bounds on what a peer can make a process hold or read at once, counted. A flood may be too slow to reach them:
// here everything is there before the process looks. tests/bounds lifts each bound, and sees that its test fails.
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <deque>
#include <functional>
#include <vector>

#include "hostile.hpp"
#include "remote.hpp"

namespace baton::system_tests {
namespace {

// As the documents say; endpoint/link.hpp, endpoint/iso_connection.hpp, endpoint/iso_port.hpp.
constexpr std::size_t turn = 1024;
constexpr std::size_t units_ahead = 64;
constexpr std::size_t replies_kept = 64;
constexpr std::size_t awaited_at_most = 1024;
constexpr std::size_t remote_half_open = 4096;

/// Octets that have arrived at a number of an agent and are not read.
std::size_t unread_in(Agent& agent, int number) {
  const auto reply = agent.call([=] {
    int octets = -1;
    return ::ioctl(number, FIONREAD, &octets) == 0 ? octets : -1;
  });
  EXPECT_GE(reply.value, 0);
  return static_cast<std::size_t>(reply.value);
}

void limit_descriptors(rlim_t most) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = most;
  limit.rlim_max = std::max(limit.rlim_max, most);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) std::abort();
}

class HostileBounds : public Hostile {
 protected:
  void SetUp() override {
    Hostile::SetUp();
    peer_.emplace(folder_.path(), "S");
    link_to_peer_ = accept_from(*peer_);
    EXPECT_EQ(poll(*server_, link_to_peer_, 0).value, 0);  // the HELLO is read
    // More than a user may have, so that it is here at once what else would come little by little.
    const int room = 256 << 20;
    ASSERT_EQ(::setsockopt(peer_->number(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room), 0);
  }
  void TearDown() override {
    close_in(*server_, {link_to_peer_});
    peer_.reset();
    Hostile::TearDown();
  }

  void fill(const std::vector<std::byte>& message, std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) ASSERT_TRUE(peer_->send_with(message, {}, MSG_DONTWAIT));
  }
  int pending() {
    return server_->call([link = link_to_peer_] { return soc_pending(link); }).value;
  }

  std::optional<RawPeer> peer_;
  int link_to_peer_ = -1;
};

TEST_F(HostileBounds, ACallReadsNoMoreMessagesThanATurn) {
  const auto message = cancel_frame(4711);
  ASSERT_NO_FATAL_FAILURE(fill(message, 10 * turn));
  const auto read_by = [&](const std::function<void()>& call) {
    const std::size_t before = unread_in(*server_, link_to_peer_);
    call();
    return (before - unread_in(*server_, link_to_peer_)) / message.size();
  };
  EXPECT_EQ(read_by([&] { EXPECT_EQ(poll(*server_, link_to_peer_, 0).value, 0); }), turn);
  EXPECT_EQ(read_by([&] { EXPECT_ERRNO(EAGAIN, look_for_offer(*server_, link_to_peer_, MSG_DONTWAIT)); }), turn);
  EXPECT_EQ(read_by([&] {
              const auto received = server_->call([link = link_to_peer_] {
                char octet = 0;
                return soc_recv(link, &octet, 1, MSG_DONTWAIT);
              });
              EXPECT_EQ(received.error, EAGAIN);
            }),
            turn);
  EXPECT_LE(read_by([&] { EXPECT_EQ(pending(), 0); }), turn);
}

TEST_F(HostileBounds, RepliesThatNobodyReadsStopTheReading) {
  // Each is answered: there is no such move.
  const auto message = call_frame(7, false);
  constexpr std::size_t many = 5 * turn;
  ASSERT_NO_FATAL_FAILURE(fill(message, many));
  const std::size_t before = unread_in(*server_, link_to_peer_);
  for (std::size_t looks = 0; looks < 2 * many / turn; ++looks) ASSERT_EQ(poll(*server_, link_to_peer_, 0).value, 0);
  const std::size_t read = (before - unread_in(*server_, link_to_peer_)) / message.size();
  // What has found room in the kernel is not the process's.
  std::size_t answered = 0;
  for (int waiting = 1; waiting > 0;) {
    waiting = 0;
    ASSERT_EQ(::ioctl(peer_->number(), FIONREAD, &waiting), 0);
    if (waiting > 0 && !peer_->receive().empty()) ++answered;
  }
  EXPECT_GT(answered, 0U);
  EXPECT_LE(read, answered + replies_kept);
  // None is lost: as they are read, the rest is read and answered.
  for (std::size_t looks = 0; answered < many; ++looks) {
    ASSERT_LT(looks, many);
    ASSERT_EQ(poll(*server_, link_to_peer_, 0).value, 0);
    for (int waiting = 1; waiting > 0;) {
      ASSERT_EQ(::ioctl(peer_->number(), FIONREAD, &waiting), 0);
      if (waiting > 0 && !peer_->receive_frame(static_cast<std::uint8_t>(handoff::FrameType::Taken)).empty())
        ++answered;
    }
  }
}

TEST_F(HostileBounds, UnitsThatNobodyFetchesWaitInTheLink) {
  const auto message = data_message(100);
  ASSERT_NO_FATAL_FAILURE(fill(message, 10 * units_ahead));
  for (int looks = 0; looks < 20; ++looks) ASSERT_EQ(poll(*server_, link_to_peer_, 0).value, 1);
  EXPECT_EQ(pending(), static_cast<int>(units_ahead));
  EXPECT_EQ(unread_in(*server_, link_to_peer_), 9 * units_ahead * message.size());
}

TEST_F(HostileBounds, OffersNeverFollowedAreRefusedFromSomeNumberOn) {
  // So many that an eighth of them is more.
  server_->call([] { return limit_descriptors(16 * awaited_at_most), 0; });
  std::vector<int> numbers;
  for (std::uint64_t move = 1; move <= awaited_at_most + 1; ++move) {
    ASSERT_TRUE(peer_->send(offer_frame(move)));
    const Step seen = look_for_offer(*server_, link_to_peer_, MSG_DONTWAIT);
    if (!seen.ok()) break;
    EXPECT_STEP(server_->call([=, link = link_to_peer_] { return system_tests::answer(link, seen.header, 0); }).value);
    ASSERT_FALSE(peer_->receive_frame(static_cast<std::uint8_t>(handoff::FrameType::Answer)).empty());
    numbers.push_back(seen.header.fd_server);
  }
  EXPECT_EQ(numbers.size(), awaited_at_most);
  for (const int number : numbers) close_in(*server_, {number});
}

/// Partners on other hosts.
class RemoteBounds : public Remote {};

TEST_F(RemoteBounds, ACallReadsNoMorePacketsThanATurn) {
  const Connection connection = opened();
  const std::string empty = data_packet("");
  std::string packets;
  for (std::size_t i = 0; i < 5 * turn; ++i) packets += empty;
  write_all(connection.client.get(), packets);
  while (unread_in(*listener_, connection.number) < packets.size()) {  // within the host: on its way at most
  }
  const std::size_t before = unread_in(*listener_, connection.number);
  const auto polled = listener_->call([number = connection.number] {
    pollfd entry{number, POLLIN, 0};
    return soc_poll_ms(&entry, 1, 0);
  });
  EXPECT_EQ(polled.value, 0);
  const std::size_t read = (before - unread_in(*listener_, connection.number)) / empty.size();
  EXPECT_GE(read, turn - 1);  // the head of the next is there already
  EXPECT_LE(read, turn + 1);
}

TEST_F(RemoteBounds, PartnersThatSayNothingCostAFixedNumberOfDescriptors) {
  // So many that a quarter of them is more.
  constexpr std::size_t more = 200;
  limit_descriptors(remote_half_open + 2 * more);
  listener_->call([] { return limit_descriptors(4 * remote_half_open + 4 * more), 0; });
  const std::size_t before = listener_->descriptors();
  const auto look = [&] {
    const auto polled = listener_->call([at = iso_listening_] {
      pollfd entry{at, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 0);
    });
    EXPECT_EQ(polled.value, 0);
  };
  std::deque<UniqueFd> silent;
  for (std::size_t i = 0; i < remote_half_open + more; ++i) {
    silent.push_back(connect_raw(iso_port_));
    if (i % 32 == 31) look();
  }
  for (int looks = 0; looks < 8; ++looks) look();
  EXPECT_EQ(listener_->descriptors(), before + remote_half_open);
  // The oldest had to go: one who comes now is served.
  const Connection connection = opened();
  expect_talks(*listener_, connection.number, connection);
  silent.clear();
  while (listener_->descriptors() > before + 1) look();  // sees that they have gone
}

}  // namespace
}  // namespace baton::system_tests
