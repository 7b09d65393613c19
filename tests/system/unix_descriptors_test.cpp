// SPDX-License-Identifier: MIT
// What Unix programs do with descriptors behind the library's back: close, dup, fork, exec.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "parties.hpp"

namespace baton::system_tests {
namespace {

/// What plain poll(2) says to who waits for octets; a blocking read would give an end of file where it says POLLHUP.
int plain_poll(Agent& agent, int number) {
  return agent
      .call([=] {
        pollfd entry{number, POLLIN, 0};
        return ::poll(&entry, 1, 0) >= 0 ? int{entry.revents} : -1;
      })
      .value;
}

class Descriptors : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    client_ = connect_client();
  }
  void close_plainly(Agent& agent, int number) {
    EXPECT_EQ(agent.call([number] { return ::close(number); }).value, 0);
  }
  /// The number is used for something else: a file.
  void reuse(Agent& agent, int number) {
    EXPECT_EQ(agent
                  .call([number] {
                    const int file = ::open("/dev/null", O_RDWR | O_CLOEXEC);
                    if (file == number) return number;
                    const int moved = ::dup2(file, number);
                    ::close(file);
                    return moved;
                  })
                  .value,
              number);
  }
  Connection client_;
};

TEST_F(Descriptors, ALinkWhoseNumberIsUsedAgainIsForgotten) {
  offered(client_);
  close_plainly(*listener_, link_.in_listener);
  reuse(*listener_, link_.in_listener);
  EXPECT_EQ(listener_->call([number = link_.in_listener] { return soc_write(number, "x", 1); }).value, 1);
  EXPECT_ERRNO(EOPNOTSUPP, offer(client_));
  // S sees the end; the client is L's.
  EXPECT_ERRNO(ECONNRESET, answer());
  expect_serves(*listener_, client_.number, client_);
}

TEST_F(Descriptors, AListeningNumberThatIsUsedAgainIsForgotten) {
  close_plainly(*server_, listening_);
  reuse(*server_, listening_);
  EXPECT_EQ(server_->call([number = listening_] { return soc_write(number, "x", 1); }).value, 1);
  EXPECT_EQ(server_->call([number = listening_] { return soc_accept(number, nullptr, nullptr); }).error, ENOTSOCK);
}

TEST_F(Descriptors, PlainCloseOfAStoppedNumberBeforeTheCallClosesTheEndPoint) {
  stopped(client_);
  close_plainly(*listener_, client_.number);
  reuse(*listener_, client_.number);
  server_->kill();
  // L's next look at the link ends the move; nobody has the end point any more.
  EXPECT_ERRNO(ECONNRESET,
               listener_->call([link = link_.in_listener] { return system_tests::receive_offer(link); }).value);
  expect_end(client_);
  EXPECT_EQ(listener_->call([number = client_.number] { return soc_write(number, "x", 1); }).value, 1);
}

TEST_F(Descriptors, PlainCloseOfACalledNumberLetsTheTakeGoOn) {
  called(client_);
  close_plainly(*listener_, client_.number);
  reuse(*listener_, client_.number);
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  expect_serves(*server_, taken.header.fd_server, client_);
  EXPECT_STEP(outcome(client_));
  close_in(*server_, {taken.header.fd_server});
  expect_end(client_);
  EXPECT_EQ(listener_->call([number = client_.number] { return soc_write(number, "x", 1); }).value, 1);
}

TEST_F(Descriptors, PlainCloseOfACalledNumberAndDeathOfTheServerEndsTheConnection) {
  called(client_);
  close_plainly(*listener_, client_.number);
  server_->kill();
  EXPECT_ERRNO(ECONNRESET, outcome(client_));
  expect_end(client_);
}

TEST_F(Descriptors, PlainCloseOfTheNumberThatStandsInAtTheServerRefuses) {
  offered(client_);
  close_plainly(*server_, offered_.fd_server);
  reuse(*server_, offered_.fd_server);
  EXPECT_ERRNO(ENOENT, answer());
}

