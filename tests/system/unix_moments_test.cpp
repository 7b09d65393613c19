// SPDX-License-Identifier: MIT
// Deaths, exits and clients at each moment of a move; streams that somebody touched.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>
#include <thread>

#include "parties.hpp"

namespace baton::system_tests {
namespace {

class Moments : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    client_ = connect_client();
  }
  int take_and_serve() {
    const Step taken = take();
    EXPECT_TRUE(taken.ok()) << taken.text;
    expect_serves(*server_, taken.header.fd_server, client_);
    return taken.header.fd_server;
  }
  Connection client_;
};

TEST_F(Moments, TheServerIsKilledAfterItsAnswer) {
  answered(client_);
  server_->kill();
  const Step step = await_answer(client_);
  if (step.ok()) {
    EXPECT_ERRNO(ECONNRESET,
                 listener_->call([link = link_.in_listener] { return system_tests::receive_offer(link); }).value);
  }
  expect_serves(*listener_, client_.number, client_);
}

TEST_F(Moments, TheServerIsKilledInTheDataStop) {
  stopped(client_);
  write_all(client_.client.get(), "early ");
  server_->kill();
  // A read on the parked number waits for the move, and its end gives the octets.
  const auto text = listener_->call([number = client_.number] {
    struct {
      char octets[8];
    } all{};
    (void)soc_recv(number, all.octets, 6, MSG_WAITALL);
    return all;
  });
  EXPECT_STREQ(text.value.octets, "early ");
  expect_serves(*listener_, client_.number, client_);
}

TEST_F(Moments, P11TheServerIsKilledAfterTheCall) {
  called(client_);
  write_all(client_.client.get(), "early ");
  server_->kill();
  EXPECT_ERRNO(ECONNRESET, outcome(client_));
  const auto text = listener_->call([number = client_.number] {
    struct {
      char octets[8];
    } all{};
    (void)soc_recv(number, all.octets, 6, MSG_WAITALL);
    return all;
  });
  EXPECT_STREQ(text.value.octets, "early ");
  expect_serves(*listener_, client_.number, client_);
  EXPECT_EQ(statistics(*listener_).given_back, 1U);
  EXPECT_EQ(statistics(*listener_).touched, 0U);
}

TEST_F(Moments, P13TheListenerIsKilledAfterTheCall) {
  called(client_);
  listener_->kill();
  const int number = take_and_serve();
  close_in(*server_, {number});
  expect_end(client_);
}

TEST_F(Moments, TheListenerIsKilledBeforeTheCall) {
  stopped(client_);
  listener_->kill();
  EXPECT_ERRNO(ECONNRESET, take());
  expect_end(client_);
}

TEST_F(Moments, TheListenerExitsRightAfterTheCallWithoutClosing) {
  stopped(client_);
  (void)listener_->start([link = link_.in_listener, number = client_.number] {
    system_tests::call(link, number, AF_INET);
    ::_exit(0);
    return 0;
  });
  EXPECT_EQ(listener_->await_end(), 0);
  const int number = take_and_serve();
  close_in(*server_, {number});
  expect_end(client_);
}

TEST_F(Moments, TheListenerClosesBothAtOnceAndSitsInAccept) {
  called(client_);
  close_in(*listener_, {client_.number, link_.in_listener});
  (void)listener_->start([front = front_] { return soc_accept(front, nullptr, nullptr); });
  listener_->await_blocked();
  const int number = take_and_serve();
  close_in(*server_, {number});
  expect_end(client_);  // the library's thread has let go of L's duplicate
  listener_->kill();
}

TEST_F(Moments, TheListenerClosesBothAtOnceAndTheServerDies) {
  called(client_);
  close_in(*listener_, {client_.number, link_.in_listener});
  server_->kill();
  expect_end(client_);  // nobody wants it any more
}

