// SPDX-License-Identifier: MIT
#include <array>

#include "baton/soc.h"
#include "crash/roles.hpp"
#include "support/process.hpp"
#include "system/steps.hpp"

namespace baton::crash {
namespace {

using test::checked;
using test::require;

constexpr int credit = 8;
constexpr short no = -7;

/// S acts only when L's time has run out, or L is dead.
void wait_for_cancel() {
  wait_until([] { return victim_gone() || has_come_to(Party::Listener, Step::Cancelled); });
}

class Server {
 public:
  void run() {
    become(Party::Server);
    const std::size_t before = count_descriptors();
    const int listening = checked(system_tests::listen_iso(server_name), "listen for links");
    announce(Step::Ready);
    link_ = checked(system_tests::accept_iso(listening), "accept of the link");
    if (am_victim() && scenario_.helper) fork_holder_of(link_);
    wait_until([] { return has_come_to(Party::Listener, Step::Ready); });
    begin_move();
    if (is_express(scenario_.manner))
      express();
    else
      seed();
    end_move();
    announce(Step::Taken);
    go_on(listening);
    checked(soc_close(listening), "soc_close of the listening socket");
    expect_descriptors(before, 1);
  }

 private:
  // --- The move
  // -------------------------------------------------------------------------------------------------------
  void seed() {
    arrive(Step::OfferReading);
    const auto offered = system_tests::receive_offer(link_);
    if (!tell(0, offered.error)) return;
    announce(Step::OfferRead);
    arrive(Step::Answering);
    if (scenario_.manner == Manner::CancelledEarly) wait_for_cancel();
    const short bind_ok = scenario_.manner == Manner::Refused ? no : short{0};
    const auto answered = system_tests::answer(link_, offered.header, bind_ok);
    if (!tell(0, answered.error) || bind_ok < 0) return drop(offered.header.fd_server);
    announce(Step::Answered);
    arrive(Step::Taking);
    if (scenario_.manner == Manner::Declined) return decline(offered.header.fd_server);
    if (scenario_.manner == Manner::CancelledLate) wait_for_cancel();
    const auto taken = system_tests::take(link_, offered.header);
    if (!tell(0, taken.error)) return drop(offered.header.fd_server);
    Held held{0, {offered.header.fd_server, offered.header.domain}};
    held.carried.assign(reinterpret_cast<const std::byte*>(offered.octets),
                        reinterpret_cast<const std::byte*>(offered.octets) + offered.result);
    has(std::move(held));
  }

  /// What S has been called to take it does not want.
  void decline(int number) const {
    wait_until([] { return victim_gone() || has_come_to(Party::Listener, Step::Called); });
    pollfd entry{link_, POLLIN, 0};
    if (!victim_gone()) checked(soc_poll_ms(&entry, 1, -1), "soc_poll_ms");  // the call is read
    drop(number);
  }
  static void drop(int number) { checked(soc_close(number), "soc_close of what is not taken"); }

  void express() {
    arrive(Step::Answering);
    if (!tell_all(soc_credit(link_, credit) < 0 ? errno : 0)) return;
    announce(Step::Answered);
    arrive(Step::Taking);
    while (held_.size() < in_batch) {
      std::array<soc_move, taken_at_once> moves{};
      std::array<std::array<std::byte, 1024>, taken_at_once> octets;
      for (std::size_t i = 0; i < taken_at_once; ++i) {
        moves[i].data = octets[i].data();
        moves[i].length = static_cast<std::uint32_t>(octets[i].size());
      }
      const int taken = soc_take(link_, moves.data(), taken_at_once, -1);
      if (taken < 0) return (void)tell_all(errno);
      for (std::size_t i = 0; i < static_cast<std::size_t>(taken); ++i) {
        Held held{held_.size(), test::end_point(moves[i].fd)};
        held.carried.assign(octets[i].data(), octets[i].data() + moves[i].length);
        (void)tell(held.index, 0);
        has(std::move(held));
      }
    }
  }

  static bool tell(std::size_t connection, Errno error) {
    const Aside aside;
    if (!am_victim()) {
      page().connection[connection].told = error;
      page().connection[connection].told_here = true;
    }
    return error == 0;
  }
  /// Of those that S does not have.
  bool tell_all(Errno error) const {
    for (std::size_t i = held_.size(); i < in_batch; ++i) (void)tell(i, error);
    return error == 0;
  }
  void has(Held&& held) {
    const Aside aside;
    held_.push_back(std::move(held));
    page().connections_taken.fetch_add(1);
  }

  // --- Afterwards
  // -----------------------------------------------------------------------------------------------------
  void go_on(int listening) {
    if (!am_victim()) wait_until(victim_gone);
    if (!am_victim())
      for (const Held& held : held_) page().connection[held.index].server_has = true;
    announce(Step::Decided);
    checked(soc_close(link_), "soc_close of the link");
    if (!page().victim_dead.load()) {
      for (Held& held : held_) serve_to_end(held);
      return;
    }
    // Without anything to serve: a new listener moves its client here.
    if (held_.empty()) return serve_next_link(listening);
    for (Held& held : held_) serve_some(held);
    const bool reset = page().reset.load();
    wait_until([] { return has_come_to(Party::Fresh, Step::Ready); });
    const int onward = checked(system_tests::connect_iso(fresh_name), "connect to the fresh server");
    for (Held& held : held_) reset ? serve_to_end(held) : give_onward(onward, held);
    checked(soc_close(onward), "soc_close of the link onward");
  }

  const Scenario& scenario_ = page().scenario;
  int link_ = -1;
  std::vector<Held> held_;
};

}  // namespace

void run_server() { Server{}.run(); }

/// The fresh peer: the next server if S has died or owns the connection, else the next listener.
void run_fresh() {
  become(Party::Fresh);
  const std::size_t before = count_descriptors();
  const int listening = checked(system_tests::listen_iso(fresh_name), "listen for links");
  announce(Step::Ready);
  const Party other = survivor(page().scenario);
  wait_until(victim_gone);
  if (page().victim_dead.load()) {
    wait_until([&] { return has_come_to(other, Step::Decided); });
    if (other == Party::Listener || page().connections_taken.load() > 0) {
      serve_next_link(listening);
    } else {
      const Front front{Party::Fresh};
      front.publish();
      page().want_new.store(true);
      ring_client();
      Held held{connections(page().scenario), front.accept()};
      const int link = checked(system_tests::connect_iso(server_name), "connect to the server");
      give_onward(link, held);
      checked(soc_close(link), "soc_close of the link");
    }
  }
  checked(soc_close(listening), "soc_close of the listening socket");
  expect_descriptors(before, 1);
}

}  // namespace baton::crash
