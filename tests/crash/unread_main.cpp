// SPDX-License-Identifier: MIT
// A library with fault points: the giver or the listener of an unread CR ends itself with SIGKILL at each point of its
// way; the other one may be held at a point of its own until then.
//
//   crash_unread [--kills N] [--results FILE]   default: every order once over each carrier, and the planted bugs
//   crash_unread --cells                        the names of all cells, one a line
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "base/fault_point.hpp"
#include "crash/unread.hpp"

namespace {

using namespace baton;
using namespace baton::crash::unread;
using crash::Party;

constexpr Party giver = Party::Listener;
constexpr Party server = Party::Server;

struct Order {
  const char* point;  // nullptr: where the way begins
  Party victim;
  Manner manner;
  Looks looks;
  Owner owner;
  const char* stage;
  const char* peer_at = nullptr;  // the other one has come to this point, and stays there until the victim is dead
};

constexpr Order orders[] = {
    // The giver: until TAKEN is queued the connection is its own and dies with it.
    {"unread_connect_before", giver, Manner::Takes, Looks::AtOnce, Owner::Nobody, unread},
    {"unread_before", giver, Manner::Takes, Looks::AtOnce, Owner::Nobody, unread},
    {"unread_before", giver, Manner::Takes, Looks::WhenGone, Owner::Nobody, unread},
    {"unread_queued", giver, Manner::Takes, Looks::WhenGone, Owner::Nobody, unread},
    {"unread_queued", giver, Manner::Takes, Looks::AtOnce, Owner::Nobody, called, "unread_received"},
    {"unread_queued", giver, Manner::Takes, Looks::AtOnce, Owner::Nobody, called, "unread_checked"},
    {"unread_queued", giver, Manner::Takes, Looks::AtOnce, Owner::Server, taken, "unread_taken_queued"},
    {"unread_queued", giver, Manner::Takes, Looks::AtOnce, Owner::Server, taken, "unread_admitted"},
    {"unread_outcome_arrived", giver, Manner::Takes, Looks::WhenQueued, Owner::Server, taken},
    {"unread_before", giver, Manner::NoRoom, Looks::AtOnce, Owner::Nobody, unread},
    {"unread_queued", giver, Manner::NoRoom, Looks::AtOnce, Owner::Nobody, called, "unread_checked"},
    {"unread_queued", giver, Manner::NoRoom, Looks::AtOnce, Owner::Nobody, back, "unread_not_taken"},
    {"unread_outcome_arrived", giver, Manner::NoRoom, Looks::WhenQueued, Owner::Nobody, back},
    {"unread_shut_before", giver, Manner::GivenUp, Looks::WhenGone, Owner::Nobody, unread},
    {"unread_shut_before", giver, Manner::GivenUp, Looks::AtOnce, Owner::Nobody, called, "unread_checked"},
    {"unread_shut_before", giver, Manner::GivenUp, Looks::AtOnce, Owner::Server, taken, "unread_taken_queued"},
    {"unread_shut", giver, Manner::GivenUp, Looks::WhenGone, Owner::Nobody, back},
    // S: until TAKEN is queued it has nothing.
    {nullptr, server, Manner::Takes, Looks::WhenQueued, Owner::Giver, unread},
    {"unread_received", server, Manner::Takes, Looks::AtOnce, Owner::Giver, called},
    {"unread_checked", server, Manner::Takes, Looks::AtOnce, Owner::Giver, called},
    {"unread_checked", server, Manner::Takes, Looks::AtOnce, Owner::Giver, called, "unread_queued"},
    {"unread_taken_queued", server, Manner::Takes, Looks::AtOnce, Owner::Server, taken},
    {"unread_taken_queued", server, Manner::Takes, Looks::AtOnce, Owner::Server, taken, "unread_queued"},
    {"unread_admitted", server, Manner::Takes, Looks::WhenQueued, Owner::Server, taken},
    {nullptr, server, Manner::NoRoom, Looks::WhenQueued, Owner::Giver, unread},
    {"unread_received", server, Manner::NoRoom, Looks::WhenQueued, Owner::Giver, called},
    {"unread_checked", server, Manner::NoRoom, Looks::AtOnce, Owner::Giver, called, "unread_queued"},
    {"unread_not_taken", server, Manner::NoRoom, Looks::WhenQueued, Owner::Giver, back},
    {nullptr, server, Manner::GivenUp, Looks::WhenQueued, Owner::Giver, back},
    {"unread_received", server, Manner::GivenUp, Looks::WhenQueued, Owner::Giver, back},
    {"unread_checked", server, Manner::GivenUp, Looks::WhenQueued, Owner::Giver, back},
    {"unread_not_taken", server, Manner::GivenUp, Looks::WhenQueued, Owner::Giver, back},
    {"unread_checked", server, Manner::GivenUp, Looks::AtOnce, Owner::Giver, called, "unread_shut_before"},
    {"unread_taken_queued", server, Manner::GivenUp, Looks::AtOnce, Owner::Server, taken, "unread_shut_before"},
};

/// What this process is to die of, or the other one.
const Order* order_now = nullptr;
bool dies_here = false;

[[noreturn]] void die() {
  (void)::kill(::getpid(), SIGKILL);
  for (;;) (void)::pause();
}

Round round_of(const Order& order, crash::Carrier carrier) {
  return {.victim = order.victim, .manner = order.manner, .carrier = carrier, .looks = order.looks, .begins = [&order] {
            dies_here = true;
            if (order.point == nullptr) die();
          }};
}

/// Every order over each carrier. How many failed.
unsigned play_all(crash::Cells& cells) {
  unsigned failed = 0;
  for (const Order& order : orders) {
    for (const crash::Carrier carrier : carriers) {
      order_now = &order;
      const Round round = round_of(order, carrier);
      std::string failure = play(round, [&] { return order.owner; });
      if (failure.empty() && !page->killed) failure = "the point was not reached";
      if (failure.empty()) {
        count(cells, round, order.stage);
        continue;
      }
      ++failed;
      std::cout << (order.point != nullptr ? order.point : "the beginning") << ", " << cell_of(round, order.stage)
                << (order.peer_at != nullptr ? std::string{", the other at "} + order.peer_at : "") << ": " << failure
                << '\n';
    }
  }
  return failed;
}

/// The judge sees what a wrong giver does. How many it did not see.
unsigned play_bugs() {
  struct Planted {
    const char* what;
    Bug bug;
    Order order;
  };
  constexpr Planted all[] = {
      {"the giver lets go when CALL is queued",
       Bug::LetsGoAtCall,
       {"unread_checked", server, Manner::Takes, Looks::AtOnce, Owner::Giver, called}},
      {"the giver forgets what a dead listener has not taken",
       Bug::ForgetsAfterDeath,
       {"unread_checked", server, Manner::Takes, Looks::AtOnce, Owner::Giver, called}},
      {"the giver gives up without looking",
       Bug::GivesUpWithoutLooking,
       {"unread_admitted", server, Manner::GivenUp, Looks::WhenQueued, Owner::Server, taken}},
  };
  unsigned unseen = 0;
  for (const Planted& each : all) {
    order_now = &each.order;
    Round round = round_of(each.order, crash::Carrier::Ipv4);
    round.bug = each.bug;
    const std::string failure = play(round, [&] { return each.order.owner; });
    std::cout << "planted: " << each.what << ": " << (failure.empty() ? "NOT FOUND" : failure) << '\n';
    if (failure.empty()) ++unseen;
  }
  return unseen;
}

int run(std::uint64_t kills, const char* file) {
  crash::Cells cells;
  unsigned failed = 0;
  while (failed == 0 && (cells.kills() == 0 || cells.kills() < kills)) failed = play_all(cells);
  std::cout << cells.kills() << " unread CRs with a death on their way, " << failed << " failures\n";
  if (file != nullptr && failed == 0) cells.write(file, "fault points");
  return failed == 0 && play_bugs() == 0 ? 0 : 1;
}

std::set<std::string> every_cell() {
  std::set<std::string> all;
  for (const Order& order : orders)
    for (const crash::Carrier carrier : carriers) all.insert(cell_of(round_of(order, carrier), order.stage));
  return all;
}

}  // namespace

namespace baton {

void fault_point_passed(const char* name) noexcept {
  if (order_now == nullptr || page == nullptr) return;
  const std::string_view here{name};
  if (dies_here) {
    if (order_now->point == nullptr || here != order_now->point) return;
    while (order_now->peer_at != nullptr && !page->peer_there) std::this_thread::yield();
    die();
  }
  if (order_now->peer_at == nullptr || here != order_now->peer_at || page->peer_there.exchange(true)) return;
  while (!page->victim_gone) std::this_thread::yield();
}

}  // namespace baton

int main(int argc, char** argv) {
  return baton::crash::points_main({argv, static_cast<std::size_t>(argc)}, every_cell, run);
}
