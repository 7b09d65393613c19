// SPDX-License-Identifier: MIT
// A library with fault points: L and S end themselves with SIGKILL at each of them.
//
//   crash_points [--kills N] [--point NAME] [--results FILE]   default: every order once over every carrier
//   crash_points --cells                          the names of all cells, one a line
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string_view>

#include "crash/orders.hpp"
#include "crash/round.hpp"
#include "support/runtime_dir.hpp"

namespace baton::crash {
namespace {

constexpr int carriers = 4;

/// A child that holds the link hides a death from whoever has not had a frame of the dead process.
bool can_have_helper(const Order& order) {
  if (order.stage == Stage::Called || order.stage == Stage::Taken) return true;
  return order.victim == Party::Listener && !is_express(order.manner) &&
         (order.stage == Stage::OfferRead || order.stage == Stage::Answered);
}

/// The `round`th way to carry out an order: over all, every mixture of client, octets along and child comes up.
Scenario scenario_of(const Order& order, Carrier carrier, std::uint64_t round) {
  Scenario scenario;
  scenario.victim = order.victim;
  scenario.carrier = carrier;
  scenario.manner = order.manner;
  scenario.doing = static_cast<Doing>(round % 4);
  if (is_iso(carrier)) scenario.doing = round % 4 == 0 ? Doing::Idle : Doing::Sends;
  scenario.carries = round / 4 % 2 == 1;
  scenario.helper = round % 3 == 2 && can_have_helper(order);
  scenario.point = point_named(order.point);
  scenario.nth = order.nth;
  scenario.hold = order.hold;
  scenario.reached = order.reached;
  if (order.freeze != nullptr) scenario.freeze = point_named(order.freeze);
  return scenario;
}

bool play_all(Results& results, std::uint64_t round, std::string_view only) {
  for (const Order& order : orders()) {
    if (!only.empty() && only != order.point) continue;
    for (int carrier = 0; carrier < carriers; ++carrier) {
      const Scenario scenario = scenario_of(order, static_cast<Carrier>(carrier), round++);
      std::string failure = results.play(scenario, order.stage);
      if (failure.empty() && !results.killed()) failure = "nobody passed it: " + describe(scenario);
      if (failure.empty()) continue;
      std::cout << "fault point " << order.point << ": " << failure << '\n';
      return false;
    }
  }
  return true;
}

/// Every point has ended a process already; this says that none is only in the table.
bool all_passed(const Results& results) {
  bool all = true;
  for (std::size_t point = 0; name_of_point(point) != nullptr; ++point) {
    if (results.passed(point) > 0) continue;
    std::cout << "no run has passed fault point " << name_of_point(point) << '\n';
    all = false;
  }
  return all;
}

bool all_cells_killed(const Results& results) {
  bool all = true;
  for (const Cell& cell : all_cells()) {
    const auto found = results.cells().find(cell);
    if (found != results.cells().end() && found->second.kills > 0) continue;
    std::cout << "no kill in cell " << describe(cell) << '\n';
    all = false;
  }
  for (const auto& [cell, count] : results.cells()) {
    bool known = false;
    for (const Cell& each : all_cells()) known = known || each == cell;
    if (known) continue;
    std::cout << "kills in a cell that is not in the table: " << describe(cell) << '\n';
    all = false;
  }
  return all;
}

int run(std::uint64_t kills, const char* file, std::string_view only) {
  const test::RuntimeDir folder;
  Results results;
  std::uint64_t round = 0;
  bool good = true;
  do {
    good = play_all(results, round, only);
    // Another mixture next time.
    round += 1;
  } while (good && results.kills() < kills);
  if (only.empty()) good = good && all_passed(results) && all_cells_killed(results);
  results.print();
  if (file != nullptr) results.write(file, "fault points");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace baton::crash

int main(int argc, char* argv[]) {
  std::uint64_t kills = 1;
  const char* file = nullptr;
  std::string_view only;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option{argv[i]};
    if (option == "--cells") {
      for (const auto& cell : baton::crash::all_cells()) std::cout << baton::crash::describe(cell) << '\n';
      return 0;
    }
    if (i + 1 == argc || (option != "--kills" && option != "--results" && option != "--point")) {
      std::cerr << "usage: crash_points [--kills N] [--point NAME] [--results FILE] | --cells\n";
      return 2;
    }
    ++i;
    if (option == "--kills")
      kills = std::strtoull(argv[i], nullptr, 10);
    else if (option == "--point")
      only = argv[i];
    else
      file = argv[i];
  }
  return baton::crash::run(kills, file, only);
}
