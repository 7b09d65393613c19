// SPDX-License-Identifier: MIT
// The shipped library: L and S are killed from outside at every entry into and return from a system call, from the
// beginning of the move to its end.
//
//   crash_boundaries [--all] [--kills N] [--results FILE]
//
// --all: every carrier, manner and pace; else a selection. Not under sanitizers: LeakSanitizer traces the process
// itself, and theirs are not the system calls of the shipped build.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <vector>

#include "crash/round.hpp"
#include "support/runtime_dir.hpp"

namespace baton::crash {
namespace {

// But the one in which S itself closes what it is called to take: there a death changes nothing for the connection.
constexpr std::array manners{Manner::SeedAsked, Manner::SeedLeft,       Manner::ExpressAsked, Manner::ExpressLeft,
                             Manner::Refused,   Manner::CancelledEarly, Manner::CancelledLate};

/// One victim's way through one move; each boundary of it is a kill.
struct Way {
  Party victim;
  Carrier carrier;
  Manner manner;
  bool peer_waits;
};

std::vector<Way> all_ways() {
  std::vector<Way> ways;
  for (int carrier = 0; carrier <= static_cast<int>(Carrier::IsoLocal); ++carrier)
    for (const Manner manner : manners)
      for (const Party victim : {Party::Listener, Party::Server})
        for (const bool peer_waits : {false, true})
          ways.push_back({victim, static_cast<Carrier>(carrier), manner, peer_waits});
  return ways;
}

std::vector<Way> some_ways() {
  return {{Party::Listener, Carrier::Ipv4, Manner::SeedLeft, true},
          {Party::Server, Carrier::Ipv6, Manner::SeedAsked, true},
          {Party::Listener, Carrier::IsoRemote, Manner::SeedAsked, false},
          {Party::Server, Carrier::IsoLocal, Manner::ExpressAsked, false}};
}

Scenario scenario_of(const Way& way, std::uint64_t boundary, std::uint64_t round) {
  Scenario scenario;
  scenario.victim = way.victim;
  scenario.carrier = way.carrier;
  scenario.manner = way.manner;
  scenario.peer_waits = way.peer_waits;
  scenario.doing = is_iso(way.carrier) ? (round % 4 == 0 ? Doing::Idle : Doing::Sends) : static_cast<Doing>(round % 4);
  scenario.carries = round / 4 % 2 == 1;
  scenario.nth = boundary;
  return scenario;
}

/// A run that waits once more has a few boundaries more: the way is done when three runs in turn had no more.
bool walk(Results& results, const Way& way, std::uint64_t round, std::uint64_t& boundaries) {
  constexpr int enough = 3;
  boundaries = 0;
  int beyond = 0;
  for (std::uint64_t boundary = 1; beyond < enough; ++boundary) {
    const std::string failure = results.play(scenario_of(way, boundary, round + boundary), std::nullopt);
    if (!failure.empty()) {
      std::cout << failure << '\n';
      return false;
    }
    boundaries = std::max(boundaries, page().boundaries);
    beyond = results.killed() ? 0 : beyond + 1;
  }
  return true;
}

int run(bool all, std::uint64_t kills, const char* file) {
  const test::RuntimeDir folder;
  Results results;
  bool good = true;
  std::uint64_t round = 0;
  do {
    for (const Way& way : all ? all_ways() : some_ways()) {
      std::uint64_t boundaries = 0;
      good = walk(results, way, round, boundaries);
      std::cout << name_of(way.victim) << ", " << name_of(way.carrier) << ", " << name_of(way.manner)
                << (way.peer_waits ? ", the peer waits: " : ": ") << boundaries << " boundaries" << std::endl;
      if (!good) break;
    }
    ++round;
  } while (good && results.kills() < kills);
  results.print();
  if (file != nullptr) results.write(file, "system calls");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace baton::crash

int main(int argc, char* argv[]) {
  bool all = false;
  std::uint64_t kills = 1;
  const char* file = nullptr;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option{argv[i]};
    if (option == "--all") {
      all = true;
    } else if (option == "--kills" && i + 1 < argc) {
      kills = std::strtoull(argv[++i], nullptr, 10);
    } else if (option == "--results" && i + 1 < argc) {
      file = argv[++i];
    } else {
      std::cerr << "usage: crash_boundaries [--all] [--kills N] [--results FILE]\n";
      return 2;
    }
  }
  return baton::crash::run(all, kills, file);
}
