// SPDX-License-Identifier: MIT
#include <unistd.h>

#include <algorithm>

#include "baton/soc.h"
#include "crash/roles.hpp"
#include "os/test_support.hpp"
#include "support/process.hpp"
#include "system/steps.hpp"

namespace baton::crash {
namespace {

using test::checked;
using test::require;

constexpr std::size_t octets_along = 600;
/// Short, for it always runs out: S waits until it has.
constexpr int short_time = 2;

class Listener {
 public:
  void run() {
    become(Party::Listener);
    const Front front{Party::Listener};
    const std::size_t before = count_descriptors();
    wait_until([] { return has_come_to(Party::Server, Step::Ready); });
    link_ = checked(system_tests::connect_iso(server_name), "connect to the server");
    front.publish();
    for (std::size_t i = 0; i < connections(scenario_); ++i) held_.push_back({i, front.accept()});
    for (Held& held : held_) {
      for (int times = 0; times < 3; ++times) serve_some(held);
      if (scenario_.carries && scenario_.doing != Doing::Idle) read_ahead(held, octets_along);
    }
    if (am_victim() && scenario_.helper) fork_holder_of(link_);
    announce(Step::Ready);
    begin_move();
    if (is_express(scenario_.manner))
      express();
    else
      seed();
    end_move();
    announce(Step::Known);
    go_on(front);
    expect_descriptors(before, 1);  // the thread that reads outcomes keeps an event
  }

 private:
  // --- The move
  // -------------------------------------------------------------------------------------------------------
  void seed() {
    Held& held = held_[0];
    arrive(crash::Step::Offering);
    const std::string_view along{reinterpret_cast<const char*>(held.carried.data()), held.carried.size()};
    if (!tell(0, system_tests::offer(link_, held.at.number, held.at.domain, along).error)) return;
    announce(Step::Offered);
    if (held.carried.empty()) serve_some(held);
    if (scenario_.doing == Doing::Resets) let_client_reset();
    arrive(Step::AnswerReading);
    if (scenario_.manner == Manner::CancelledEarly) limit_time(short_time);
    const auto answer = system_tests::await_answer(link_, held.at.number, held.at.domain);
    if (!tell(0, answer.error)) {
      if (answer.error == ETIMEDOUT) announce(Step::Cancelled);
      return;
    }
    if (answer.header.bind_ok != REDBIND_OK) return;
    announce(Step::AnswerRead);
    arrive(Step::Calling);
    if (!tell(0, system_tests::call(link_, held.at.number, held.at.domain).error)) return;
    page().called.store(true);
    announce(Step::Called);
    if (scenario_.manner == Manner::SeedLeft) return leave(held);
    arrive(Step::Asking);
    if (scenario_.manner == Manner::CancelledLate) limit_time(short_time);
    auto outcome = system_tests::outcome(link_, held.at.number, held.at.domain);
    if (outcome.error == ETIMEDOUT) {
      announce(Step::Cancelled);
      limit_time(0);
      outcome = system_tests::outcome(link_, held.at.number, held.at.domain);
    }
    if (tell(0, outcome.error)) moved(held);
  }

  /// L closes its number and the link without asking. The library knows, the program does not.
  void leave(Held& held) {
    checked(soc_close(held.at.number), "soc_close of the accept descriptor");
    close_link();
    held_.clear();
    const Aside aside;
    require(os::testing::eventually([] { return statistics().in_doubt == 0; }), "the outcome comes without asking");
  }

  void express() {
    std::vector<soc_move> moves;
    for (Held& held : held_) {
      soc_move move{};
      move.fd = held.at.number;
      move.data = held.carried.data();
      move.length = static_cast<std::uint32_t>(held.carried.size());
      moves.push_back(move);
    }
    arrive(Step::Calling);
    const int given = soc_give(link_, moves.data(), static_cast<int>(moves.size()));
    for (const Held& held : held_) (void)tell(held.index, given < 0 ? errno : 0);
    if (given < 0) return;
    require(static_cast<std::size_t>(given) == held_.size(), "the server's credit is enough for all");
    page().called.store(true);
    announce(Step::Called);
    if (scenario_.doing == Doing::Resets) let_client_reset();
    if (scenario_.manner == Manner::ExpressLeft) {
      close_link();
      held_.clear();
      const Aside aside;
      require(os::testing::eventually([] { return statistics().in_doubt == 0; }), "the outcomes come without asking");
      return;
    }
    arrive(Step::Asking);
    collect(moves);
  }

