// SPDX-License-Identifier: MIT
// A hostile server: answers that nobody asked for, answers that never come. L keeps its clients. Floods: hostile_flood.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>

#include "group_calls.hpp"
#include "hostile.hpp"

namespace baton::system_tests {
namespace {

using handoff::FrameType;

/// What the hostile server has: it is a process of its own, for its death to be one.
std::optional<RawListener> villains_name;
std::optional<RawPeer> villains_link;
UniqueFd villains_booty;

bool villain_listens() {
  villains_name.emplace(std::getenv("BATON_RUNTIME_DIR"), "H");
  return true;
}
bool villain_accepts() {
  villains_link.emplace(villains_name->accept());
  return villains_link->send(hello_frame());
}
/// The move of the next frame of this type; 0 at the end.
std::uint64_t villain_awaits(FrameType type) {
  const auto frame = villains_link->receive_frame(static_cast<std::uint8_t>(type));
  return frame.empty() ? 0 : move_in(frame);
}
/// The next CALL, with its descriptor.
std::uint64_t villain_awaits_call() {
  for (;;) {
    const auto frame = villains_link->receive(villains_booty);
    if (frame.empty()) return 0;
    if (handoff::type_of(frame) == static_cast<std::uint8_t>(FrameType::Call)) return move_in(frame);
  }
}
/// A child of the villain sends the message on the villain's link.
template <class Frame>
bool villains_child_sends(Frame frame) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(villains_link->send(frame()) ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0;
}

class HostileServer : public Hostile {
 protected:
  void SetUp() override {
    Hostile::SetUp();
    villain_.emplace();
    ASSERT_TRUE(villain_->call([] { return villain_listens(); }).value);
    auto connecting = listener_->start([] { return connect_iso("H"); });
    ASSERT_TRUE(villain_->call([] { return villain_accepts(); }).value);
    villains_ = connecting.get().value;
    ASSERT_GE(villains_, 0);
    client_ = connect_client();
  }
  void TearDown() override {
    close_in(*listener_, {villains_, client_.number});
    if (villain_) villain_->kill();
    Hostile::TearDown();
  }
  /// L has offered its client, and the villain knows the move.
  std::uint64_t offered_to_villain() {
    EXPECT_STEP(offer_over(*listener_, villains_, client_));
    return villain_->call([] { return villain_awaits(FrameType::Offer); }).value;
  }
  std::uint64_t stopped_for_villain() {
    const std::uint64_t move = offered_to_villain();
    say(answer_frame, move);
    EXPECT_STEP(await_answer_over(*listener_, villains_, client_));
    return move;
  }
  std::uint64_t called_to_villain() {
    const std::uint64_t move = stopped_for_villain();
    EXPECT_STEP(call_over(*listener_, villains_, client_));
    EXPECT_EQ(villain_->call([] { return villain_awaits_call(); }).value, move);
    return move;
  }
  void say(std::vector<std::byte> (*frame)(std::uint64_t), std::uint64_t move) {
    EXPECT_TRUE(villain_->call([=] { return villains_link->send(frame(move)); }).value);
  }
  /// Without an offer.
  std::uint64_t given_to_villain() {
    EXPECT_TRUE(villain_->call([] { return villains_link->send(credit_frame(1)); }).value);
    EXPECT_EQ(
        listener_->call([link = villains_, number = client_.number] { return give_one(link, number); }).value.value, 1);
    return villain_->call([] { return villain_awaits_call(); }).value;
  }
  void villain_reads_of_client() {
    write_all(client_.client.get(), "octets");
    const auto reads = villain_->call([] {
      char octets[3];
      return ::read(villains_booty.get(), octets, sizeof octets);
    });
    EXPECT_EQ(reads.value, 3);
  }
  Reply<int> recall() {
    return listener_->call([link = villains_] { return soc_recall(link, 0); });
  }
  Told come_back(int timeout_ms = 20'000) {
    return listener_
        ->call([=, link = villains_] {
          soc_move move{};
          const int value = soc_outcomes(link, &move, 1, timeout_ms);
          return Told{value, value < 0 ? errno : move.error, move.fd};
        })
        .value;
  }
  Step outcome_of_client() { return outcome_over(*listener_, villains_, client_); }
  Reply<int> look() { return poll(*listener_, villains_, 0); }
  void expect_client_is_served_by_listener() { expect_serves(*listener_, client_.number, client_); }

