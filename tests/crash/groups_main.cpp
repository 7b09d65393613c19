// SPDX-License-Identifier: MIT
// A library with fault points: L or S ends itself with SIGKILL at each point of a group.
//
//   crash_groups [--kills N] [--results FILE]   default: every order once over every carrier; every other one with a
//                                               forked child that holds the link
//   crash_groups --cells                        the names of all cells, one a line
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <set>
#include <string>
#include <string_view>

#include "base/fault_point.hpp"
#include "crash/groups.hpp"
#include "os/kernel.hpp"

namespace {

using namespace baton;
using namespace baton::crash::groups;
using crash::Party;

struct Order {
  const char* point;
  Party victim;
  Manner manner;
  Owner owner;
  const char* stage;
  unsigned nth = 1;
};

constexpr Order orders[] = {
    // L: until COMMIT is queued the connections are its own and die with it.
    {"hold_done", Party::Listener, Manner::Commits, Owner::Nobody, holding},
    {"complete_before", Party::Listener, Manner::Commits, Owner::Nobody, holding},
    {"complete_queued", Party::Listener, Manner::Commits, Owner::Nobody, holding},
    {"held_awaited", Party::Listener, Manner::Commits, Owner::Nobody, holding},
    {"held_arrived", Party::Listener, Manner::Commits, Owner::Nobody, ready_to_commit},
    {"commit_before", Party::Listener, Manner::Commits, Owner::Nobody, ready_to_commit},
    {"commit_queued", Party::Listener, Manner::Commits, Owner::Server, committed},
    {"outcome_arrived", Party::Listener, Manner::Commits, Owner::Server, taken},
    {"outcome_done", Party::Listener, Manner::Commits, Owner::Server, taken, 2},
    {"abort_before", Party::Listener, Manner::ListenerAborts, Owner::Nobody, holding},
    {"abort_queued", Party::Listener, Manner::ListenerAborts, Owner::Nobody, called_off},
    {"verify_before", Party::Listener, Manner::ListenerAborts, Owner::Nobody, called_off},
    {"abort_arrived", Party::Listener, Manner::ServerAborts, Owner::Nobody, called_off},
    // S: until TAKEN is queued it has nothing, committed or not.
    {"hold_received", Party::Server, Manner::Commits, Owner::Listener, holding},
    {"held_parked", Party::Server, Manner::Commits, Owner::Listener, holding},
    {"held_parked", Party::Server, Manner::Commits, Owner::Listener, holding, 3},
    {"complete_arrived", Party::Server, Manner::Commits, Owner::Listener, holding},
    {"held_before", Party::Server, Manner::Commits, Owner::Listener, holding},
    {"held_queued", Party::Server, Manner::Commits, Owner::Listener, ready_to_commit},
    {"commit_awaited", Party::Server, Manner::Commits, Owner::Listener, ready_to_commit},
    {"commit_arrived", Party::Server, Manner::Commits, Owner::Listener, committed},
    {"group_taken_before", Party::Server, Manner::Commits, Owner::Listener, committed},
    {"group_taken_queued", Party::Server, Manner::Commits, Owner::Server, taken},
    {"group_item_placed", Party::Server, Manner::Commits, Owner::Server, taken},
    {"group_item_placed", Party::Server, Manner::Commits, Owner::Server, taken, 3},
    {"abort_arrived", Party::Server, Manner::ListenerAborts, Owner::Listener, called_off},
    {"abort_before", Party::Server, Manner::ServerAborts, Owner::Listener, holding},
    {"abort_queued", Party::Server, Manner::ServerAborts, Owner::Listener, called_off},
};

/// What this process is to die of.
const Order* my_end = nullptr;
unsigned passed = 0;

/// Every order over every carrier. How many failed.
unsigned play_all(crash::Cells& results, bool helper_first) {
  unsigned failed = 0;
  bool helper = helper_first;
  for (const Order& order : orders) {
    for (const crash::Carrier carrier : carriers) {
      // On such a kernel a server has no pidfd of its listener: the link alone tells of its death.
      const bool unseen = order.victim == Party::Listener && !os::kernel_features().sender_pidfd;
      const Round round{order.victim, order.manner, carrier, helper && !unseen, [&] { my_end = &order; }};
      helper = !helper;
      std::string failure = play(round, [&] { return order.owner; });
      if (failure.empty() && !page->killed) failure = "the point was not reached";
      if (failure.empty()) {
        count(results, round, order.stage);
        continue;
      }
      ++failed;
      std::cout << order.point << " " << order.nth << (order.victim == Party::Listener ? ", L, " : ", S, ")
                << crash::name_of(carrier) << (round.helper ? ", a child holds the link" : "") << ": " << failure
                << '\n';
    }
    helper = !helper;  // not always the same carriers
  }
  return failed;
}

int run(std::uint64_t kills, const char* file) {
  crash::Cells results;
  unsigned failed = 0;
  for (bool helper = false; failed == 0 && (results.kills() == 0 || results.kills() < kills); helper = !helper)
    failed = play_all(results, helper);
  std::cout << results.kills() << " groups with a death in them, " << failed << " failures\n";
  if (file != nullptr && failed == 0) results.write(file, "fault points");
  return failed == 0 ? 0 : 1;
}

std::set<std::string> every_cell() {
  std::set<std::string> all;
  for (const Order& order : orders)
    for (const crash::Carrier carrier : carriers)
      all.insert(cell_of({order.victim, order.manner, carrier}, order.stage));
  return all;
}

}  // namespace

namespace baton {

void fault_point_passed(const char* name) noexcept {
  if (my_end == nullptr || std::string_view{name} != my_end->point || ++passed != my_end->nth) return;
  (void)::kill(::getpid(), SIGKILL);
  for (;;) (void)::pause();
}

}  // namespace baton

int main(int argc, char** argv) {
  return baton::crash::points_main({argv, static_cast<std::size_t>(argc)}, every_cell, run);
}
