// SPDX-License-Identifier: MIT
// What runs out: descriptors, the seed's `short`, credit, the user's descriptors in flight.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "parties.hpp"

namespace baton::system_tests {
namespace {

/// Milliseconds of the processor in a while in which the library's thread is the only one that may run.
long used_by_thread() {
  const auto used = [] {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1'000 + time.tv_nsec / 1'000'000;
  };
  const long begin = used();
  (void)::poll(nullptr, 0, 300);
  return used() - begin;
}

class Limits : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    remember_descriptors();
    client_ = connect_client();
  }
  unsigned long limit(Agent& agent, int spare) {
    return agent.call([spare] { return limit_descriptors(spare); }).value;
  }
  void restore(Agent& agent, unsigned long before) {
    agent.call([before] {
      restore_descriptors(before);
      return 0;
    });
  }
  void finish(int number) {
    expect_serves(*server_, number, client_);
    close_in(*listener_, {client_.number});
    close_in(*server_, {number});
    expect_unharmed();
  }
  Connection client_;
};

TEST_F(Limits, ServerWithoutDescriptorAtTheOffer) {
  EXPECT_STEP(offer(client_));
  const unsigned long before = limit(*server_, 0);
  EXPECT_ERRNO(EMFILE, receive_offer());
  restore(*server_, before);
  // The offer has waited.
  EXPECT_STEP(receive_offer());
  EXPECT_STEP(answer());
  EXPECT_STEP(await_answer(client_));
  EXPECT_STEP(call(client_));
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(client_));
  finish(taken.header.fd_server);
}

TEST_F(Limits, ServerWithoutDescriptorAtTheAnswer) {
  offered(client_);
  const unsigned long before = limit(*server_, 0);
  EXPECT_ERRNO(EMFILE, answer());
  // It can still refuse.
  EXPECT_STEP(answer(REDBIND_NO_DESCRIPTOR));
  restore(*server_, before);
  const Step refused = await_answer(client_);
  EXPECT_TRUE(refused.ok()) << refused.text;
  EXPECT_EQ(refused.header.bind_ok, REDBIND_NO_DESCRIPTOR);
  close_in(*server_, {offered_.fd_server});
  expect_serves(*listener_, client_.number, client_);
  finish(moved(client_));
}

TEST_F(Limits, ServerWithoutDescriptorAtTheTakeHasKeptOneForIt) {
  called(client_);
  const unsigned long before = limit(*server_, 0);
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  restore(*server_, before);
  EXPECT_STEP(outcome(client_));
  finish(taken.header.fd_server);
}

/// S's limit falls below the numbers it has in use, so that not even the number kept free can be used.
unsigned long limit_to_nothing() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const unsigned long before = limit.rlim_cur;
  limit.rlim_cur = 3;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return before;
}

TEST_F(Limits, P8ServerThatCannotReceiveGivesTheEndPointBack) {
  called(client_);
  write_all(client_.client.get(), "sent during the data stop");
  const unsigned long before = server_->call([] { return limit_to_nothing(); }).value;
  EXPECT_ERRNO(EMFILE, take());
  restore(*server_, before);
  EXPECT_ERRNO(ECONNABORTED, outcome(client_));
  const auto octets = listener_->call([number = client_.number] {
    struct Text {
      char text[32];
    } all{};
    (void)soc_recv(number, all.text, 25, MSG_WAITALL);
    return all;
  });
  EXPECT_STREQ(octets.value.text, "sent during the data stop");
  close_in(*server_, {offered_.fd_server});
  expect_serves(*listener_, client_.number, client_);
  EXPECT_EQ(statistics(*listener_).given_back, 1U);
  finish(moved(client_));
}

TEST_F(Limits, P8ServerThatCannotReceiveAfterTheListenersDeathTriesAgain) {
  called(client_);
  listener_->kill();
  const unsigned long before = server_->call([] { return limit_to_nothing(); }).value;
  EXPECT_ERRNO(EMFILE, take());
  EXPECT_ERRNO(EMFILE, take());
  restore(*server_, before);
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  expect_serves(*server_, taken.header.fd_server, client_);
  close_in(*server_, {taken.header.fd_server});
  expect_end(client_);
}

