// SPDX-License-Identifier: MIT
// The shipped library: L or S of a group is killed from outside at every entry into and return from a system call, from
// the beginning of the group to its end.
//
//   crash_groups_boundaries [--all [RESULTS]]   --all: every carrier, manner and victim, results to a file; else some
//
// Who has to own the connections then follows from the frames that the victim had sent and received by its system
// calls. Not under sanitizers, as crash_boundaries.
#include <iostream>
#include <string>
#include <string_view>

#include "crash/boundary_tracer.hpp"
#include "crash/groups.hpp"

namespace {

using namespace baton;
using namespace baton::crash::groups;
using crash::Party;
using handoff::FrameType;

/// What the victim had sent and received when it was killed.
struct Frames {
  bool held, committed, taken, aborted;
};

void note(Frames& seen, FrameType type) {
  switch (type) {
    case FrameType::Held:
      seen.held = true;
      return;
    case FrameType::Commit:
      seen.committed = true;
      return;
    case FrameType::Taken:
      seen.taken = true;
      return;
    case FrameType::Abort:
      seen.aborted = true;
      return;
    case FrameType::Hello:
    case FrameType::Offer:
    case FrameType::Answer:
    case FrameType::Call:
    case FrameType::Cancel:
    case FrameType::Cancelled:
    case FrameType::Credit:
    case FrameType::Complete:
      return;
  }
}

const char* stage_after(const Frames& seen) {
  if (seen.aborted) return called_off;
  if (seen.taken) return taken;
  if (seen.committed) return committed;
  return seen.held ? ready_to_commit : holding;
}

Owner owner_after(const Frames& seen, Party victim) {
  if (victim == Party::Server) return seen.taken ? Owner::Server : Owner::Listener;
  return seen.committed ? Owner::Server : Owner::Nobody;
}

void watch(pid_t victim, Party party, std::uint64_t nth) {
  Frames seen{};
  const crash::Boundary boundary{.nth = nth,
                                 .moving = [] { return page->moving.load(); },
                                 .on_frame = [&](FrameType type, bool) { note(seen, type); },
                                 .on_kill =
                                     [&] {
                                       page->stage = stage_after(seen);
                                       page->owner = owner_after(seen, party);
                                     }};
  crash::kill_at(boundary, victim);
}

/// Every boundary of one victim's way through a group: the way is done when three runs in turn had no more.
bool walk(crash::Cells& results, Party victim, Manner manner, crash::Carrier carrier) {
  constexpr int enough = 3;
  int beyond = 0;
  std::uint64_t nth = 1;
  for (; beyond < enough; ++nth) {
    Round round{victim, manner, carrier, false, crash::ask_for_the_tracer};
    round.watch = [&](pid_t process) { watch(process, victim, nth); };
    const std::string failure = play(round, [] { return page->owner.load(); });
    if (!failure.empty()) {
      std::cout << "boundary " << nth << ", " << cell_of(round, page->killed ? page->stage.load() : "not killed")
                << ": " << failure << '\n';
      return false;
    }
    if (page->killed) count(results, round, page->stage);
    beyond = page->killed ? 0 : beyond + 1;
  }
  std::cout << crash::name_of(victim) << ", " << crash::name_of(carrier) << ", "
            << (manner == Manner::Commits ? "group" : "group, called off") << ": " << nth - 1 - enough << " boundaries"
            << std::endl;
  return true;
}

int run(bool all, const char* file) {
  crash::Cells results;
  for (const Manner manner : {Manner::Commits, Manner::ListenerAborts, Manner::ServerAborts})
    for (const crash::Carrier carrier : carriers)
      for (const Party victim : {Party::Listener, Party::Server}) {
        const bool some = manner == Manner::Commits &&
                          carrier == (victim == Party::Listener ? crash::Carrier::Ipv4 : crash::Carrier::IsoRemote);
        if ((all || some) && !walk(results, victim, manner, carrier)) return 1;
      }
  std::cout << results.kills() << " groups with a death in them\n";
  if (file != nullptr) results.write(file, "system calls");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool all = argc > 1 && std::string_view{argv[1]} == "--all";
  if (argc == 1 || (all && argc <= 3)) return run(all, argc == 3 ? argv[2] : nullptr);
  std::cerr << "usage: crash_groups_boundaries [--all [RESULTS]]\n";
  return 2;
}
