// SPDX-License-Identifier: MIT
// AF_ISO itself: TSDUs, short writes and what they owe, non-blocking mode, waiting.
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <unistd.h>

#include <vector>

#include "parties.hpp"

namespace baton::system_tests {
namespace {

class Data : public Parties {
 protected:
  struct Part {
    ssize_t size = -1;
    int flags = 0;
    bool right = false;  // the octets follow the pattern from `from` on
  };
  static constexpr std::size_t largest = 200'000;
  static char pattern(std::size_t position) { return static_cast<char>(position * 7 + position / 251); }
  Part receive(Agent& agent, int link, std::size_t from, std::size_t room, int flags = 0) {
    return agent
        .call([=] {
          static char octets[largest];
          iovec part{octets, room};
          msghdr message{};
          message.msg_iov = &part;
          message.msg_iovlen = 1;
          Part got;
          got.size = soc_recvmsg(link, &message, flags);
          got.flags = message.msg_flags;
          got.right = true;
          for (ssize_t i = 0; i < got.size; ++i)
            got.right = got.right && octets[i] == pattern(from + static_cast<std::size_t>(i));
          return got;
        })
        .value;
  }
  static ssize_t send_pattern(int link, std::size_t from, std::size_t size) {
    static char octets[largest];
    for (std::size_t i = 0; i < size; ++i) octets[i] = pattern(from + i);
    return soc_send(link, octets, size, 0);
  }
};

TEST_F(Data, TsdusKeepTheirBoundaries) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{1'000}, std::size_t{65'528},
                                 std::size_t{65'529}, std::size_t{131'100}, largest}) {
    auto sending = listener_->start(
        [=, link = link_.in_listener] { return send_pattern(link, 0, size) + send_pattern(link, 0, 1); });
    std::size_t position = 0;
    for (bool end = false; !end && position < size;) {
      const Part part = receive(*server_, link_.in_server, position, 50'000);
      ASSERT_GT(part.size, 0);
      EXPECT_TRUE(part.right);
      position += static_cast<std::size_t>(part.size);
      end = (part.flags & MSG_EOR) != 0;
      EXPECT_EQ(end, position == size) << position;
    }
    EXPECT_EQ(position, size);
    const Part next = receive(*server_, link_.in_server, 0, 50'000);
    EXPECT_EQ(next.size, 1);
    EXPECT_EQ(next.flags & MSG_EOR, MSG_EOR);
    EXPECT_EQ(sending.get().value, static_cast<ssize_t>(size) + 1);
  }
}

TEST_F(Data, PeekTakesNothingAndAnEmptyTsduIsRefused) {
  EXPECT_EQ(listener_->call([link = link_.in_listener] { return send_pattern(link, 0, 10); }).value, 10);
  EXPECT_EQ(receive(*server_, link_.in_server, 0, 4, MSG_PEEK).size, 4);
  const Part part = receive(*server_, link_.in_server, 0, 4);
  EXPECT_EQ(part.size, 4);
  EXPECT_EQ(part.flags & MSG_EOR, 0);
  const Part rest = receive(*server_, link_.in_server, 4, 100);
  EXPECT_EQ(rest.size, 6);
  EXPECT_TRUE(rest.right);
  EXPECT_EQ(rest.flags & MSG_EOR, MSG_EOR);
  EXPECT_EQ(listener_->call([link = link_.in_listener] { return soc_send(link, "", 0, 0); }).error, EINVAL);
}

TEST_F(Data, AShortWriteOwesTheRestOfItsTsdu) {
  const ssize_t first = listener_
                            ->call([link = link_.in_listener] {
                              int on = 1;
                              soc_ioctl(link, FIONBIO, &on);
                              return send_pattern(link, 0, largest);
                            })
                            .value;
  ASSERT_GT(first, 0);
  ASSERT_LT(first, static_cast<ssize_t>(largest));
  EXPECT_EQ(
      listener_->call([=, link = link_.in_listener] { return send_pattern(link, static_cast<std::size_t>(first), 1); })
          .error,
      EAGAIN);
  std::size_t position = 0;
  while (position < static_cast<std::size_t>(first)) {
    const Part part = receive(*server_, link_.in_server, position, largest);
    ASSERT_GT(part.size, 0);
    EXPECT_TRUE(part.right);
    EXPECT_EQ(part.flags & MSG_EOR, 0);
    position += static_cast<std::size_t>(part.size);
  }
  EXPECT_EQ(server_
                ->call([link = link_.in_server] {
                  char octet = 0;
                  return soc_recv(link, &octet, 1, MSG_DONTWAIT);
                })
                .error,
            EAGAIN);
  // The remainder ends the TSDU.
  while (position < largest) {
    const ssize_t more =
        listener_->call([=, link = link_.in_listener] { return send_pattern(link, position, largest - position); })
            .value;
    ASSERT_GT(more, 0);
    for (ssize_t read = 0; read < more;) {
      const Part part = receive(*server_, link_.in_server, position, largest);
      ASSERT_GT(part.size, 0);
      EXPECT_TRUE(part.right);
      read += part.size;
      position += static_cast<std::size_t>(part.size);
      EXPECT_EQ((part.flags & MSG_EOR) != 0, position == largest);
    }
  }
}

TEST_F(Data, NonBlockingConnectAndAcceptWithTheLibrarysPoll) {
  const auto none = server_->call([listening = listening_] {
    ::fcntl(listening, F_SETFL, O_NONBLOCK);
    return soc_accept(listening, nullptr, nullptr);
  });
  EXPECT_EQ(none.error, EAGAIN);
  const int number = listener_->call([] { return named_iso(SOCK_NONBLOCK); }).value;
  const sockaddr_iso address = iso_address("S");
  const auto again = [=] { return soc_connect(number, &address, sizeof address); };
  EXPECT_EQ(listener_->call(again).error, EAGAIN);
  EXPECT_EQ(listener_->call(again).error, EAGAIN);
  const auto poll = [](int of, short events, int milliseconds) {
    return [=] {
      pollfd entry{of, events, 0};
      return soc_poll_ms(&entry, 1, milliseconds) == 1 ? entry.revents : 0;
    };
  };
  EXPECT_EQ(listener_->call(poll(number, POLLOUT, 0)).value, 0);
  EXPECT_EQ(server_->call(poll(listening_, POLLIN, 20'000)).value, POLLIN);
  const int accepted = server_->call([listening = listening_] { return accept_iso(listening); }).value;
  EXPECT_GE(accepted, 0);
  EXPECT_EQ(listener_->call(poll(number, POLLOUT, 20'000)).value & POLLOUT, POLLOUT);
  EXPECT_EQ(listener_->call(again).value, 0);
  const auto selected = listener_->call([=] {
    fd_set writing;
    FD_ZERO(&writing);
    FD_SET(number, &writing);
    timeval none_at_all{0, 0};
    return soc_select(number + 1, nullptr, &writing, nullptr, &none_at_all) == 1 && FD_ISSET(number, &writing);
  });
  EXPECT_TRUE(selected.value);
}

TEST_F(Data, PollCountsSecondsAndASignalEndsIt) {
  const auto interrupted = [](Agent& agent, int link) {
    agent.call([] {
      struct sigaction action = {};
      action.sa_handler = [](int) {};
      return ::sigaction(SIGUSR1, &action, nullptr);
    });
    auto polling = agent.start([=] {
      pollfd entry{link, POLLIN, 0};
      return soc_poll(&entry, 1, 1'000);
    });
    agent.await_blocked();
    ::kill(agent.pid(), SIGUSR1);
    return polling.get();
  };
  const auto reply = interrupted(*server_, link_.in_server);
  EXPECT_EQ(reply.value, -1);
  EXPECT_EQ(reply.error, EINTR);
  const auto slept = server_->call([link = link_.in_server] {
    pollfd entry{link, POLLIN, 0};
    timespec before{};
    timespec after{};
    ::clock_gettime(CLOCK_MONOTONIC, &before);
    soc_poll(&entry, 1, 1);
    ::clock_gettime(CLOCK_MONOTONIC, &after);
    return static_cast<long>((after.tv_sec - before.tv_sec) * 1'000 + (after.tv_nsec - before.tv_nsec) / 1'000'000);
  });
  EXPECT_GE(slept.value, 999);
}

TEST_F(Data, WakeEndsAWaitOrIsKeptForTheNext) {
  const pid_t server = server_->pid();
  const auto wake = [=] { return soc_wake(&server); };
  const auto poll = [link = link_.in_server] {
    pollfd entry{link, POLLIN, 0};
    return soc_poll(&entry, 1, -1);
  };
  EXPECT_EQ(listener_->call(wake).value, 0);
  EXPECT_EQ(server_->call(poll).error, EINTR);
  auto waiting = server_->start(poll);
  server_->await_blocked();
  EXPECT_EQ(listener_->call(wake).value, 0);
  EXPECT_EQ(waiting.get().error, EINTR);
  const pid_t nobody = 0x3ffffffe;
  EXPECT_EQ(listener_->call([=] { return soc_wake(&nobody); }).error, ESRCH);
  // From a signal handler, for the own process.
  server_->call([] {
    struct sigaction action = {};
    action.sa_handler = [](int) {
      const pid_t self = ::getpid();
      soc_wake(&self);
    };
    action.sa_flags = SA_RESTART;
    return ::sigaction(SIGUSR1, &action, nullptr);
  });
  ::kill(server, SIGUSR1);
  EXPECT_EQ(server_->call(poll).error, EINTR);
}

TEST_F(Data, EverySteppingCallIsEndedByASignal) {
  const auto handle = [] {
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    return ::sigaction(SIGUSR1, &action, nullptr);
  };
  listener_->call(handle);
  server_->call(handle);
  const auto interrupt = [](Agent& agent, auto pending) {
    agent.await_blocked();
    ::kill(agent.pid(), SIGUSR1);
    return pending.get().value.error;
  };
  const Connection client = connect_client();
  EXPECT_EQ(interrupt(*server_, server_->start([link = link_.in_server] { return system_tests::receive_offer(link); })),
            EINTR);
  EXPECT_STEP(offer(client));
  EXPECT_EQ(interrupt(*listener_, listener_->start([link = link_.in_listener, number = client.number] {
              return system_tests::await_answer(link, number, AF_INET);
            })),
            EINTR);
  EXPECT_STEP(receive_offer());
  EXPECT_STEP(answer());
  EXPECT_STEP(await_answer(client));
  EXPECT_EQ(interrupt(*server_, server_->start([link = link_.in_server, offered = offered_] {
              return system_tests::take(link, offered);
            })),
            EINTR);
  EXPECT_STEP(call(client));
  EXPECT_EQ(interrupt(*listener_, listener_->start([link = link_.in_listener, number = client.number] {
              return system_tests::outcome(link, number, AF_INET);
            })),
            EINTR);
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(client));
  expect_serves(*server_, taken.header.fd_server, client);
}

}  // namespace
}  // namespace baton::system_tests