TEST_F(Descriptors, ADuplicateOfTheLinkWorksAsTheLink) {
  const int twin = listener_->call([link = link_.in_listener] { return ::dup(link); }).value;
  EXPECT_STEP(
      listener_->call([=, number = client_.number] { return system_tests::offer(twin, number, AF_INET); }).value);
  EXPECT_EQ(listener_->call([=] { return soc_close(twin); }).value, 0);
  EXPECT_STEP(receive_offer());
  EXPECT_STEP(answer());
  EXPECT_STEP(await_answer(client_));
  EXPECT_STEP(call(client_));
  EXPECT_STEP(take());
  EXPECT_STEP(outcome(client_));
}

TEST_F(Descriptors, ADuplicateMadeBeforeTheOfferKeepsTheConnectionOpen) {
  const int twin = listener_->call([number = client_.number] { return ::dup(number); }).value;
  const int number = moved(client_);
  expect_serves(*server_, number, client_);
  close_in(*server_, {number});
  // Only now that L closes the duplicate is it over: the manual says so.
  EXPECT_EQ(listener_->call([twin] { return soc_close(twin); }).value, 0);
  expect_end(client_);
}

TEST_F(Descriptors, ADuplicateOfAParkedNumberIsParkedForEver) {
  stopped(client_);
  const int twin = listener_->call([number = client_.number] { return ::dup(number); }).value;
  EXPECT_EQ(listener_->call([twin] { return ::write(twin, "x", 1); }).error, ENOTCONN);
  EXPECT_EQ(listener_->call([twin] { return soc_write(twin, "x", 1); }).error, EBUSY);
  EXPECT_STEP(call(client_));
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(client_));
  EXPECT_EQ(listener_->call([twin] { return ::write(twin, "x", 1); }).error, ENOTCONN);
  EXPECT_EQ(listener_->call([twin] { return ::close(twin); }).value, 0);
  expect_serves(*server_, taken.header.fd_server, client_);
}

TEST_F(Descriptors, P24ShutdownOfAParkedNumberDoesNotReachTheClient) {
  stopped(client_);
  EXPECT_EQ(listener_->call([number = client_.number] { return soc_shutdown(number, SHUT_RDWR); }).error, EBUSY);
  EXPECT_EQ(listener_->call([number = client_.number] { return ::shutdown(number, SHUT_RDWR); }).value, 0);
  EXPECT_STEP(call(client_));
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(client_));
  expect_serves(*server_, taken.header.fd_server, client_);
}

TEST_F(Descriptors, P24AParkedNumberThatIsShutDownIsReplaced) {
  const auto shut = [](Agent& agent, int number) {
    EXPECT_EQ(agent.call([=] { return ::shutdown(number, SHUT_RDWR); }).value, 0);
    EXPECT_EQ(plain_poll(agent, number), POLLIN | POLLHUP);
  };
  const auto poll = [](Agent& agent, int number) {
    return agent.call([=] {
      pollfd entry{number, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 0);
    });
  };
  offered(client_);
  const int parked = offered_.fd_server;
  shut(*server_, parked);
  EXPECT_EQ(poll(*server_, parked).value, 0);
  EXPECT_EQ(plain_poll(*server_, parked), 0);
  EXPECT_STEP(answer());
  EXPECT_STEP(await_answer(client_));

  EXPECT_EQ(listener_->call([number = client_.number] { return ::fcntl(number, F_SETFL, O_NONBLOCK); }).value, 0);
  shut(*listener_, client_.number);
  EXPECT_EQ(poll(*listener_, client_.number).value, 0);
  EXPECT_EQ(plain_poll(*listener_, client_.number), 0);
  EXPECT_EQ(listener_->call([number = client_.number] { return ::fcntl(number, F_GETFL) & O_NONBLOCK; }).value,
            O_NONBLOCK);
  const std::size_t before = listener_->descriptors();
  shut(*listener_, client_.number);
  EXPECT_EQ(listener_->call([number = client_.number] { return soc_write(number, "x", 1); }).error, EBUSY);
  EXPECT_EQ(plain_poll(*listener_, client_.number), 0);
  EXPECT_EQ(listener_->descriptors(), before);

  // S waits for the call, L for the outcome: both still know their numbers.
  shut(*server_, parked);
  auto taking =
      server_->start([link = link_.in_server, header = offered_] { return system_tests::take(link, header); });
  server_->await_blocked();
  EXPECT_STEP(call(client_));
  const auto taken = taking.get().value;
  EXPECT_TRUE(taken.ok()) << taken.text;
  shut(*listener_, client_.number);
  EXPECT_STEP(outcome(client_));
  expect_serves(*server_, parked, client_);
  close_in(*listener_, {client_.number});
  close_in(*server_, {parked});
}

