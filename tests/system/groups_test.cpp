// SPDX-License-Identifier: MIT
// Groups at the edges: an old peer, full tables, a forked child, threads, and what comes in an unlikely order.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>

#include "group_calls.hpp"
#include "groups.hpp"

namespace baton::system_tests {
namespace {

/// While one lives this process can open nothing.
class FullTable {
 public:
  FullTable() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{3, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~FullTable() {
    const int error = errno;
    ::setrlimit(RLIMIT_NOFILE, &before_);
    errno = error;
  }
  FullTable(const FullTable&) = delete;
  FullTable& operator=(const FullTable&) = delete;

 private:
  rlimit before_{};
};

TEST_F(Groups, APeerWithoutTheFeatureIsSentNone) {
  const RawListener old{folder_.path(), "H"};
  const ToHostile at = link_to(old);
  EXPECT_TRUE(at.peer.send(hello_frame()));  // no features
  EXPECT_TRUE(at.peer.send(credit_frame(8)));
  const Connection one = connect_client();
  const Told told = listener_->call([link = at.link, number = one.number] { return hold_one(link, number); }).value;
  EXPECT_EQ(told.value, -1);
  EXPECT_EQ(told.error, EOPNOTSUPP);
  expect_serves(*listener_, one.number, one);
  close_in(*listener_, {one.number, at.link});
}

TEST_F(Groups, AServerWhoseTableIsFullGoesOnWhereItStopped) {
  const std::array all{connect_client(), connect_client(), connect_client()};
  const auto held = listener_->call([link = at_.in_listener, a = all[0].number, b = all[1].number, c = all[2].number] {
    std::array<soc_move, 3> moves{};
    moves[0].fd = a;
    moves[1].fd = b;
    moves[2].fd = c;
    return soc_hold(link, moves.data(), 3);
  });
  EXPECT_EQ(held.value, 3);
  std::array<int, 3> numbers{take().number, -1, -1};
  const Told full = server_
                        ->call([link = at_.in_server] {
                          const FullTable table;
                          return take_one(link, limit_ms);
                        })
                        .value;
  EXPECT_EQ(full.value, -1);
  EXPECT_EQ(full.error, EMFILE);
  for (std::size_t i = 1; i < all.size(); ++i) numbers[i] = take().number;
  EXPECT_EQ(commit(0).error, EWOULDBLOCK);
  EXPECT_EQ(take().flags, SOC_GROUP_END);
  EXPECT_EQ(ready(0).error, EWOULDBLOCK);
  EXPECT_EQ(commit().value, 0);
  EXPECT_EQ(ready().value, 3);
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(next_outcome().error, 0);
    expect_serves(*server_, numbers[i], all[i]);
  }
  close_in(*server_, {numbers[0], numbers[1], numbers[2]});
}

TEST_F(Groups, AServerThatHasNoNumberForWhatComesRefusesTheWholeGroup) {
  const Connection one = connect_client();
  EXPECT_EQ(hold(one).value, 1);
  const Told full = server_
                        ->call([link = at_.in_server] {
                          const FullTable table;
                          return take_one(link, limit_ms);
                        })
                        .value;
  EXPECT_EQ(full.error, ECANCELED);
  EXPECT_EQ(commit().error, ECANCELED);
  expect_back(one, ECONNABORTED);
  expect_moves(one);
}

TEST_F(Groups, AForkedChildOfTheListenerHoldsNothing) {
  const Connection one = connect_client();
  EXPECT_EQ(hold(one).value, 1);
  const auto child = listener_->call([link = at_.in_listener, number = one.number] {
    const pid_t made = ::fork();
    if (made != 0) {
      int status = -1;
      (void)::waitpid(made, &status, 0);
      return status;
    }
    soc_move move{};
    const bool nothing = soc_commit(link, 0) == -1 && errno == EPERM && soc_abort(link) == -1 && errno == EPERM &&
                         soc_decline(link) == -1 && errno == EPERM && soc_outcomes(link, &move, 1, 0) == -1 &&
                         errno == EPERM;
    (void)soc_close(number);
    (void)soc_close(link);
    ::_exit(nothing ? 0 : 1);
  });
  EXPECT_EQ(child.value, 0) << "the child's status";
  expect_commits(one, ready_for_held());
}

constexpr int in_threads = 12;  // connections of each thread

TEST_F(Groups, TwoThreadsHoldAndTwoThreadsTake) {
  std::vector<Connection> all;
  std::array<int, 2 * in_threads> numbers{};
  for (int& number : numbers) number = all.emplace_back(connect_client()).number;
  auto giving = listener_->start([link = at_.in_listener, numbers] {
    std::atomic<int> held{0};
    const auto hold_half = [&](std::size_t first) {
      for (std::size_t i = first; i < numbers.size(); i += 2)
        while (hold_one(link, numbers[i]).value != 1)  // EBUSY: the other one waits for room
          if (errno != EBUSY)
            return;
          else
            std::this_thread::yield();
      held += in_threads;
    };
    std::thread other{hold_half, 1};
    hold_half(0);
    other.join();
    int moved = 0;
    std::thread asking{[&] {
      while (moved < 2 * in_threads) {
        std::array<soc_move, 8> moves{};
        const int got = soc_outcomes(link, moves.data(), moves.size(), limit_ms);
        if (got < 1) return;
        for (int i = 0; i < got; ++i) moved += moves[static_cast<std::size_t>(i)].error == 0 ? 1 : 0;
      }
    }};
    const int committed = held == 2 * in_threads ? soc_commit(link, limit_ms) : -1;
    asking.join();
    return committed == 0 ? moved : -1;
  });
  const auto taking = server_->call([link = at_.in_server] {
    std::atomic<bool> complete{false};
    std::atomic<int> served{0};
    std::array<std::atomic<int>, 2 * in_threads> parked{};
    std::atomic<std::size_t> count{0};
    const auto take_some = [&] {
      while (!complete) {
        const Told told = take_one(link, 50);
        if (told.value < 0) return;
        if (told.flags == SOC_GROUP_END) complete = true;
        if (told.flags == SOC_HELD) parked[count++] = told.number;
      }
    };
    std::thread other{take_some};
    take_some();
    other.join();
    const int ready = soc_ready(link, limit_ms);
    for (std::size_t i = 0; i < count; ++i) served += soc_write(parked[i], "x", 1) == 1 ? 1 : 0;
    for (std::size_t i = 0; i < count; ++i) soc_close(parked[i]);
    return ready == served.load() ? ready : -1;
  });
  EXPECT_EQ(taking.value, 2 * in_threads);
  EXPECT_EQ(giving.get().value, 2 * in_threads);
  for (const Connection& each : all) EXPECT_EQ(read_some(each.client.get(), 1), "x");
}

TEST_F(Groups, TwoThreadsGiveManyAtOnce) {
  EXPECT_EQ(server_->call([link = at_.in_server] { return soc_credit(link, 4 * in_threads); }).value, 4 * in_threads);
  std::vector<Connection> all;
  std::array<int, 2 * in_threads> numbers{};
  for (int& number : numbers) number = all.emplace_back(connect_client()).number;
  auto giving = listener_->start([link = at_.in_listener, numbers] {
    std::array<std::array<soc_move, in_threads>, 2> moves{};
    for (std::size_t i = 0; i < numbers.size(); ++i) moves[i % 2][i / 2].fd = numbers[i];
    std::atomic<int> here{0};
    const auto give_half = [&](std::size_t half) {
      for (++here; here < 2;) {
      }
      for (int given = 0; given < in_threads;) {
        const int more = soc_give(link, moves[half].data() + given, in_threads - given);
        if (more < 0) return;
        given += more;
      }
    };
    std::thread other{give_half, 1};
    give_half(0);
    other.join();
    int moved = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i) moved += outcome_one(link, limit_ms).error == 0 ? 1 : 0;
    return moved;
  });
  const auto taking = server_->call([link = at_.in_server] {
    int served = 0;
    while (served < 2 * in_threads) {
      const Told told = take_one(link, limit_ms);
      if (told.value != 1) return served;
      served += soc_write(told.number, "x", 1) == 1 && soc_close(told.number) == 0 ? 1 : 0;
    }
    return served;
  });
  EXPECT_EQ(taking.value, 2 * in_threads);
  EXPECT_EQ(giving.get().value, 2 * in_threads);
  for (const Connection& each : all) EXPECT_EQ(read_some(each.client.get(), 1), "x");
}

TEST_F(Groups, CountAsMoves) {
  const soc_statistics listener = statistics(*listener_);
  const soc_statistics server = statistics(*server_);
  const Connection one = connect_client();
  const int number = ready_for(one);
  EXPECT_EQ(statistics(*listener_).in_doubt, 0U) << "until the commit it is the listener's";
  EXPECT_EQ(listener_->call([link = at_.in_listener] { return soc_abort(link); }).value, 0);
  expect_back(one, ECANCELED);
  EXPECT_EQ(take().error, ECANCELED);
  close_in(*server_, {number});
  const int taken = ready_for(one);
  EXPECT_EQ(commit().value, 0);
  EXPECT_EQ(statistics(*listener_).in_doubt, 1U);
  EXPECT_EQ(ready().value, 1);
  EXPECT_EQ(next_outcome().error, 0);
  const soc_statistics gave = statistics(*listener_);
  const soc_statistics took = statistics(*server_);
  EXPECT_EQ(gave.offered - listener.offered, 2U);
  EXPECT_EQ(gave.given_back - listener.given_back, 1U);
  EXPECT_EQ(gave.moved - listener.moved, 1U);
  EXPECT_EQ(gave.in_doubt, 0U);
  EXPECT_EQ(took.received - server.received, 2U);
  EXPECT_EQ(took.taken - server.taken, 1U);
  close_in(*server_, {taken});
}

TEST_F(Groups, OneOfWhichEachNumberIsClosedAfterTheCommitMakesRoomForTheNext) {
  const Connection one = connect_client();
  const int number = ready_for(one);
  EXPECT_EQ(commit().value, 0);
  const auto closed = server_->call([link = at_.in_server, number] {
    pollfd entry{link, POLLIN, 0};
    const int readable = soc_poll_ms(&entry, 1, limit_ms);  // COMMIT has come
    return readable == 1 ? soc_close(number) : -1;
  });
  EXPECT_EQ(closed.value, 0);
  expect_back(one, ECONNABORTED);
  expect_moves(one);
}

TEST_F(Groups, ACommittedOneIsNotAbandonedSoThatTheNextWaitsForIt) {
  const Connection one = connect_client();
  const int number = ready_for(one);
  EXPECT_EQ(commit().value, 0);
  EXPECT_EQ(listener_->call([link = at_.in_listener] { return soc_abandon(link, 0); }).value, 0);
  const Connection other = connect_client();
  EXPECT_EQ(hold(other).value, -1);
  EXPECT_EQ(ready().value, 1);
  EXPECT_EQ(next_outcome().error, 0);
  expect_serves(*server_, number, one);
  expect_moves(other);
  close_in(*server_, {number});
}

/// L's threads that wait for room, from one order to the next.
std::array<std::thread, 2> waiting;
std::array<Told, 2> waited;

class FullLink : public Groups {
 protected:
  /// Offers that nobody reads, until there is no room.
  void fill() {
    Step made{.result = 0};
    while (made.ok() && in_the_way_.size() < 64) {
      in_the_way_.push_back(connect_client());
      made = listener_
                 ->call([link = at_.in_listener, number = in_the_way_.back().number] {
                   static char octets[60'000];
                   ::fcntl(link, F_SETFL, O_NONBLOCK);
                   const Step offered = system_tests::offer(link, number, AF_INET, {octets, sizeof octets});
                   ::fcntl(link, F_SETFL, 0);
                   return offered;
                 })
                 .value;
    }
    EXPECT_ERRNO(EAGAIN, made);
  }
  /// S reads them, and wants none.
  void make_room() {
    for (std::size_t i = 0; i + 1 < in_the_way_.size(); ++i) {
      const auto refused = server_->call([link = at_.in_server] {
        static char room[60'000];
        const Step seen = system_tests::receive_offer(link, 0, room);
        const Step said = seen.ok() ? system_tests::answer(link, seen.header, -1) : seen;
        if (seen.ok()) soc_close(seen.header.fd_server);
        return said;
      });
      EXPECT_STEP(refused.value);
    }
  }
  /// What a thread of L was told when there was room.
  Told join(std::size_t thread) {
    return listener_
        ->call([thread] {
          waiting[thread].join();
          return waited[thread];
        })
        .value;
  }
  void TearDown() override {
    for (const Connection& each : in_the_way_) close_in(*listener_, {each.number});
    Groups::TearDown();
  }
  std::vector<Connection> in_the_way_;
};

TEST_F(FullLink, AFirstCallThatWaitsForRoomWhileItsGroupIsCalledOffOpensNone) {
  const Connection one = connect_client();
  // L has seen the credit.
  EXPECT_EQ(hold(one).value, 1);
  EXPECT_EQ(listener_->call([link = at_.in_listener] { return soc_abort(link); }).value, 0);
  expect_back(one, ECANCELED);
  EXPECT_EQ(take().error, ECANCELED);
  fill();
  const auto aborted = listener_->call([link = at_.in_listener, number = one.number] {
    waiting[0] = std::thread{[=] { waited[0] = hold_one(link, number); }};
    while (soc_abort(link) != 0) std::this_thread::yield();  // until the other one has begun
    return 0;
  });
  EXPECT_EQ(aborted.value, 0);
  make_room();
  const Told held = join(0);
  EXPECT_EQ(held.value, -1);
  EXPECT_EQ(held.error, ECANCELED);
  Told off = take();
  if (off.value == 1) {  // between the CALL and the end of its group
    close_in(*server_, {off.number});
    off = take();
  }
  EXPECT_EQ(off.error, ECANCELED);
  expect_serves(*listener_, one.number, one);
  expect_moves(one);
}

TEST_F(FullLink, CreditThatACallWaitsWithIsNotSpentByAnotherThread) {
  const std::array all{connect_client(), connect_client()};
  // All but one.
  std::vector<Connection> spent;
  for (int i = 0; i < 15; ++i) spent.push_back(connect_client());
  for (const Connection& each : spent) EXPECT_EQ(give(each.number).value, 1);
  fill();
  (void)listener_->call([link = at_.in_listener, first = all[0].number, second = all[1].number] {
    waiting[0] = std::thread{[=] { waited[0] = give_one(link, first); }};
    waiting[1] = std::thread{[=] { waited[1] = give_one(link, second); }};
    return 0;
  });
  make_room();
  for (std::size_t i = 0; i < spent.size() + all.size(); ++i) {
    const Told taken = take();
    EXPECT_GE(taken.number, 0);
    close_in(*server_, {taken.number});
  }
  for (std::size_t thread : {0U, 1U}) EXPECT_EQ(join(thread).value, 1);
  for (std::size_t i = 0; i < spent.size() + all.size(); ++i) EXPECT_EQ(next_outcome().error, 0);
}

}  // namespace
}  // namespace baton::system_tests