  std::optional<Agent> villain_;
  int villains_ = -1;  // L's link to the villain
  Connection client_;
};

TEST_F(HostileServer, ThatTakesAndNeverAnswersHasTheClientUntilItDies) {
  (void)called_to_villain();
  set_move_timeout(*listener_, villains_, 50);
  EXPECT_ERRNO(ETIMEDOUT, outcome_of_client());
  EXPECT_EQ(statistics(*listener_).in_doubt, 1U);
  // Not even the end of the link decides.
  villain_->call([] {
    villains_link.reset();
    return 0;
  });
  EXPECT_ERRNO(ETIMEDOUT, outcome_of_client());
  villain_->kill();
  EXPECT_ERRNO(ECONNRESET, outcome_of_client());
  EXPECT_EQ(statistics(*listener_).given_back, 1U);
  EXPECT_EQ(statistics(*listener_).in_doubt, 0U);
  expect_client_is_served_by_listener();
}

TEST_F(HostileServer, ThatReadsWithoutTakingAndDiesCostsTheConnectionAndNothingElse) {
  (void)called_to_villain();
  villain_reads_of_client();
  villain_->kill();
  EXPECT_ERRNO(EUCLEAN, outcome_of_client());
  EXPECT_EQ(statistics(*listener_).touched, 1U);
  expect_reset(client_);
}

TEST_F(HostileServer, ThatAnswersTwiceIsHeardOnce) {
  const std::uint64_t move = offered_to_villain();
  say(answer_frame, move);
  say(answer_frame, move);
  EXPECT_STEP(await_answer_over(*listener_, villains_, client_));
  say(answer_frame, move);
  EXPECT_EQ(look().value, 0);
  EXPECT_ERRNO(EPROTO, await_answer_over(*listener_, villains_, client_));
  EXPECT_STEP(call_over(*listener_, villains_, client_));
  say(answer_frame, move);
  say(taken_frame, move);
  EXPECT_STEP(outcome_of_client());
  say(answer_frame, move);
  say(taken_frame, move);
  say(cancelled_frame, move);
  (void)look();
  EXPECT_EQ(statistics(*listener_).moved, 1U + 1U);  // with that of warming up
}

TEST_F(HostileServer, ThatAnswersForMovesOfOthersChangesNothing) {
  const Connection others = connect_client();
  EXPECT_STEP(offer(others));
  EXPECT_STEP(receive_offer());
  const std::uint64_t mine = offered_to_villain();
  // Ids count up: its own one less is the other's.
  say(answer_frame, mine - 1);
  EXPECT_EQ(look().value, 0);
  EXPECT_STEP(answer());
  EXPECT_STEP(await_answer(others));
  EXPECT_STEP(call(others));
  say(taken_frame, mine - 1);
  say(cancelled_frame, mine - 1);
  EXPECT_EQ(look().value, 0);
  EXPECT_EQ(statistics(*listener_).in_doubt, 1U);
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(others));
  expect_serves(*server_, taken.header.fd_server, others);
  close_in(*listener_, {others.number});
  close_in(*server_, {taken.header.fd_server});
  expect_client_is_served_by_listener();
}

TEST_F(HostileServer, ThatSendsDescriptorsHasThemClosedOrNotLetIn) {
  const std::uint64_t move = offered_to_villain();
  const std::size_t before = listener_->descriptors();
  EXPECT_TRUE(villain_
                  ->call([=] {
                    const std::vector<int> many(253, 0);
                    for (const auto& frame : {credit_frame(1), cancelled_frame(7), hello_frame(), taken_frame(move)})
                      if (!villains_link->send_with(frame, many) && errno != EPERM) return false;
                    return villains_link->send(answer_frame(move));
                  })
                  .value);
  EXPECT_EQ(look().value, 1);
  // A pidfd of the villain, and with the first wait something to be woken by.
  EXPECT_LE(listener_->descriptors(), before + 2);
  EXPECT_STEP(await_answer_over(*listener_, villains_, client_));
  EXPECT_STEP(call_over(*listener_, villains_, client_));
  say(taken_frame, move);
  EXPECT_STEP(outcome_of_client());
}

TEST_F(HostileServer, ThatSaysTakenBeforeTheCallHasNotTaken) {
  const std::uint64_t move = offered_to_villain();
  say(taken_frame, move);
  EXPECT_EQ(look().value, 0);
  expect_client_is_served_by_listener();
  say(answer_frame, move);
  EXPECT_STEP(await_answer_over(*listener_, villains_, client_));
  say(taken_frame, move);
  say(cancelled_frame, move);
  EXPECT_EQ(look().value, 0);
  EXPECT_STEP(call_over(*listener_, villains_, client_));
  EXPECT_EQ(statistics(*listener_).in_doubt, 1U);
  EXPECT_EQ(villain_->call([] { return villain_awaits_call(); }).value, move);
  say(cancelled_frame, move);
  EXPECT_ERRNO(ECANCELED, outcome_of_client());
  // What L has back it has looked at; that S keeps a duplicate nobody can know.
  expect_client_is_served_by_listener();
}

TEST_F(HostileServer, WhoseChildAnswersIsNotHeard) {
  const std::uint64_t move = called_to_villain();
  EXPECT_TRUE(villain_->call([=] { return villains_child_sends([=] { return taken_frame(move); }); }).value);
  EXPECT_TRUE(villain_->call([=] { return villains_child_sends([=] { return cancelled_frame(move); }); }).value);
  EXPECT_EQ(look().value, 0);
  EXPECT_EQ(statistics(*listener_).in_doubt, 1U);
  say(taken_frame, move);
  EXPECT_STEP(outcome_of_client());
}

TEST_F(HostileServer, ThatAnswersWithWhatIsNoAnswerEndsTheLink) {
  const std::uint64_t move = offered_to_villain();
  EXPECT_TRUE(villain_
                  ->call([=] {
                    std::vector<std::byte> frame(handoff::small_frame);
                    frame.resize(handoff::encode(frame, move, handoff::Answer{2, 5, 1}).size());
                    return villains_link->send(frame);
                  })
                  .value);
  EXPECT_ERRNO(EPROTO, await_answer_over(*listener_, villains_, client_));
  expect_client_is_served_by_listener();
}

TEST_F(HostileServer, WithAnOutcomeThatDoesNotExistHasRefused) {
  const std::uint64_t move = called_to_villain();
  EXPECT_TRUE(villain_
                  ->call([=] {
                    const handoff::TakenItem item{move, static_cast<handoff::TakeOutcome>(99), -7};
                    std::vector<std::byte> frame(handoff::small_frame);
                    frame.resize(handoff::encode(frame, {&item, 1}).size());
                    return villains_link->send(frame);
                  })
                  .value);
  EXPECT_ERRNO(ECONNABORTED, outcome_of_client());
  expect_client_is_served_by_listener();
}

TEST_F(HostileServer, WhoseChildLivesOnAndFloodsIsDeadAllTheSame) {
  (void)called_to_villain();
  const std::size_t before = memory_of(*listener_);
  const pid_t child = villain_
                          ->call([] {
                            const pid_t made = ::fork();
                            if (made == 0)
                              for (const auto message = data_message(1'000);;)
                                if (!villains_link->send(message)) ::_exit(0);
                            return made;
                          })
                          .value;
  villain_->kill();
  auto asking = listener_->start(
      [link = villains_, number = client_.number] { return system_tests::outcome(link, number, AF_INET); });
  EXPECT_TRUE(asking.done(10'000)) << "L reads as long as the child sends";
  EXPECT_ERRNO(ECONNRESET, asking.get().value);
  EXPECT_LT(memory_of(*listener_), before + flood_memory);
  expect_client_is_served_by_listener();
  auto closing = listener_->start([link = villains_] { return soc_close(link); });
  EXPECT_TRUE(closing.done(10'000));
  EXPECT_EQ(closing.get().value, 0);
  ::kill(child, SIGKILL);
  villains_ = listener_->call([] { return named_iso(); }).value;  // for TearDown to close
}

TEST_F(HostileServer, WhoseChildLivesOnAfterItRefusedLetsTheListenerSleep) {
  const std::uint64_t move = offered_to_villain();
  EXPECT_TRUE(villain_
                  ->call([=] {
                    std::array<std::byte, handoff::small_frame> room;
                    return villains_link->send(handoff::encode(room, move, handoff::Answer{-1, -1, 1}));
                  })
                  .value);
  EXPECT_EQ(poll(*listener_, villains_, 20'000).value, 1);  // the refusal is here
  const pid_t child = villain_
                          ->call([] {
                            const pid_t made = ::fork();
                            if (made == 0)
                              for (;;) ::pause();
                            return made;
                          })
                          .value;
  villain_->kill();
  set_move_timeout(*listener_, villains_, 500);
  struct Waited {
    Step step;
    std::clock_t processor_time = 0;
  };
  const auto waited = listener_->call([link = villains_] {
    const std::clock_t before = std::clock();
    const Step step = system_tests::receive_offer(link);
    return Waited{step, std::clock() - before};
  });
  EXPECT_ERRNO(ETIMEDOUT, waited.value.step);
  EXPECT_LT(waited.value.processor_time, CLOCKS_PER_SEC / 10) << "L does not sleep while it waits";
  ::kill(child, SIGKILL);
  const Step refusal = await_answer_over(*listener_, villains_, client_);
  EXPECT_EQ(refusal.header.bind_ok, -1);
  expect_client_is_served_by_listener();
}

TEST_F(HostileServer, ThatHasEndedTheLinkIsAskedForNothing) {
  (void)given_to_villain();
  villain_->call([] {
    villains_link.reset();
    return 0;
  });
  EXPECT_EQ(poll(*listener_, villains_, 20'000).value, 1);
  EXPECT_EQ(recall().value, 0);
  villain_->kill();  // that decides
  EXPECT_EQ(come_back().error, ECONNRESET);
  expect_client_is_served_by_listener();
}

TEST_F(HostileServer, ThatIsAskedBackAndDoesNotAnswerHasTheClientUntilItDies) {
  (void)given_to_villain();
  EXPECT_EQ(recall().value, 1);
  EXPECT_EQ(come_back(0).value, 0);
  EXPECT_EQ(statistics(*listener_).in_doubt, 1U);
  villain_->kill();
  const Told back = come_back();
  EXPECT_EQ(back.error, ECONNRESET);
  EXPECT_EQ(back.number, client_.number);
  expect_client_is_served_by_listener();
}

TEST_F(HostileServer, ThatGivesBackWhatItHasReadFromCostsTheConnectionAndNothingElse) {
  const std::uint64_t move = given_to_villain();
  villain_reads_of_client();
  EXPECT_EQ(recall().value, 1);
  say(cancelled_frame, move);
  EXPECT_EQ(come_back().error, EUCLEAN);
  EXPECT_EQ(statistics(*listener_).touched, 1U);
  villain_->kill();
  expect_reset(client_);
  client_.number = listener_->call([] { return named_iso(); }).value;  // for TearDown to close
}

TEST_F(HostileServer, ThatGivesBackAndThenSaysTakenHasGivenBack) {
  const std::uint64_t move = given_to_villain();
  EXPECT_EQ(recall().value, 1);
  say(cancelled_frame, move + 1);  // for none that there is
  EXPECT_EQ(come_back(0).value, 0);
  say(cancelled_frame, move);
  say(taken_frame, move);
  say(cancelled_frame, move);
  const Told back = come_back();
  EXPECT_EQ(back.error, ECANCELED);
  EXPECT_EQ(back.number, client_.number);
  (void)look();
  expect_client_is_served_by_listener();
}

TEST_F(HostileServer, ThatNeverReadsStopsTheListenerAtAFixedNumber) {
  const auto without_waiting = [this](auto function) {
    return listener_->call([=, link = villains_] {
      ::fcntl(link, F_SETFL, O_NONBLOCK);
      const auto result = function(link);
      const int error = errno;
      ::fcntl(link, F_SETFL, 0);
      errno = error;
      return result;
    });
  };
  std::vector<Connection> clients;
  int error = 0;
  while (error == 0 && clients.size() < 100) {
    clients.push_back(connect_client());
    error = without_waiting([number = clients.back().number](int link) {
              return system_tests::offer(link, number, AF_INET).error;
            }).value;
  }
  EXPECT_EQ(error, EAGAIN);
  EXPECT_EQ(clients.size(), 65U);
  const auto written = without_waiting([](int link) {
    static char octets[30'000];
    ssize_t all = 0;
    for (ssize_t size = 0; (size = soc_write(link, octets, sizeof octets)) > 0;) all += size;
    return errno == EAGAIN ? all : ssize_t{-1};
  });
  EXPECT_GT(written.value, 0);
  set_move_timeout(*listener_, villains_, 50);
  EXPECT_ERRNO(ETIMEDOUT, offer_over(*listener_, villains_, clients.back()));
  // Everybody is served as if nothing had been offered.
  for (const Connection& each : clients) {
    expect_serves(*listener_, each.number, each);
    close_in(*listener_, {each.number});
  }
  auto closing = listener_->start([link = villains_] { return soc_close(link); });
  EXPECT_TRUE(closing.done(10'000));
  EXPECT_EQ(closing.get().value, 0);
  villains_ = listener_->call([] { return named_iso(); }).value;
}

TEST_F(HostileServer, ThatTakesNothingOfWhatItGaveCreditForHasAShareOfTheDescriptors) {
  EXPECT_TRUE(
      villain_->call([] { return villains_link->send(credit_frame(~0U)) && villains_link->send(credit_frame(~0U)); })
          .value);
  const unsigned long before = listener_
                                   ->call([] {
                                     rlimit limit{};
                                     ::getrlimit(RLIMIT_NOFILE, &limit);
                                     const unsigned long was = limit.rlim_cur;
                                     limit.rlim_cur = 1'040;
                                     ::setrlimit(RLIMIT_NOFILE, &limit);
                                     return was;
                                   })
                                   .value;
  std::vector<Connection> clients;
  for (int i = 0; i < 270; ++i) clients.push_back(connect_client());
  const int first = clients.front().number;
  for (std::size_t i = 0; i < clients.size(); ++i) ASSERT_EQ(clients[i].number, first + static_cast<int>(i));
  const auto given = listener_->call([=, link = villains_] {
    ::fcntl(link, F_SETFL, O_NONBLOCK);
    int all = 0;
    for (int number = first; number < first + 270;) {
      static soc_move moves[SOC_MOVES_MAX];
      int count = 0;
      for (; count < SOC_MOVES_MAX && number + count < first + 270; ++count) {
        moves[count] = {};
        moves[count].fd = number + count;
      }
      const int accepted = soc_give(link, moves, count);
      if (accepted < 0) break;
      number += accepted;
      all += accepted;
    }
    const int error = errno;
    ::fcntl(link, F_SETFL, 0);
    errno = error;
    return all;
  });
  EXPECT_EQ(given.value, 1'040 / 4);
  EXPECT_EQ(given.error, EAGAIN);
  expect_serves(*listener_, clients.back().number, clients.back());
  // Its death brings all back.
  villain_->kill();
  const auto back = listener_->call([link = villains_] {
    static soc_move moves[SOC_MOVES_MAX];
    int all = 0;
    for (int count = 0; all < 260 && (count = soc_outcomes(link, moves, SOC_MOVES_MAX, 20'000)) > 0; all += count)
      for (int i = 0; i < count; ++i)
        if (moves[i].fd < 0) return -1;
    return all;
  });
  EXPECT_EQ(back.value, 260);
  for (const std::size_t i : {std::size_t{0}, std::size_t{100}, std::size_t{259}})
    expect_serves(*listener_, clients[i].number, clients[i]);
  for (const Connection& each : clients) close_in(*listener_, {each.number});
  listener_->call([=] {
    restore_descriptors(before);
    return 0;
  });
}

}  // namespace
}  // namespace baton::system_tests