  void collect(const std::vector<soc_move>& moves) {
    for (std::size_t left = moves.size(); left > 0;) {
      std::array<soc_move, in_batch> told{};
      const int count = checked(soc_outcomes(link_, told.data(), in_batch, -1), "soc_outcomes");
      for (const soc_move& each : std::span{told}.first(static_cast<std::size_t>(count))) {
        const auto at = std::ranges::find(moves, each.id, &soc_move::id);
        require(at != moves.end(), "the outcome is one of these moves'");
        Held& held = held_[static_cast<std::size_t>(at - moves.begin())];
        (void)tell(held.index, each.error);
        require((each.fd == -1) == (each.error == 0), "an end point that has not moved is back");
        require(each.error == 0 || each.fd == held.at.number, "it is back under its number");
        if (each.error == 0) held.at.number = -1;
        --left;
      }
    }
    std::erase_if(held_, [](const Held& held) { return held.at.number < 0; });
  }

  /// Writes down what a call told about a connection. False: the move is off, the end point is L's.
  static bool tell(std::size_t connection, Errno error) {
    const Aside aside;
    if (!am_victim()) {
      page().connection[connection].told = error;
      page().connection[connection].told_here = true;
    }
    return error == 0;
  }
  void moved(const Held& held) {
    checked(soc_close(held.at.number), "soc_close of what has moved");
    held_.clear();
  }
  void limit_time(int milliseconds) const {
    checked(soc_setsockopt(link_, SOL_TRANSPORT, TPOPT_MOVE_TIMEOUT, &milliseconds, sizeof milliseconds),
            "TPOPT_MOVE_TIMEOUT");
  }
  static void let_client_reset() {
    const Aside aside;
    page().reset.store(true);
    ring_client();
    wait_until([] { return page().reset_done.load(); });
  }
  static soc_statistics statistics() {
    soc_statistics all{};
    all.size = sizeof all;
    checked(soc_get_statistics(&all), "soc_get_statistics");
    return all;
  }
  void close_link() {
    if (link_ >= 0) checked(soc_close(link_), "soc_close of the link");
    link_ = -1;
  }

  // --- Afterwards
  // -----------------------------------------------------------------------------------------------------
  void go_on(const Front& front) {
    if (!am_victim()) wait_until(victim_gone);
    if (!am_victim())
      for (const Held& held : held_) page().connection[held.index].listener_has = true;
    announce(Step::Decided);
    if (!page().victim_dead.load()) {  // the round had no death: whoever has a connection serves it
      for (Held& held : held_) serve_to_end(held);
      return close_link();
    }
    // Both die, the other one has: this process's other thread is about to kill it.
    while (am_victim()) (void)::pause();
    close_link();
    for (Held& held : held_) serve_some(held);
    if (page().reset.load()) {
      for (Held& held : held_) serve_to_end(held);
      held_.clear();
    }
    if (held_.empty()) {
      page().want_new.store(true);
      ring_client();
      held_.push_back({connections(scenario_), front.accept()});
    }
    wait_until([] { return has_come_to(Party::Fresh, Step::Ready); });
    link_ = checked(system_tests::connect_iso(fresh_name), "connect to the fresh server");
    for (Held& held : held_) give_onward(link_, held);
    close_link();
  }

  const Scenario& scenario_ = page().scenario;
  int link_ = -1;
  std::vector<Held> held_;
};

}  // namespace

void run_listener() { Listener{}.run(); }

}  // namespace baton::crash
