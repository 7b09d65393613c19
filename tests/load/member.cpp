// SPDX-License-Identifier: MIT
// One of the two holders.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "baton/soc.h"
#include "os/process.hpp"
#include "os/test_support.hpp"
#include "soak.hpp"
#include "support/seed_steps.hpp"
#include "support/sockets.hpp"

namespace baton::load {
namespace {

using test::checked;
using test::require;

constexpr std::uint32_t nobody = ~0U;
constexpr int credit = 2 * SOC_MOVES_MAX;
constexpr std::uint32_t link_event = nobody;

class Member {
 public:
  Member(const Stage& stage, std::uint32_t number)
      : stage_{stage},
        number_{number},
        own_{stage.state->members[number]},
        events_{adopt, ::epoll_create1(EPOLL_CLOEXEC)},
        numbers_(stage.state->settings.connections, -1) {
    if (number_ == 0) {
      const int listening = steps_.listen("soak");
      stage.listening.send(0);
      link_ = steps_.accept(listening);
      checked(soc_close(listening), "soc_close");
    } else {
      (void)stage.listening.receive();
      link_ = steps_.connect("soak");
    }
    epoll_event event{EPOLLIN, {.u32 = link_event}};
    checked(::epoll_ctl(events_.get(), EPOLL_CTL_ADD, link_, &event), "epoll_ctl of the link");
  }

  void accept_all() {
    const UniqueFd listener = test::tcp_listen(AF_INET);
    stage_.port.send(test::port_of(listener.ref()));
    for (std::uint32_t i = 0; i < stage_.state->settings.connections; ++i) {
      const int number = checked(soc_accept(listener.get(), nullptr, nullptr), "soc_accept");
      checked(::fcntl(number, F_SETFL, O_NONBLOCK), "fcntl");
      hold(i, number);
      stage_.accepted.send(i);
    }
  }

  void run() {
    while (!stage_.state->over.load() || held_.size() + giving_ > 0) {
      const std::uint32_t round = stage_.state->round.load();
      if (stage_.state->over.load())
        serve(true);
      else if (round % 2 == number_)
        give(round);
      else
        take(round);
    }
    remember(own_.descriptors_after, own_.memory_after);
    checked(soc_close(link_), "soc_close of the link");
  }

 private:
  // --- What it holds -------------------------------------------------------------------------------------------------
  void hold(std::uint32_t connection, int number) {
    require(connection < numbers_.size() && numbers_[connection] < 0, "a connection that it does not hold yet");
    numbers_[connection] = number;
    held_.push_back(connection);
    own_.held.store(held_.size());
    epoll_event event{EPOLLIN, {.u32 = connection}};
    checked(::epoll_ctl(events_.get(), EPOLL_CTL_ADD, number, &event), "epoll_ctl");
  }
  /// The last one it got.
  std::uint32_t let_go() {
    const std::uint32_t connection = held_.back();
    held_.pop_back();
    own_.held.store(held_.size());
    checked(::epoll_ctl(events_.get(), EPOLL_CTL_DEL, numbers_[connection], nullptr), "epoll_ctl");
    return connection;
  }
  int take_number(std::uint32_t connection) { return std::exchange(numbers_[connection], -1); }

