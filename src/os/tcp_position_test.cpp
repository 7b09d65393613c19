// SPDX-License-Identifier: MIT
#include "os/tcp_position.hpp"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "os/socket.hpp"
#include "os/test_support.hpp"

namespace baton::os {
namespace {

using namespace testing;

StreamPosition position(FdRef socket) {
  const auto read = read_position(socket);
  EXPECT_TRUE(read.has_value()) << number(read.error());
  return read.value_or(StreamPosition{});
}

StreamPosition confirmed(FdRef socket) {
  const auto read = confirm_position(socket);
  EXPECT_TRUE(read.has_value()) << number(read.error());
  return read.value_or(StreamPosition{});
}

bool reaches(FdRef socket, TcpState state) {
  return eventually([socket, state] { return position(socket).state == state; });
}

bool has_unread(FdRef socket, std::uint32_t octets) {
  return eventually([socket, octets] { return position(socket).unread == octets; });
}

/// Quick and slow reading agree in everything.
void expect_confirmed(FdRef socket) {
  const StreamPosition quick = position(socket);
  const StreamPosition slow = confirmed(socket);
  EXPECT_EQ(quick.consumed, slow.consumed);
  EXPECT_EQ(quick.written, slow.written);
  EXPECT_EQ(quick.unread, slow.unread);
  EXPECT_EQ(quick.state, slow.state);
}

/// Fills both buffers until nothing more goes. Gives the octets written.
std::size_t fill(FdRef socket) {
  EXPECT_TRUE(set_nonblocking(socket, true).has_value());
  const std::string block(65536, 'b');
  std::size_t total = 0;
  for (ssize_t sent = 0; (sent = send(socket.get(), block.data(), block.size(), MSG_NOSIGNAL)) > 0;)
    total += static_cast<std::size_t>(sent);
  return total;
}

class TcpPosition : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { connection_ = connect_on_loopback(GetParam()); }

  [[nodiscard]] FdRef client() const { return connection_.client.ref(); }
  [[nodiscard]] FdRef server() const { return connection_.server.ref(); }