TEST_F(Moments, TheClientClosesInTheDataStop) {
  stopped(client_);
  write_all(client_.client.get(), "last");
  client_.client.reset();
  EXPECT_STEP(call(client_));
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(client_));
  const auto sizes = server_->call([number = taken.header.fd_server] {
    struct {
      ssize_t first, second;
    } all{};
    char octets[8];
    all.first = soc_recv(number, octets, 4, MSG_WAITALL);
    all.second = soc_recv(number, octets, 4, 0);
    return all;
  });
  EXPECT_EQ(sizes.value.first, 4);
  EXPECT_EQ(sizes.value.second, 0);
}

TEST_F(Moments, P33TheClientHalfClosesInTheDataStop) {
  stopped(client_);
  ASSERT_EQ(::shutdown(client_.client.get(), SHUT_WR), 0);
  EXPECT_STEP(call(client_));
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(client_));
  EXPECT_EQ(server_
                ->call([number = taken.header.fd_server] {
                  char octet = 0;
                  return soc_recv(number, &octet, 1, 0) == 0 ? soc_send(number, "bye", 3, 0) : -2;
                })
                .value,
            3);
  EXPECT_EQ(read_some(client_.client.get(), 3), "bye");
}

TEST_F(Moments, TheClientHalfClosesAfterTheCallAndTheServerDies) {
  called(client_);
  ASSERT_EQ(::shutdown(client_.client.get(), SHUT_WR), 0);
  server_->kill();
  EXPECT_ERRNO(ECONNRESET, outcome(client_));
  EXPECT_EQ(listener_
                ->call([number = client_.number] {
                  char octet = 0;
                  return soc_recv(number, &octet, 1, 0) == 0 ? soc_send(number, "bye", 3, 0) : -2;
                })
                .value,
            3);
  EXPECT_EQ(read_some(client_.client.get(), 3), "bye");
}

