// SPDX-License-Identifier: MIT
// The shipped library: the giver or the listener of an unread CR is killed from outside at every entry into and return
// from a system call, from the beginning of its way to its end.
//
//   crash_unread_boundaries [--all KILLS [RESULTS]]   --all: every carrier, manner, victim and pace, as often as makes
//                                                     so many kills, results to a file; else some, once
//
// The listener runs with the shipped libbaton.so; the giver with the rooms that batond is linked with. Who has to own
// the connection follows from what the victim had sent and received by its system calls. Not under sanitizers.
#include <sys/syscall.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "crash/boundary_tracer.hpp"
#include "crash/unread.hpp"

namespace {

using namespace baton;
using namespace baton::crash::unread;
using crash::Party;
using handoff::FrameType;

/// How far the victim had come.
struct Seen {
  bool call;      // sent or received
  bool outcome;   // ... TAKEN, which may say that it is not
  bool awaited;   // the giver's poll(2) has returned
  bool given_up;  // its shutdown(2) has
};

/// What has just returned counts at that boundary already.
void note_return(const Round& round, Seen& seen, std::uint64_t call) {
  if (round.victim != Party::Listener) return;
  if (call == SYS_poll && seen.call) seen.awaited = true;
  if (call == SYS_shutdown) seen.given_up = true;
}

void conclude_giver(const Round& round, const Seen& seen) {
  page->stage = unread;
  page->owner = Owner::Nobody;
  if (round.manner == Manner::GivenUp) {
    if (seen.given_up) page->stage = back;
  } else if (seen.outcome || seen.awaited) {
    page->stage = round.manner == Manner::Takes ? taken : back;
    if (round.manner == Manner::Takes) page->owner = Owner::Server;
  }
}

void conclude_server(const Round& round, const Seen& seen) {
  page->owner = Owner::Giver;
  page->stage = seen.call ? called : unread;
  if (round.manner == Manner::GivenUp) page->stage = back;
  if (!seen.outcome) return;
  page->stage = round.manner == Manner::Takes ? taken : back;
  if (round.manner == Manner::Takes) page->owner = Owner::Server;
}

void watch(const Round& round, pid_t victim, std::uint64_t nth) {
  Seen seen{};
  const crash::Boundary boundary{.nth = nth,
                                 .moving = [] { return page->moving.load(); },
                                 .on_frame =
                                     [&](FrameType type, bool) {
                                       if (type == FrameType::Call) seen.call = true;
                                       if (type == FrameType::Taken) seen.outcome = true;
                                     },
                                 .on_return = [&](std::uint64_t call) { note_return(round, seen, call); },
                                 .on_entry =
                                     [&](std::uint64_t call) {
                                       if (call == SYS_poll && round.looks == Looks::WhenAwaited && seen.call)
                                         let_server_look();
                                     },
                                 .on_kill =
                                     [&] {
                                       if (round.victim == Party::Listener)
                                         conclude_giver(round, seen);
                                       else
                                         conclude_server(round, seen);
                                     }};
  crash::kill_at(boundary, victim);
}

/// Every boundary of one victim's way: done when three runs in turn had no more.
bool walk(crash::Cells& cells, Round round) {
  constexpr int enough = 3;
  int beyond = 0;
  std::uint64_t nth = 1;
  round.begins = crash::ask_for_the_tracer;
  for (; beyond < enough; ++nth) {
    round.watch = [&](pid_t process) { watch(round, process, nth); };
    const std::string failure = play(round, [] { return page->owner.load(); });
    const char* const stage = page->killed ? page->stage.load() : "not killed";
    if (!failure.empty()) {
      std::cout << "boundary " << nth << ", " << cell_of(round, stage) << ": " << failure << '\n';
      return false;
    }
    if (page->killed) count(cells, round, stage);
    beyond = page->killed ? 0 : beyond + 1;
  }
  std::cout << cell_of(round, round.looks == Looks::AtOnce ? "S waits" : "S looks later") << ": " << nth - 1 - enough
            << " boundaries" << std::endl;
  return true;
}

/// A giver that dies does so while S cannot have looked, or when S can have nothing more to say.
std::vector<Looks> paces_of(Party victim, Manner manner) {
  if (manner == Manner::GivenUp) return {Looks::WhenQueued};
  if (victim == Party::Listener) return {Looks::WhenAwaited};
  return {Looks::WhenQueued, Looks::AtOnce};
}

bool walk_all(crash::Cells& cells) {
  for (const Manner manner : {Manner::Takes, Manner::NoRoom, Manner::GivenUp})
    for (const crash::Carrier carrier : carriers)
      for (const Party victim : {Party::Listener, Party::Server})
        for (const Looks looks : paces_of(victim, manner))
          if (!walk(cells, {.victim = victim, .manner = manner, .carrier = carrier, .looks = looks})) return false;
  return true;
}

bool walk_some(crash::Cells& cells) {
  return walk(cells, {.victim = Party::Listener, .looks = Looks::WhenAwaited}) &&
         walk(cells, {.victim = Party::Server, .carrier = crash::Carrier::Ipv6});
}

int run(bool all, std::uint64_t kills, const char* file) {
  crash::Cells cells;
  bool good = true;
  do {
    good = all ? walk_all(cells) : walk_some(cells);
  } while (good && cells.kills() < kills);
  std::cout << cells.kills() << " unread CRs with a death on their way\n";
  if (file != nullptr && good) cells.write(file, "system calls");
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool all = argc > 2 && std::string_view{argv[1]} == "--all";
  if (argc == 1) return run(false, 1, nullptr);
  if (all && argc <= 4) return run(true, std::strtoull(argv[2], nullptr, 10), argc == 4 ? argv[3] : nullptr);
  std::cerr << "usage: crash_unread_boundaries [--all KILLS [RESULTS]]\n";
  return 2;
}