TEST_F(Descriptors, P24WhatComesBackStandsInPlaceOfAReplacedNumber) {
  stopped(client_);
  EXPECT_EQ(listener_->call([number = client_.number] { return ::shutdown(number, SHUT_RDWR); }).value, 0);
  auto reading = listener_->start([number = client_.number] {
    char octet = 0;
    return soc_read(number, &octet, 1);
  });
  listener_->await_blocked();
  server_->kill();
  write_all(client_.client.get(), "a");
  EXPECT_EQ(reading.get().value, 1);
  expect_serves(*listener_, client_.number, client_);
}

/// Forks inside the agent; the child runs `in_child` and ends with what that returns.
template <class Function>
int fork_and_wait(Function in_child) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(in_child());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Descriptors, AChildThatClosesItsCopiesDisturbsNothing) {
  called(client_);
  EXPECT_EQ(listener_
                ->call([link = link_.in_listener, number = client_.number, front = front_] {
                  return fork_and_wait([=] { return soc_close(number) | soc_close(link) | soc_close(front); });
                })
                .value,
            0);
  EXPECT_EQ(server_
                ->call([link = link_.in_server, number = offered_.fd_server, listening = listening_] {
                  return fork_and_wait([=] { return soc_close(number) | soc_close(link) | soc_close(listening); });
                })
                .value,
            0);
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(client_));
  expect_serves(*server_, taken.header.fd_server, client_);
  const LinkNumbers second = open_link(*listener_, *server_, listening_);
  EXPECT_GE(second.in_server, 0);
}

TEST_F(Descriptors, AChildMayNotUseTheParentsLinks) {
  offered(client_);
  EXPECT_EQ(listener_
                ->call([link = link_.in_listener, number = client_.number] {
                  return fork_and_wait([=] {
                    if (system_tests::await_answer(link, number, AF_INET).error != EPERM) return 1;
                    if (system_tests::offer(link, number, AF_INET).error != EPERM) return 2;
                    char octet = 0;
                    if (soc_read(link, &octet, 1) != -1 || errno != EPERM) return 3;
                    if (soc_write(link, &octet, 1) != -1 || errno != EPERM) return 4;
                    if (soc_cancel(link, number) != -1 || errno != EPERM) return 5;
                    return 0;
                  });
                })
                .value,
            0);
  EXPECT_STEP(answer());
  EXPECT_STEP(await_answer(client_));
  EXPECT_STEP(call(client_));
  EXPECT_STEP(take());
  EXPECT_STEP(outcome(client_));
}

TEST_F(Descriptors, AChildKeepsNoHiddenDescriptorOfTheEndPointOpen) {
  stopped(client_);
  const pid_t child = listener_
                          ->call([link = link_.in_listener, number = client_.number, front = front_, front6 = front6_] {
                            const pid_t made = ::fork();
                            if (made == 0) {
                              for (const int each : {link, number, front, front6}) soc_close(each);
                              for (;;) ::pause();
                            }
                            return made;
                          })
                          .value;
  EXPECT_STEP(call(client_));
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(client_));
  close_in(*listener_, {client_.number});
  close_in(*server_, {taken.header.fd_server});
  expect_end(client_);  // while the child still lives
  EXPECT_EQ(listener_
                ->call([child] {
                  ::kill(child, SIGKILL);
                  return ::waitpid(child, nullptr, 0) == child;
                })
                .value,
            true);
}