  Connection connection_;
};

INSTANTIATE_TEST_SUITE_P(Families, TcpPosition, ::testing::Values(AF_INET, AF_INET6),
                         [](const auto& each) { return each.param == AF_INET ? "Ipv4" : "Ipv6"; });

TEST_P(TcpPosition, StartsAtZeroForTheAcceptedSide) {
  const StreamPosition start = position(server());
  EXPECT_EQ(start.consumed, 0U);
  EXPECT_EQ(start.written, 0U);
  EXPECT_EQ(start.unread, 0U);
  EXPECT_EQ(start.state, TcpState::Established);
  expect_confirmed(server());
}

TEST_P(TcpPosition, CountsTheSynOfTheConnectingSide) {
  EXPECT_EQ(position(client()).written, 1U);
  expect_confirmed(client());
}

TEST_P(TcpPosition, DataThatArrivesOrIsPeekedAtDoesNotMoveIt) {
  const StreamPosition start = position(server());
  send_text(client(), "0123456789");
  ASSERT_TRUE(has_unread(server(), 10));
  std::array<char, 4> peeked;
  ASSERT_EQ(recv(server().get(), peeked.data(), peeked.size(), MSG_PEEK), 4);
  EXPECT_TRUE(same(start, position(server())));
  expect_confirmed(server());
}

TEST_P(TcpPosition, OneOctetReadOrWrittenMovesIt) {
  send_text(client(), "0123456789");
  const StreamPosition start = position(server());
  read_text(server(), 1);
  const StreamPosition read = position(server());
  EXPECT_EQ(read.consumed, start.consumed + 1);
  EXPECT_FALSE(same(start, read));
  send_text(server(), "x");
  const StreamPosition written = position(server());
  EXPECT_EQ(written.written, start.written + 1);
  EXPECT_FALSE(same(read, written));
  expect_confirmed(server());
}

TEST_P(TcpPosition, AcknowledgementsDoNotMoveIt) {
  // More than the client's window takes: the rest is acknowledged only when the client reads.
  const std::size_t total = fill(server());
  const StreamPosition stuck = position(server());
  EXPECT_EQ(stuck.written, total);
  read_text(client(), total);
  EXPECT_TRUE(same(stuck, position(server())));
  expect_confirmed(server());
}

TEST_P(TcpPosition, AFinThatWaitsBehindDataCountsInLastAck) {
  send_text(client(), "01234");
  ASSERT_TRUE(has_unread(server(), 5));
  const std::size_t total = fill(server());
  const StreamPosition start = position(server());
  ASSERT_EQ(shutdown(client().get(), SHUT_WR), 0);
  ASSERT_TRUE(reaches(server(), TcpState::CloseWait));
  ASSERT_EQ(shutdown(server().get(), SHUT_WR), 0);
  const StreamPosition last = position(server());
  EXPECT_EQ(last.state, TcpState::LastAck);
  EXPECT_EQ(last.consumed, start.consumed);
  EXPECT_EQ(last.written, total + 1);
  expect_confirmed(server());
  read_text(client(), total);
  ASSERT_TRUE(reaches(server(), TcpState::Close));
  EXPECT_TRUE(same(last, position(server())));
}

TEST_P(TcpPosition, AFinThatWaitsBehindDataCountsInClosing) {
  send_text(client(), "01234");
  ASSERT_TRUE(has_unread(server(), 5));
  const std::size_t total = fill(server());
  ASSERT_EQ(shutdown(server().get(), SHUT_WR), 0);
  const StreamPosition waiting = position(server());
  EXPECT_EQ(waiting.state, TcpState::FinWait1);
  EXPECT_EQ(waiting.written, total + 1);
  expect_confirmed(server());
  ASSERT_EQ(shutdown(client().get(), SHUT_WR), 0);
  ASSERT_TRUE(reaches(server(), TcpState::Closing));
  EXPECT_TRUE(same(waiting, position(server())));
  expect_confirmed(server());
  read_text(client(), total);
  ASSERT_TRUE(reaches(server(), TcpState::Close));
  EXPECT_TRUE(same(waiting, position(server())));
}

TEST_P(TcpPosition, IsExactWhileTheClientSendsAndReceives) {
  // Small segments, and readings right after the queue was emptied: there much arrives within a reading.
  const int on = 1;
  ASSERT_EQ(setsockopt(client().get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
  std::thread sender{[this] {
    const std::string block(100, 'c');
    while (send(client().get(), block.data(), block.size(), MSG_NOSIGNAL) > 0) continue;
  }};
  std::thread receiver{[this] {
    std::array<char, 4096> block;
    while (recv(client().get(), block.data(), block.size(), 0) > 0) continue;
  }};
  std::vector<char> block(1 << 20);
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  for (int i = 0; i < 400 && !HasFailure(); ++i) {
    read += static_cast<std::uint64_t>(recv(server().get(), block.data(), block.size(), 0));
    written += static_cast<std::uint64_t>(send(server().get(), block.data(), 3000, MSG_NOSIGNAL));
    for (int j = 0; j < 25; ++j) {
      auto now = read_position(server());
      EXPECT_TRUE(eventually([&now, this] { return now || (now = read_position(server())).has_value(); }));
      EXPECT_EQ(now->consumed, read);
      EXPECT_EQ(now->written, written);
    }
  }
  reset_connection(std::move(connection_.server));  // ends both threads
  sender.join();
  receiver.join();
}

TEST_P(TcpPosition, AnArrivedFinDoesNotMoveItWhetherReadOrNot) {
  send_text(client(), "01234");
  ASSERT_TRUE(has_unread(server(), 5));
  const StreamPosition start = position(server());
  ASSERT_EQ(shutdown(client().get(), SHUT_WR), 0);
  ASSERT_TRUE(reaches(server(), TcpState::CloseWait));
  EXPECT_TRUE(same(start, position(server())));
  EXPECT_EQ(position(server()).unread, 5U);
  expect_confirmed(server());

  read_text(server(), 5);
  const StreamPosition all_read = position(server());
  EXPECT_EQ(all_read.consumed, start.consumed + 5);
  expect_confirmed(server());
  char none = 0;
  ASSERT_EQ(recv(server().get(), &none, 1, 0), 0);
  EXPECT_TRUE(same(all_read, position(server())));
  expect_confirmed(server());
}

TEST_P(TcpPosition, ItsOwnShutdownCountsOneBeforeAndAfterItIsAcknowledged) {
  const StreamPosition start = position(server());
  ASSERT_EQ(shutdown(server().get(), SHUT_WR), 0);
  const StreamPosition closed = position(server());
  EXPECT_EQ(closed.written, start.written + 1);
  ASSERT_TRUE(reaches(server(), TcpState::FinWait2));
  EXPECT_TRUE(same(closed, position(server())));
  send_text(client(), "01234");
  ASSERT_TRUE(has_unread(server(), 5));
  EXPECT_TRUE(same(closed, position(server())));
  expect_confirmed(server());
}

TEST_P(TcpPosition, BothSidesClosedIsTheSameAsHalfClosedBySelf) {
  ASSERT_EQ(shutdown(server().get(), SHUT_WR), 0);
  send_text(client(), "01234");
  ASSERT_TRUE(has_unread(server(), 5));
  ASSERT_TRUE(reaches(server(), TcpState::FinWait2));
  const StreamPosition half = position(server());
  ASSERT_EQ(shutdown(client().get(), SHUT_WR), 0);
  ASSERT_TRUE(reaches(server(), TcpState::Close));
  EXPECT_EQ(position(server()).consumed, half.consumed + 1);  // the FIN, which no state tells of any more
  EXPECT_TRUE(same(half, position(server())));
  EXPECT_TRUE(same(position(server()), half));
  expect_confirmed(server());
}

TEST_P(TcpPosition, BothSidesClosedIsTheSameAsLastAck) {
  ASSERT_EQ(shutdown(client().get(), SHUT_WR), 0);
  ASSERT_TRUE(reaches(server(), TcpState::CloseWait));
  StreamPosition half = position(server());
  ASSERT_EQ(shutdown(server().get(), SHUT_WR), 0);
  half.written += 1;
  ASSERT_TRUE(reaches(server(), TcpState::Close));
  EXPECT_TRUE(same(half, position(server())));
}

TEST_P(TcpPosition, AResetLeavesItAndWhatIsUnread) {
  send_text(client(), "01234");
  ASSERT_TRUE(has_unread(server(), 5));
  send_text(server(), "abc");
  const StreamPosition start = position(server());
  reset_connection(std::move(connection_.client));
  ASSERT_TRUE(reaches(server(), TcpState::Close));
  const StreamPosition dead = position(server());
  EXPECT_TRUE(same(start, dead));
  EXPECT_EQ(dead.unread, 5U);
  // The queue outlives the reset, and reading from it shows.
  read_text(server(), 1);
  EXPECT_FALSE(same(dead, position(server())));
  read_text(server(), 1);
  EXPECT_FALSE(same(start, position(server())));
}

TEST_P(TcpPosition, AResetAfterAFinIsTold) {
  send_text(client(), "01234");
  ASSERT_EQ(shutdown(client().get(), SHUT_WR), 0);
  ASSERT_TRUE(reaches(server(), TcpState::CloseWait));
  const StreamPosition half = position(server());
  reset_connection(std::move(connection_.client));
  ASSERT_TRUE(reaches(server(), TcpState::Close));
  EXPECT_TRUE(same(half, position(server())));
  // The FIN was there before: one octet more of difference is an octet read.
  read_text(server(), 1);
  EXPECT_FALSE(same(half, position(server())));
}

TEST_P(TcpPosition, UrgentDataBreaksTheQuickReadingAndNotTheSlowOne) {
  EXPECT_FALSE(urgent_pending(server()));
  const StreamPosition start = position(server());
  send_text(client(), "01234");
  ASSERT_EQ(send(client().get(), "U", 1, MSG_OOB | MSG_NOSIGNAL), 1);
  send_text(client(), "567");
  ASSERT_TRUE(eventually([this] { return confirmed(server()).unread == 9; }));
  EXPECT_TRUE(urgent_pending(server()));
  EXPECT_FALSE(same(start, position(server())));
  EXPECT_TRUE(same(start, confirmed(server())));
  // Once the octet is taken out of turn POLLPRI is down, and SIOCINQ still ends at the mark.
  char urgent = 0;
  ASSERT_EQ(recv(server().get(), &urgent, 1, MSG_OOB), 1);
  EXPECT_FALSE(urgent_pending(server()));
  EXPECT_FALSE(same(start, position(server())));
  EXPECT_TRUE(same(start, confirmed(server())));
}

TEST(TcpPositionOfMappedAddresses, IsConfirmed) {
  UniqueFd listener{adopt, ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ipv4.sin_port = htons(local_address(listener.ref())->port());
  const UniqueFd client{adopt, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  ASSERT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&ipv4), sizeof ipv4), 0);
  const UniqueFd server{adopt, accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  send_text(client.ref(), "012");
  ASSERT_TRUE(has_unread(server.ref(), 3));
  expect_confirmed(server.ref());
}

TEST(TcpPositionOfOtherThings, IsAnError) {
  EXPECT_EQ(read_position(listen_on_loopback(AF_INET).ref()).error(), Errno{EINVAL});
  EXPECT_EQ(read_position(parked_socket(false, true)->ref()).error(), Errno{EOPNOTSUPP});
  EXPECT_EQ(read_position(open_pidfd(process_id())->ref()).error(), Errno{ENOTSOCK});
  EXPECT_EQ(read_position(FdRef{}).error(), Errno{EBADF});
  EXPECT_EQ(confirm_position(FdRef{}).error(), Errno{EBADF});
}

TEST(TcpPositionOfOtherThings, IsAnErrorUntilTheConnectionStands) {
  // A listener whose queue is full lets further requests wait.
  const UniqueFd listener = listen_on_loopback(AF_INET);
  ASSERT_EQ(listen(listener.get(), 0), 0);
  const Address address = *local_address(listener.ref());
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(adopt, ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    static_cast<void>(connect(clients.back().get(), address.data(), address.size()));
  }
  EXPECT_EQ(read_position(clients.back().ref()).error(), Errno{EINVAL});
}

TEST(TcpPositionSame, AllowsForTheFinInCloseOnly) {
  const auto at = [](std::uint64_t consumed, TcpState state) {
    return StreamPosition{.consumed = consumed, .written = 5, .unread = 0, .state = state};
  };
  EXPECT_TRUE(same(at(7, TcpState::Established), at(7, TcpState::CloseWait)));
  EXPECT_FALSE(same(at(7, TcpState::Established), at(8, TcpState::CloseWait)));
  EXPECT_TRUE(same(at(7, TcpState::Established), at(7, TcpState::Close)));
  EXPECT_TRUE(same(at(7, TcpState::Established), at(8, TcpState::Close)));
  EXPECT_TRUE(same(at(8, TcpState::Close), at(7, TcpState::FinWait2)));
  EXPECT_FALSE(same(at(8, TcpState::Established), at(7, TcpState::Close)));
  EXPECT_FALSE(same(at(7, TcpState::Established), at(9, TcpState::Close)));
  EXPECT_FALSE(same(at(7, TcpState::CloseWait), at(7, TcpState::Close)));
  EXPECT_FALSE(same(at(7, TcpState::Close), at(8, TcpState::Close)));
}

}  // namespace
}  // namespace baton::os