  /// Answers what has arrived. True: the link has events.
  bool serve(bool waits) {
    std::array<epoll_event, 128> ready;
    constexpr int tick_ms = 10;
    const int count = ::epoll_wait(events_.get(), ready.data(), ready.size(), waits ? tick_ms : 0);
    bool link_ready = false;
    for (int i = 0; i < count; ++i) {
      const std::uint32_t connection = ready[static_cast<std::size_t>(i)].data.u32;
      if (connection == link_event)
        link_ready = true;
      else
        answer(connection);
    }
    return link_ready;
  }
  void answer(std::uint32_t connection) {
    const int number = numbers_[connection];
    std::array<std::byte, 4 * message_size> octets;
    const auto size = soc_recv(number, octets.data(), octets.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EWOULDBLOCK) return;
    checked(size, "soc_recv");
    if (size == 0) return end(connection);
    Connection& state = stage_.connections[connection];
    test::Checker checker{upward(connection), state.received};
    checker.read(Bytes{octets}.first(static_cast<std::size_t>(size)));
    state.received = checker.tally();
    test::Producer producer{downward(connection), state.sent};
    const auto reply = MutableBytes{octets}.first(static_cast<std::size_t>(size));
    producer.peek(reply);
    require(soc_send(number, reply.data(), reply.size(), MSG_NOSIGNAL) == size, "a reply fits");
    producer.written(reply);
    state.sent = producer.tally();
  }
  void end(std::uint32_t connection) {
    require(stage_.state->over.load(), "the client closes when all rounds are over");
    std::erase(held_, connection);
    own_.held.store(held_.size());
    checked(soc_close(take_number(connection)), "soc_close of the end point");
  }

  // --- Giving --------------------------------------------------------------------------------------------------------
  void give(std::uint32_t round) {
    if (round != round_) {
      round_ = round;
      began_ = os::monotonic_now();
      auto& other = stage_.state->members[1 - number_];
      other.full.store(false);
    }
    if (is_express(stage_.state->settings, round))
      give_batch();
    else if (!held_.empty())
      give_one();
    (void)serve(giving_ > 0 && held_.empty());
    const bool stuck = no_credit_ && stage_.state->members[1 - number_].full.load();
    if (giving_ == 0 && (held_.empty() || stuck)) end_round(round);
  }

  void give_batch() {
    std::array<soc_move, SOC_MOVES_MAX> moves{};
    const std::size_t count = std::min<std::size_t>(moves.size(), held_.size());
    std::array<std::uint32_t, SOC_MOVES_MAX> connections;
    for (std::size_t i = 0; i < count; ++i) {
      connections[i] = let_go();
      moves[i].fd = numbers_[connections[i]];
      moves[i].data = &connections[i];
      moves[i].length = sizeof connections[i];
    }
    int given = 0;
    if (count > 0) {
      given = soc_give(link_, moves.data(), static_cast<int>(count));
      if (given < 0 && errno != EAGAIN) test::fail_call("soc_give");
      no_credit_ = given < 0;
      given = std::max(given, 0);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const int number = take_number(connections[i]);
      if (i < static_cast<std::size_t>(given))
        under_way_.push_back({moves[i].id, connections[i]});
      else
        hold(connections[i], number);
    }
    giving_ += static_cast<std::size_t>(given);
    collect();
  }
  void collect() {
    std::array<soc_move, SOC_MOVES_MAX> moves{};
    if (giving_ == 0) return;
    const int count = checked(soc_outcomes(link_, moves.data(), moves.size(), 0), "soc_outcomes");
    for (int i = 0; i < count; ++i) {
      const soc_move& move = moves[static_cast<std::size_t>(i)];
      const auto known = std::ranges::find(under_way_, move.id, &UnderWay::id);
      require(known != under_way_.end(), "the outcome of a move that was given");
      if (move.error == 0) {
        require(move.fd < 0, "a moved end point is gone");
        own_.given.fetch_add(1);
      } else {
        require(move.fd >= 0, "an end point that has not moved comes back");
        own_.came_back.fetch_add(1);
        hold(known->connection, move.fd);
      }
      under_way_.erase(known);
      --giving_;
    }
  }

  void give_one() {
    std::uint32_t connection = let_go();
    const test::EndPoint end_point{take_number(connection), AF_INET};
    steps_.offer(link_, end_point, std::as_bytes(std::span{&connection, 1}));
    (void)steps_.await_answer(link_, end_point);
    steps_.call(link_, end_point);
    (void)steps_.await_outcome(link_, end_point);
    checked(soc_close(end_point.number), "soc_close of the accept descriptor");
    own_.given.fetch_add(1);
  }

