// SPDX-License-Identifier: MIT
#include "os/accept_trap.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <functional>
#include <span>
#include <thread>

#include "os/ancillary.hpp"
#include "os/epoll.hpp"
#include "os/test_support.hpp"

namespace baton::os {
namespace {

using testing::patience;

/// A trapped child, whose work says by its value how far it came.
class AcceptTrap : public ::testing::Test {
 protected:
  void start(const std::function<int()>& work) {
    auto line = *seqpacket_pair();
    child_ = fork();
    if (child_ == 0) {
      auto trap = set_accept_trap();
      const int number = trap ? trap->get() : -1;
      char octet = 1;
      const iovec octets{&octet, 1};
      if (number < 0 || !send_message(line.second.ref(), {&octets, 1}, {&number, 1})) _exit(100);
      trap->reset();
      line.second.reset();
      _exit(work());
    }
    line.second.reset();
    std::byte octet{};
    Received received;
    ASSERT_TRUE(receive_message(line.first.ref(), {&octet, 1}, received));
    ASSERT_EQ(received.descriptors.size(), 1U);
    trap_ = std::move(received.descriptors[0]);
  }

  /// What the trap polls in time.
  short events() {
    pollfd entry{trap_.get(), POLLIN, 0};
    return poll(&entry, 1,
                static_cast<int>(
                    std::chrono::milliseconds{std::chrono::duration_cast<std::chrono::milliseconds>(patience)}
                        .count())) == 1
               ? entry.revents
               : 0;
  }
  TrappedCall next() {
    EXPECT_NE(events() & POLLIN, 0);
    const auto call = next_trapped(trap_.ref());
    return call && *call ? **call : TrappedCall{};
  }
  int status() {
    int how = 0;
    EXPECT_EQ(waitpid(child_, &how, 0), child_);
    return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
  }

  pid_t child_ = 0;
  UniqueFd trap_;
};

int listening_socket() {
  const int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return bind(number, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0 && listen(number, 8) == 0 ? number : -1;
}

TEST_F(AcceptTrap, AnotherProcessListensAndAcceptsForAThread) {
  start([] {
    const int listening = listening_socket();
    if (listening < 0) return 1;
    int result = 2;
    std::thread{[&] {
      sockaddr_storage peer{};
      socklen_t size = sizeof peer;
      const int number = accept4(listening, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
      const auto& four = reinterpret_cast<const sockaddr_in&>(peer);
      const bool told = size == sizeof four && four.sin_family == AF_INET && ntohs(four.sin_port) == 4711;
      const bool closes = (fcntl(number, F_GETFD) & FD_CLOEXEC) != 0;
      result = !told ? 3 : !closes ? 4 : write(number, "x", 1) == 1 ? 0 : 5;
    }}.join();
    return result;
  });
  const TrappedCall listens = next();
  EXPECT_EQ(listens.kind, TrappedCall::Kind::Listen);
  EXPECT_EQ(listens.backlog, 8);
  const auto socket = socket_of(trap_.ref(), listens);
  ASSERT_TRUE(socket);
  EXPECT_TRUE(still_waits(trap_.ref(), listens));
  EXPECT_EQ(::listen(socket->get(), listens.backlog), 0);
  EXPECT_TRUE(answer(trap_.ref(), listens, 0));
  EXPECT_FALSE(still_waits(trap_.ref(), listens));

  const TrappedCall accepts = next();
  EXPECT_EQ(accepts.kind, TrappedCall::Kind::Accept);
  EXPECT_EQ(accepts.flags, SOCK_CLOEXEC);
  EXPECT_NE(accepts.thread, child_);
  const auto same = socket_of(trap_.ref(), accepts);
  ASSERT_TRUE(same);
  EXPECT_EQ(*cookie(same->ref()), *cookie(socket->ref()));
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(4711);
  EXPECT_TRUE(tell_peer(trap_.ref(), accepts, Address{reinterpret_cast<const sockaddr*>(&peer), sizeof peer}));
  auto pair = *seqpacket_pair();
  EXPECT_TRUE(give_answer(trap_.ref(), accepts, pair.second.ref()));
  pair.second.reset();
  char octet = 0;
  EXPECT_EQ(read(pair.first.get(), &octet, 1), 1);
  EXPECT_EQ(octet, 'x');
  EXPECT_EQ(status(), 0);
  EXPECT_EQ(events(), POLLHUP);
}

TEST_F(AcceptTrap, AnErrorIsTheProgramsAndWhatIsPassedIsTheKernels) {
  start([] {
    const int listening = listening_socket();
    if (listening >= 0 || errno != EADDRINUSE) return 1;
    const int other = socket(AF_UNIX, SOCK_STREAM, 0);
    return accept(other, nullptr, nullptr) == -1 && errno == EINVAL ? 0 : 2;  // it does not listen
  });
  EXPECT_TRUE(answer(trap_.ref(), next(), -EADDRINUSE));
  EXPECT_TRUE(pass(trap_.ref(), next()));
  EXPECT_EQ(status(), 0);
}

TEST_F(AcceptTrap, WhatTheProgramHasNoRoomForIsCutOrRefused) {
  start([] {
    sockaddr_storage peer{};
    socklen_t size = 4;
    if (accept(0, reinterpret_cast<sockaddr*>(&peer), &size) != -1 || size != sizeof(sockaddr_in)) return 1;
    if (peer.ss_family != AF_INET || reinterpret_cast<const sockaddr_in&>(peer).sin_addr.s_addr != 0) return 2;
    size = sizeof peer;
    return accept(0, reinterpret_cast<sockaddr*>(8), &size) == -1 && errno == EFAULT ? 0 : 3;
  });
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const Address address{reinterpret_cast<const sockaddr*>(&peer), sizeof peer};
  TrappedCall call = next();
  EXPECT_TRUE(tell_peer(trap_.ref(), call, address));
  EXPECT_TRUE(answer(trap_.ref(), call, -EAGAIN));
  call = next();
  EXPECT_EQ(tell_peer(trap_.ref(), call, address).error(), Errno{EFAULT});
  EXPECT_TRUE(answer(trap_.ref(), call, -EFAULT));
  EXPECT_EQ(status(), 0);
}

TEST_F(AcceptTrap, ACallThatASignalEndedTakesNoAnswer) {
  start([] {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    sigaction(SIGUSR1, &action, nullptr);
    return accept(0, nullptr, nullptr) == -1 && errno == EINTR ? 0 : 1;
  });
  const TrappedCall call = next();
  ASSERT_EQ(kill(child_, SIGUSR1), 0);
  EXPECT_EQ(status(), 0);
  EXPECT_FALSE(still_waits(trap_.ref(), call));
  const auto pair = *seqpacket_pair();
  EXPECT_EQ(give_answer(trap_.ref(), call, pair.first.ref()).error(), Errno{ENOENT});
  EXPECT_EQ(answer(trap_.ref(), call, 0).error(), Errno{ENOENT});
  EXPECT_EQ(socket_of(trap_.ref(), call).error(), Errno{ENOENT});
}

TEST_F(AcceptTrap, OneTrapAProcess) {
  start([] {
    const auto second = set_accept_trap();
    return !second && second.error() == Errno{EBUSY} ? 0 : 1;
  });
  EXPECT_EQ(status(), 0);
}

}  // namespace
}  // namespace baton::os