TEST_F(Descriptors, AfIsoDescriptorsAreClosedByExec) {
  const auto listener_flags = listener_->call([link = link_.in_listener] { return ::fcntl(link, F_GETFD); });
  EXPECT_EQ(listener_flags.value & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(server_->call([link = link_.in_server] { return ::fcntl(link, F_GETFD); }).value & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(server_->call([number = listening_] { return ::fcntl(number, F_GETFD); }).value & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(server_->call([] { return ::fcntl(soc_socket(AF_ISO, SOCK_STREAM, 0), F_GETFD); }).value & FD_CLOEXEC,
            FD_CLOEXEC);
  // In the middle of a move nothing of it passes an exec: `ls` sees its standard three and its own.
  called(client_);
  const auto open_after_exec = listener_->call([] {
    int pair[2];
    if (::pipe2(pair, O_CLOEXEC) != 0) return -1;
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(pair[1], 1);
      ::execl("/bin/sh", "sh", "-c", "ls /proc/self/fd | wc -l", nullptr);
      ::_exit(99);
    }
    ::close(pair[1]);
    char text[16] = {};
    const ssize_t got = ::read(pair[0], text, sizeof text - 1);
    ::close(pair[0]);
    ::waitpid(child, nullptr, 0);
    return got > 0 ? std::atoi(text) : -1;
  });
  // 0, 1, 2, ls's own; and what plain sockets of the program pass on: front, front6, the accepted one.
  EXPECT_LE(open_after_exec.value, 7);
  EXPECT_GE(open_after_exec.value, 4);
  EXPECT_STEP(take());
}

TEST_F(Descriptors, P26WhatIsTakenIsCloseOnExec) {
  const int number = moved(client_);
  EXPECT_EQ(server_->call([number] { return ::fcntl(number, F_GETFD); }).value & FD_CLOEXEC, FD_CLOEXEC);
}

/// A child of the agent that has what the agent has, and does nothing.
pid_t fork_holder(Agent& agent) {
  return agent
      .call([] {
        const pid_t made = ::fork();
        if (made == 0)
          for (;;) ::pause();
        return made;
      })
      .value;
}

TEST_F(Descriptors, AForkedServersChildHoldsTheLinkAndTheServerIsDead) {
  called(client_);
  const pid_t child = fork_holder(*server_);
  server_->kill();
  // The link is still open: the pidfd proves the death of the process that answered.
  EXPECT_ERRNO(ECONNRESET, outcome(client_));
  expect_serves(*listener_, client_.number, client_);
  ::kill(child, SIGKILL);
}

TEST_F(Descriptors, AForkedServersChildHoldsTheFullLinkAndTheServerIsDead) {
  stopped(client_);
  // Offers that nobody reads, until there is no room for a CALL.
  std::vector<Connection> others;
  Step made;
  while (others.size() < 64) {
    others.push_back(connect_client());
    made = listener_
               ->call([link = link_.in_listener, number = others.back().number] {
                 static char octets[60'000];
                 ::fcntl(link, F_SETFL, O_NONBLOCK);
                 const Step offered =
                     system_tests::offer(link, number, AF_INET, std::string_view{octets, sizeof octets});
                 ::fcntl(link, F_SETFL, 0);
                 return offered;
               })
               .value;
    if (!made.ok()) break;
  }
  EXPECT_ERRNO(EAGAIN, made);
  const pid_t child = fork_holder(*server_);
  server_->kill();
  // The call says so, and the data stop is over when it has.
  EXPECT_ERRNO(ECONNRESET, call(client_));
  EXPECT_EQ(listener_->call([number = client_.number] { return ::send(number, "a", 1, 0); }).value, 1);
  EXPECT_EQ(read_some(client_.client.get(), 1), "a");
  expect_serves(*listener_, client_.number, client_);
  ::kill(child, SIGKILL);
}

TEST_F(Descriptors, AServerThatClosesTheLinkAndLivesGivesBackWhatItHasNotTaken) {
  called(client_);
  close_in(*server_, {link_.in_server});
  EXPECT_ERRNO(ECONNABORTED, outcome(client_));
  expect_serves(*listener_, client_.number, client_);
}

TEST_F(Descriptors, AServerThatClosesTheLinkPlainlyAndLivesLeavesTheMoveInDoubtUntilItDies) {
  called(client_);
  close_plainly(*server_, link_.in_server);
  auto waiting = listener_->start(
      [link = link_.in_listener, number = client_.number] { return system_tests::outcome(link, number, AF_INET); });
  listener_->await_blocked();
  EXPECT_FALSE(waiting.done());
  server_->kill();
  EXPECT_ERRNO(ECONNRESET, waiting.get().value);
  expect_serves(*listener_, client_.number, client_);
}

}  // namespace
}  // namespace baton::system_tests
