// SPDX-License-Identifier: MIT
// sim [--small|--full] [--mutants] [NAME...]: searches the setups of scenarios.cpp from end to end, all or those with
// such a name, or one that begins so, and prints a row for each. --mutants: searches for the planted bugs instead, all
// or those whose names begin so, and prints their traces.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "explore.hpp"
#include "scenarios.hpp"
#include "unread_world.hpp"

namespace {

using namespace baton::sim;

constexpr std::size_t most_states = 60'000'000;

void print_trace(const Exploration& found) {
  for (std::size_t i = 0; i < found.trace.size(); ++i) std::printf("%4zu  %s\n", i + 1, found.trace[i].c_str());
  std::printf("   => %s\n", found.broken.empty() ? "it never ends" : found.broken.c_str());
}

template <class AnySetup>
bool search(const AnySetup& setup) {
  const auto begin = std::chrono::steady_clock::now();
  const Exploration found = explore(setup, most_states);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const bool holds = found.broken.empty() && found.acyclic && found.complete;
  std::printf("| %-34s | %10zu | %11zu | %8zu | %6zu | %6.1f | %s |\n", setup.name.c_str(), found.states,
              found.transitions, found.at_rest, found.depth, took.count(),
              holds                   ? "holds"
              : !found.broken.empty() ? "BROKEN"
              : !found.complete       ? "too many"
                                      : "ENDLESS");
  if (!holds && found.complete) print_trace(found);
  std::fflush(stdout);
  return holds;
}

template <class AnySetup>
bool hunt(const char* name, const AnySetup& setup) {
  const Exploration found = explore(setup, most_states);
  std::printf("\n%s (%s): %s\n", name, setup.name.c_str(), found.broken.empty() ? "NOT FOUND" : "found");
  print_trace(found);
  std::fflush(stdout);
  return !found.broken.empty();
}

}  // namespace

int main(int argc, char** argv) {
  Extent extent = Extent::Normal;
  bool mutants = false;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--full") == 0)
      extent = Extent::Full;
    else if (std::strcmp(argv[i], "--small") == 0)
      extent = Extent::Small;
    else if (std::strcmp(argv[i], "--mutants") == 0)
      mutants = true;
    else
      names.emplace_back(argv[i]);
  }
  bool good = true;
  const auto is_named = [&](std::string_view name) {
    return names.empty() || std::ranges::any_of(names, [&](const std::string& each) { return name.starts_with(each); });
  };
  if (mutants) {
    for (const MutantName& each : mutant_names)
      if (is_named(each.name)) good = hunt(each.name, scenario_for(each.mutant)) && good;
    for (const unread::MutantName& each : unread::mutant_names) {
      unread::Setup setup = unread::setups(extent).front();
      setup.mutant = each.mutant;
      if (is_named(each.name)) good = hunt(each.name, setup) && good;
    }
    return good ? 0 : 1;
  }
  std::printf("| %-34s | %10s | %11s | %8s | %6s | %6s | |\n", "setup", "states", "transitions", "at rest", "depth",
              "s");
  std::printf("|---|---|---|---|---|---|---|\n");
  const std::vector<Setup> all = scenarios(extent);
  const auto is_meant = [&](const Setup& setup, const std::string& name) {
    return std::ranges::find(all, name, &Setup::name) != all.end() ? setup.name == name : setup.name.starts_with(name);
  };
  for (const Setup& setup : all) {
    bool wanted = names.empty();
    for (const std::string& name : names) wanted = wanted || is_meant(setup, name);
    if (wanted) good = search(setup) && good;
  }
  for (const unread::Setup& setup : unread::setups(extent))
    if (is_named(setup.name)) good = search(setup) && good;
  return good ? 0 : 1;
}