  void end_round(std::uint32_t round) {
    const auto took = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(os::monotonic_now() - began_).count());
    State& state = *stage_.state;
    state.rounds_ns.fetch_add(took);
    if (took > state.longest_round_ns.load()) state.longest_round_ns.store(took);
    no_credit_ = false;
    if (round < 4) remember(own_.descriptors_before, own_.memory_before);
    tell();
    if (state.stop.load() && round >= 5) state.over.store(true);
    state.round.store(round + 1);
  }

  // --- Taking --------------------------------------------------------------------------------------------------------
  void take(std::uint32_t round) {
    const bool link_ready = serve(soc_pending(link_) == 0);
    if (is_express(stage_.state->settings, round))
      take_batch();
    else if (link_ready || soc_pending(link_) > 0)
      take_one();
  }
  void take_batch() {
    std::array<soc_move, SOC_MOVES_MAX> moves{};
    std::array<std::uint32_t, SOC_MOVES_MAX> connections{};
    for (std::size_t i = 0; i < moves.size(); ++i) {
      moves[i].data = &connections[i];
      moves[i].length = sizeof connections[i];
    }
    (void)soc_credit(link_, credit);
    const int count = soc_take(link_, moves.data(), moves.size(), 0);
    if (count < 0) {
      if (errno == ECONNRESET && stage_.state->over.load()) return;  // the other is through
      if (errno != EMFILE) test::fail_call("soc_take");
      own_.full.store(true);  // not a single descriptor is left for another move
      return;
    }
    for (int i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      require(moves[at].length == sizeof connections[at], "the octets that came along");
      hold(connections[at], moves[at].fd);
    }
    tell();
  }
  void take_one() {
    // Nothing to take may be there: what woke us was meant for the giver's part.
    pollfd entry{link_, POLLIN, 0};
    if (checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms") == 0) return;
    std::uint32_t connection = nobody;
    auto offered = steps_.await_offer(link_, std::as_writable_bytes(std::span{&connection, 1}));
    if (!offered && stage_.state->over.load()) return;
    require(offered.has_value() && offered->octets == sizeof connection, "an offer with its octets");
    steps_.answer(link_, *offered);
    hold(connection, steps_.take(link_, *offered).number);
    if (held_.size() % 256 == 0) tell();
  }

  void tell() {
    soc_statistics statistics{};
    statistics.size = sizeof statistics;
    checked(soc_get_statistics(&statistics), "soc_get_statistics");
    own_.longest_pause_ns.store(statistics.pause_longest_ns);
    own_.pause_total_ns.store(statistics.pause_total_ns);
    own_.pauses.store(statistics.pause_count);
  }
  void remember(std::uint64_t& descriptors, std::uint64_t& memory) {
    // What is held for moves to come varies.
    const auto placeholders = static_cast<std::size_t>(std::max(0, soc_credit(link_, credit)));
    descriptors = os::testing::open_descriptors() - held_.size() - placeholders;
    memory = test::memory_in_use();
    own_.descriptors.store(descriptors);
    own_.memory.store(memory);
  }

  struct UnderWay {
    std::uint64_t id;
    std::uint32_t connection;
  };

  const Stage& stage_;
  std::uint32_t number_;
  MemberState& own_;
  test::Steps steps_{test::Waits::SocPoll};
  UniqueFd events_;
  int link_ = -1;
  std::vector<int> numbers_;  // by connection; -1: not here
  std::vector<std::uint32_t> held_;
  std::vector<UnderWay> under_way_;
  std::size_t giving_ = 0;
  bool no_credit_ = false;
  std::uint32_t round_ = nobody;
  Instant began_{};
};

}  // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  checked(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  checked(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

void run_member(const Stage& stage, std::uint32_t number) {
  raise_descriptor_limit();
  if (const auto room = stage.state->settings.room; number == 1 && room > 0) {
    const rlimit limit{room, room};
    checked(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  }
  Member member{stage, number};
  if (number == 0) member.accept_all();
  member.run();
}

}  // namespace baton::load
