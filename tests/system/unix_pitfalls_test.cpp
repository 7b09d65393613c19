// SPDX-License-Identifier: MIT
// Pitfalls of docs/pitfalls.md that take a whole program: both sides at once, epoll, io_uring.
#include <fcntl.h>
#include <liburing.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "parties.hpp"

namespace baton::system_tests {
namespace {

class Pitfalls : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    client_ = connect_client();
  }
  Connection client_;
};

constexpr std::size_t piece = 4'000;

/// TSDUs as many as find room, without waiting.
int fill_with_data(int link) {
  static const std::array<char, piece> octets{};
  ::fcntl(link, F_SETFL, O_NONBLOCK);
  int count = 0;
  while (soc_write(link, octets.data(), octets.size()) == static_cast<ssize_t>(piece)) ++count;
  ::fcntl(link, F_SETFL, 0);
  return count;
}
int read_data(int link, int count) {
  std::array<char, piece> octets;
  int read = 0;
  while (read < count && soc_read(link, octets.data(), octets.size()) == static_cast<ssize_t>(piece)) ++read;
  return read;
}

TEST_F(Pitfalls, P16BothSidesMoveAtOnceOverALinkThatIsFullOfData) {
  constexpr int many = 10;
  std::array<int, many> listeners{};
  std::array<int, many> servers{};
  std::vector<Connection> to_server;
  std::vector<Connection> to_listener;
  for (std::size_t i = 0; i < many; ++i) {
    to_server.push_back(connect_client());
    listeners[i] = to_server.back().number;
    to_listener.push_back(connect_client());
    servers[i] = moved(to_listener.back());
    close_in(*listener_, {to_listener.back().number});
  }
  const int at_listener = link_.in_listener;
  const int at_server = link_.in_server;
  EXPECT_GE(listener_->call([=] { return soc_credit(at_listener, many); }).value, 0);
  EXPECT_GE(server_->call([=] { return soc_credit(at_server, many); }).value, 0);
  const int from_listener = listener_->call([=] { return fill_with_data(at_listener); }).value;
  const int from_server = server_->call([=] { return fill_with_data(at_server); }).value;
  EXPECT_GT(from_listener, 10);
  EXPECT_GT(from_server, 10);

  const auto give = [](int link, const std::array<int, many>& numbers) {
    std::array<soc_move, many> moves{};
    for (std::size_t i = 0; i < many; ++i) moves[i].fd = numbers[i];
    return soc_give(link, moves.data(), many);
  };
  auto giving = listener_->start([=] { return give(at_listener, listeners); });
  EXPECT_EQ(server_->call([=] { return give(at_server, servers); }).value, many);
  EXPECT_EQ(giving.get().value, many);

  const auto take = [](int link) {
    std::array<soc_move, many> moves{};
    std::array<int, many> numbers{};
    for (std::size_t taken = 0; taken < many;) {
      const int some = soc_take(link, moves.data(), static_cast<int>(many - taken), 10'000);
      if (some <= 0) break;
      for (int i = 0; i < some; ++i) numbers[taken++] = moves[static_cast<std::size_t>(i)].fd;
    }
    return numbers;
  };
  auto taking = listener_->start([=] { return take(at_listener); });
  const auto taken_by_server = server_->call([=] { return take(at_server); }).value;
  const auto taken_by_listener = taking.get().value;
  const auto outcomes = [](int link) {
    int told = 0;
    for (std::array<soc_move, many> moves{}; told < many;) {
      const int some = soc_outcomes(link, moves.data(), many, 10'000);
      if (some <= 0) break;
      for (int i = 0; i < some; ++i) told += moves[static_cast<std::size_t>(i)].error == 0;
    }
    return told;
  };
  auto hearing = listener_->start([=] { return outcomes(at_listener); });
  EXPECT_EQ(server_->call([=] { return outcomes(at_server); }).value, many);
  EXPECT_EQ(hearing.get().value, many);
  for (std::size_t i = 0; i < many; ++i) {
    expect_serves(*server_, taken_by_server[i], to_server[i]);
    expect_serves(*listener_, taken_by_listener[i], to_listener[i]);
  }
  EXPECT_EQ(listener_->call([=] { return read_data(at_listener, from_server); }).value, from_server);
  EXPECT_EQ(server_->call([=] { return read_data(at_server, from_listener); }).value, from_listener);
}

TEST_F(Pitfalls, P21AnEpollThatStillWatchesWakesAndReachesNothing) {
  const int watching = listener_
                           ->call([number = client_.number] {
                             const int set = ::epoll_create1(EPOLL_CLOEXEC);
                             epoll_event event{.events = EPOLLIN, .data = {.fd = number}};
                             return ::epoll_ctl(set, EPOLL_CTL_ADD, number, &event) == 0 ? set : -1;
                           })
                           .value;
  ASSERT_GE(watching, 0);
  stopped(client_);
  write_all(client_.client.get(), "a");
  const auto woken = listener_->call([=] {
    epoll_event event{};
    return ::epoll_wait(watching, &event, 1, 10'000) == 1 ? event.data.fd : -1;
  });
  EXPECT_EQ(woken.value, client_.number);
  // The registration is the open file's: whoever follows it finds the parked number.
  EXPECT_EQ(listener_
                ->call([number = client_.number] {
                  char octet = 0;
                  return soc_recv(number, &octet, 1, MSG_DONTWAIT);
                })
                .error,
            EAGAIN);
  EXPECT_STEP(call(client_));
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(client_));
  const auto first = server_->call([number = taken.header.fd_server] {
    char octet = 0;
    return soc_read(number, &octet, 1) == 1 ? octet : '\0';
  });
  EXPECT_EQ(first.value, 'a');
  expect_serves(*server_, taken.header.fd_server, client_);
  EXPECT_EQ(listener_->call([=] { return ::close(watching); }).value, 0);
}

TEST_F(Pitfalls, P21StrictModeFindsTheEpollThatStillWatches) {
  const int watching = listener_
                           ->call([number = client_.number] {
                             ::setenv("BATON_STRICT", "1", 1);
                             const int set = ::epoll_create1(EPOLL_CLOEXEC);
                             epoll_event event{.events = EPOLLIN, .data = {.fd = number}};
                             return ::epoll_ctl(set, EPOLL_CTL_ADD, number, &event) == 0 ? set : -1;
                           })
                           .value;
  EXPECT_ERRNO(EBUSY, offer(client_));
  EXPECT_EQ(
      listener_->call([=, number = client_.number] { return ::epoll_ctl(watching, EPOLL_CTL_DEL, number, nullptr); })
          .value,
      0);
  const int number = moved(client_);
  expect_serves(*server_, number, client_);
  close_in(*listener_, {client_.number, watching});
}

/// A read of the accept descriptor that waits in the kernel while the end point moves.
class Uring : public Pitfalls {
 protected:
  void begin_to_read() {
    EXPECT_EQ(listener_
                  ->call([number = client_.number] {
                    if (const int failed = ::io_uring_queue_init(4, &ring, 0); failed < 0) return failed;
                    io_uring_sqe* const entry = ::io_uring_get_sqe(&ring);
                    ::io_uring_prep_recv(entry, number, &octet, 1, 0);
                    return ::io_uring_submit(&ring);
                  })
                  .value,
              1);
  }
  /// What it has read.
  char read_by_ring() {
    return listener_
        ->call([] {
          io_uring_cqe* entry = nullptr;
          if (::io_uring_wait_cqe(&ring, &entry) != 0 || entry->res != 1) return '\0';
          ::io_uring_cqe_seen(&ring, entry);
          return octet;
        })
        .value;
  }
  void close_ring() {
    listener_->call([] {
      ::io_uring_queue_exit(&ring);
      return 0;
    });
  }
  static inline io_uring ring;  // L's
  static inline char octet;
};

TEST_F(Uring, P23AReadThatComesBackBeforeTheCallCallsItOff) {
  begin_to_read();
  stopped(client_);
  write_all(client_.client.get(), "stolen");
  EXPECT_EQ(read_by_ring(), 's');
  EXPECT_ERRNO(EBUSY, call(client_));
  EXPECT_ERRNO(ECANCELED, take());
  const auto rest = listener_->call([number = client_.number] {
    std::array<char, 6> octets{};
    (void)soc_recv(number, octets.data(), 5, MSG_WAITALL);
    return octets;
  });
  EXPECT_STREQ(rest.value.data(), "tolen");
  expect_serves(*listener_, client_.number, client_);
  close_ring();
}

TEST_F(Uring, P23AReadThatComesBackAfterTheCallIsFoundByTheServer) {
  begin_to_read();
  called(client_);
  write_all(client_.client.get(), "stolen");
  EXPECT_EQ(read_by_ring(), 's');
  EXPECT_ERRNO(EUCLEAN, take());
  // The octet is L's, whose doing it was, and L goes on from there.
  EXPECT_FALSE(outcome(client_).ok());
  const auto rest = listener_->call([number = client_.number] {
    std::array<char, 6> octets{};
    (void)soc_recv(number, octets.data(), 5, MSG_WAITALL);
    return octets;
  });
  EXPECT_STREQ(rest.value.data(), "tolen");
  expect_serves(*listener_, client_.number, client_);
  close_ring();
}

TEST_F(Uring, P23AReadThatIsCancelledFirstDisturbsNothing) {
  begin_to_read();
  const auto cancelled = listener_->call([number = client_.number] {
    io_uring_sqe* const entry = ::io_uring_get_sqe(&ring);
    ::io_uring_prep_cancel_fd(entry, number, IORING_ASYNC_CANCEL_ALL);
    ::io_uring_sqe_set_data64(entry, 1);
    if (::io_uring_submit_and_wait(&ring, 2) != 1) return -1;
    int ended = 0;
    for (io_uring_cqe* each = nullptr; ::io_uring_peek_cqe(&ring, &each) == 0; ++ended) {
      if (each->user_data != 1 && each->res != -ECANCELED) return -2;
      ::io_uring_cqe_seen(&ring, each);
    }
    return ended;
  });
  EXPECT_EQ(cancelled.value, 2);
  const int number = moved(client_);
  close_in(*listener_, {client_.number});
  expect_serves(*server_, number, client_);
  close_ring();
}

}  // namespace
}  // namespace baton::system_tests