TEST_F(Limits, ListenerWithoutDescriptorAtTheDataStop) {
  answered(client_);
  const unsigned long before = limit(*listener_, 0);
  EXPECT_ERRNO(EMFILE, await_answer(client_));
  restore(*listener_, before);
  // The move is off on both sides.
  EXPECT_ERRNO(ECANCELED, take());
  close_in(*server_, {offered_.fd_server});
  expect_serves(*listener_, client_.number, client_);
  finish(moved(client_));
}

TEST_F(Limits, WhoAsksForTheStatusWaitsForADescriptorAndCostsNothing) {
  EXPECT_EQ(listener_->call([] { return soc_status(1); }).value, 0);
  const unsigned long before = limit(*listener_, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder_.path() + "/status/" + std::to_string(listener_->pid());
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path.c_str());
  const UniqueFd asker{adopt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  ASSERT_EQ(::connect(asker.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_LT(listener_->call(used_by_thread).value, 20);
  restore(*listener_, before);
  EXPECT_NE(read_some(asker.get(), 200).find("\"offered\""), std::string::npos);
  EXPECT_EQ(listener_->call([] { return soc_status(0); }).value, 0);
}

TEST_F(Limits, WhereThereMayBeFewerDescriptorsThanItWaitsForTheThreadLooksNowAndThen) {
  const auto limited = listener_->call([] {
    rlimit limits{};
    ::getrlimit(RLIMIT_NOFILE, &limits);
    const auto before = limits.rlim_cur;
    // The second call wakes the thread, which then waits anew.
    if (soc_status(1) != 0) return rlim_t{0};
    limits.rlim_cur = 1;
    ::setrlimit(RLIMIT_NOFILE, &limits);
    return soc_status(1) == 0 ? before : rlim_t{0};
  });
  ASSERT_NE(limited.value, 0U);
  EXPECT_LT(listener_->call(used_by_thread).value, 20);
  restore(*listener_, limited.value);
  EXPECT_EQ(listener_->call([] { return soc_status(0); }).value, 0);
}

TEST_F(Limits, WithoutCreditNothingIsGiven) {
  const auto give = [this](int flags) {
    return listener_->call([=, link = link_.in_listener, number = client_.number] {
      ::fcntl(link, F_SETFL, flags);
      soc_move move{};
      move.fd = number;
      return soc_give(link, &move, 1);
    });
  };
  const auto refused = give(O_NONBLOCK);
  EXPECT_EQ(refused.value, -1);
  EXPECT_EQ(refused.error, EAGAIN);
  expect_serves(*listener_, client_.number, client_);
  // Who has been told so can wait for credit, in a loop too.
  const auto ready = [&](int timeout_ms) {
    return listener_->call([=, link = link_.in_listener] {
      pollfd entry{link, POLLIN, 0};
      return soc_poll_ms(&entry, 1, timeout_ms);
    });
  };
  const auto pending = [&] { return listener_->call([link = link_.in_listener] { return soc_pending(link); }).value; };
  EXPECT_EQ(ready(0).value, 0);
  EXPECT_EQ(pending(), 0);
  EXPECT_EQ(server_->call([link = link_.in_server] { return soc_credit(link, 1); }).value, 1);
  EXPECT_EQ(ready(20'000).value, 1);
  EXPECT_EQ(ready(0).value, 0);  // once: who serves the client itself has no use for it
  EXPECT_EQ(give(O_NONBLOCK).value, 1);
  EXPECT_EQ(ready(0).value, 0);
  EXPECT_EQ(pending(), 0);
  const Connection second = connect_client();
  const auto none_left = listener_->call([link = link_.in_listener, number = second.number] {
    ::fcntl(link, F_SETFL, O_NONBLOCK);
    soc_move move{};
    move.fd = number;
    const int given = soc_give(link, &move, 1);
    const int error = errno;
    ::fcntl(link, F_SETFL, 0);
    errno = error;
    return given;
  });
  EXPECT_EQ(none_left.value, -1);
  EXPECT_EQ(none_left.error, EAGAIN);
  expect_serves(*listener_, second.number, second);
  const int number = server_
                         ->call([link = link_.in_server] {
                           soc_move move{};
                           return soc_take(link, &move, 1, 20'000) == 1 ? move.fd : -1;
                         })
                         .value;
  EXPECT_EQ(listener_
                ->call([link = link_.in_listener] {
                  soc_move move{};
                  return soc_outcomes(link, &move, 1, 20'000) == 1 ? move.error : -1;
                })
                .value,
            0);
  expect_serves(*server_, number, client_);
}

/// The unread descriptors of a user are counted against the sender's RLIMIT_NOFILE; root is exempt.
class InFlight : public ::testing::Test {
 protected:
  /// Nobody else's, though this test may run twice at a time: what the other one has in flight would count, too.
  const uid_t user = 20'000 + static_cast<uid_t>(::getpid()) % 40'000;
  test::RuntimeDir folder_;
};

TEST_F(InFlight, P9TooManyUnreadDescriptorsMeanLater) {
  ASSERT_EQ(::chown(folder_.path().c_str(), user, user), 0) << "this test changes users: run it as root";
  Agent listener{user};
  Agent server{user};
  struct Front {
    int number;
    unsigned short port;
  };
  const Front front = listener
                          .call([] {
                            Front made{};
                            made.number = listen_tcp(AF_INET, &made.port);
                            return made;
                          })
                          .value;
  const int listening = server.call([] { return listen_iso("S"); }).value;
  auto connecting = listener.start([] { return connect_iso("S"); });
  const int server_link = server.call([=] { return accept_iso(listening); }).value;
  const int link = connecting.get().value;
  UniqueFd client{adopt, connect_tcp(AF_INET, front.port)};
  const int number = listener.call([=] { return soc_accept(front.number, nullptr, nullptr); }).value;
  // One move up to the call, then the user's share is used up by descriptors in a socket of the listener's own.
  EXPECT_STEP(listener.call([=] { return offer(link, number, AF_INET); }).value);
  const cmsg_redhdr offered = server.call([=] { return receive_offer(server_link); }).value.header;
  EXPECT_STEP(server.call([=] { return answer(server_link, offered, 0); }).value);
  EXPECT_STEP(listener.call([=] { return await_answer(link, number, AF_INET); }).value);
  struct Stuffed {
    int pair[2];
    int count;
    int error;
  };
  const Stuffed stuffed = listener
                              .call([] {
                                Stuffed made{};
                                ::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, made.pair);
                                rlimit limit{};
                                ::getrlimit(RLIMIT_NOFILE, &limit);
                                limit.rlim_cur = 8;
                                ::setrlimit(RLIMIT_NOFILE, &limit);
                                char octet = 0;
                                iovec part{&octet, 1};
                                alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
                                msghdr message{};
                                message.msg_iov = &part;
                                message.msg_iovlen = 1;
                                message.msg_control = control;
                                message.msg_controllen = sizeof control;
                                cmsghdr* const header = CMSG_FIRSTHDR(&message);
                                header->cmsg_len = CMSG_LEN(sizeof(int));
                                header->cmsg_level = SOL_SOCKET;
                                header->cmsg_type = SCM_RIGHTS;
                                const int passed = 0;
                                std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
                                while (::sendmsg(made.pair[0], &message, 0) == 1) ++made.count;
                                made.error = errno;
                                return made;
                              })
                              .value;
  ASSERT_EQ(stuffed.error, ETOOMANYREFS);
  listener.call([=] { return ::fcntl(link, F_SETFL, O_NONBLOCK); });
  EXPECT_ERRNO(EAGAIN, listener.call([=] { return call(link, number, AF_INET); }).value);
  // In blocking mode it waits until there is room: the server's reading of another socket makes it.
  listener.call([=] { return ::fcntl(link, F_SETFL, 0); });
  listener.call([=] {
    ::close(stuffed.pair[0]);
    return ::close(stuffed.pair[1]);
  });
  EXPECT_STEP(listener.call([=] { return call(link, number, AF_INET); }).value);
  const Step taken = server.call([=] { return take(server_link, offered); }).value;
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(listener.call([=] { return outcome(link, number, AF_INET); }).value);
  write_all(client.get(), "x");
  EXPECT_EQ(server
                .call([fd = taken.header.fd_server] {
                  char octet = 0;
                  return soc_read(fd, &octet, 1);
                })
                .value,
            1);
}

}  // namespace
}  // namespace baton::system_tests