void reset_by_client(Connection& connection) {
  const linger at_once{1, 0};
  ::setsockopt(connection.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  connection.client.reset();
}

TEST_F(Moments, TheClientResetsInTheDataStop) {
  stopped(client_);
  reset_by_client(client_);
  // Whoever has it in the end sees the reset; no one sees anything else.
  const Step made = call(client_);
  const Step taken = made.ok() ? take() : made;
  Agent& holder = taken.ok() ? *server_ : *listener_;
  const int number = taken.ok() ? int{taken.header.fd_server} : client_.number;
  const auto read = holder.call([number] {
    char octet = 0;
    return soc_recv(number, &octet, 1, 0);
  });
  EXPECT_EQ(read.value, -1);
  EXPECT_EQ(read.error, ECONNRESET);
}

TEST_F(Moments, UrgentDataInTheDataStopDoesNotTearTheStream) {
  stopped(client_);
  ASSERT_EQ(::send(client_.client.get(), "abc!", 4, MSG_OOB), 4);
  const Step made = call(client_);
  const Step taken = made.ok() ? take() : made;
  Agent& holder = taken.ok() ? *server_ : *listener_;
  const int number = taken.ok() ? int{taken.header.fd_server} : client_.number;
  const auto text = holder.call([number] {
    struct {
      char octets[8];
    } all{};
    (void)soc_recv(number, all.octets, 3, MSG_WAITALL);
    return all;
  });
  EXPECT_STREQ(text.value.octets, "abc");
}

// In the agent's process: set once its thread has read.
std::atomic<bool> reader_is_done{false};

TEST_F(Moments, P22AThreadBlockedInTheLibrarysRecvIsFoundAtTheDataStop) {
  answered(client_);
  // The thread is inside once it sleeps, which its line in /proc tells.
  const auto inside = listener_->call([number = client_.number] {
    static std::atomic<pid_t> reader{0};
    std::thread{[number] {
      reader = ::gettid();
      char octet = 0;
      (void)soc_recv(number, &octet, 1, 0);
      reader_is_done = true;
    }}.detach();
    while (reader == 0) std::this_thread::yield();
    const std::string path = "/proc/self/task/" + std::to_string(reader) + "/stat";
    for (;;) {
      std::ifstream stat{path};
      std::string line;
      std::getline(stat, line);
      const auto behind_name = line.rfind(") ");
      if (behind_name != std::string::npos && line[behind_name + 2] == 'S') return true;
      std::this_thread::yield();
    }
  });
  EXPECT_TRUE(inside.value);
  EXPECT_ERRNO(EBUSY, await_answer(client_));
  EXPECT_ERRNO(ECANCELED, take());
  // The thread gets the first octet, as it would have without a move.
  write_all(client_.client.get(), "x");
  listener_->call([] {
    while (!reader_is_done) std::this_thread::yield();
    return 0;
  });
  expect_serves(*listener_, client_.number, client_);
}

TEST_F(Moments, P27APlainReadBetweenStopAndCallIsRefused) {
  answered(client_);
  const int twin = listener_->call([number = client_.number] { return ::dup(number); }).value;
  write_all(client_.client.get(), "stolen");
  EXPECT_STEP(await_answer(client_));
  EXPECT_EQ(listener_
                ->call([twin] {
                  char octets[3];
                  return ::read(twin, octets, sizeof octets);
                })
                .value,
            3);
  EXPECT_ERRNO(EBUSY, call(client_));
  EXPECT_ERRNO(ECANCELED, take());
  const auto rest = listener_->call([number = client_.number] {
    struct {
      char octets[8];
    } all{};
    (void)soc_recv(number, all.octets, 3, MSG_WAITALL);
    return all;
  });
  EXPECT_STREQ(rest.value.octets, "len");
  EXPECT_EQ(listener_->call([twin] { return ::close(twin); }).value, 0);
}

TEST_F(Moments, P27APlainReadAfterTheCallIsRefusedByTheServer) {
  answered(client_);
  const int twin = listener_->call([number = client_.number] { return ::dup(number); }).value;
  write_all(client_.client.get(), "stolen");
  EXPECT_STEP(await_answer(client_));
  EXPECT_STEP(call(client_));
  EXPECT_EQ(listener_
                ->call([twin] {
                  char octets[3];
                  return ::read(twin, octets, sizeof octets);
                })
                .value,
            3);
  EXPECT_ERRNO(EUCLEAN, take());
  // L, whose doing it was, finds it touched too.
  const Step ended = outcome(client_);
  EXPECT_FALSE(ended.ok());
  EXPECT_EQ(listener_->call([twin] { return ::close(twin); }).value, 0);
}

TEST_F(Moments, P27TouchedAtTheGiveBackResetsTheClient) {
  answered(client_);
  const int twin = listener_->call([number = client_.number] { return ::dup(number); }).value;
  write_all(client_.client.get(), "stolen");
  EXPECT_STEP(await_answer(client_));
  EXPECT_STEP(call(client_));
  EXPECT_EQ(listener_
                ->call([twin] {
                  char octets[3];
                  return ::read(twin, octets, sizeof octets);
                })
                .value,
            3);
  server_->kill();
  EXPECT_ERRNO(EUCLEAN, outcome(client_));
  expect_reset(client_);
  EXPECT_EQ(statistics(*listener_).touched, 1U);
}

TEST_F(Moments, P12ClosingRightAfterTheCallLosesNothing) {
  called(client_);
  write_all(client_.client.get(), "unread");
  close_in(*listener_, {client_.number, link_.in_listener});
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  const auto text = server_->call([number = taken.header.fd_server] {
    struct {
      char octets[8];
    } all{};
    (void)soc_recv(number, all.octets, 6, MSG_WAITALL);
    return all;
  });
  EXPECT_STREQ(text.value.octets, "unread");
  expect_serves(*server_, taken.header.fd_server, client_);
}

TEST_F(Moments, P20TheModeOfTheServerIsTheServers) {
  called(client_);
  server_->call([number = offered_.fd_server] { return ::fcntl(number, F_SETFL, O_NONBLOCK); });
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_EQ(server_->call([number = taken.header.fd_server] { return ::fcntl(number, F_GETFL) & O_NONBLOCK; }).value,
            O_NONBLOCK);
}

}  // namespace
}  // namespace baton::system_tests
