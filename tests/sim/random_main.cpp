// SPDX-License-Identifier: MIT
// sim_random [--runs N] [--seed S] [--log]: N runs with the seeds S, S+1 ... At the first violation: the seed and the
// events, and exit status 1. `--seed S --runs 1 --log` shows any run again.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "random_walk.hpp"

int main(int argc, char** argv) {
  using namespace baton::sim;
  std::uint64_t runs = 10'000;
  std::uint64_t seed = 1;
  bool log = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--log") == 0) {
      log = true;
    } else if (std::strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
      runs = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: sim_random [--runs N] [--seed S] [--log]\n");
      return 2;
    }
  }
  std::uint64_t events = 0;
  std::uint64_t moves = 0;
  std::uint64_t groups = 0;
  std::uint64_t frames = 0;
  for (std::uint64_t run = 0; run < runs; ++run) {
    Walk found = walk(seed + run, log);
    if (!found.broken.empty() && !log) found = walk(seed + run, true);
    for (const auto& line : found.log) std::printf("  %s\n", line.c_str());
    if (!found.broken.empty()) {
      std::printf("%s\nrun again: --seed %llu --runs 1 --log\n", found.broken.c_str(),
                  static_cast<unsigned long long>(seed + run));
      return 1;
    }
    events += found.events;
    moves += found.moves;
    groups += found.groups;
    frames += found.frames;
  }
  std::printf(
      "%llu runs from seed %llu: %llu events, %llu moves, %llu groups, %llu frames through the codec; all "
      "invariants hold\n",
      static_cast<unsigned long long>(runs), static_cast<unsigned long long>(seed),
      static_cast<unsigned long long>(events), static_cast<unsigned long long>(moves),
      static_cast<unsigned long long>(groups), static_cast<unsigned long long>(frames));
  return 0;
}
