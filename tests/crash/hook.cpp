// SPDX-License-Identifier: MIT
// What a fault point of the library does in a test: it counts, and ends the process where the round says so.
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

// As the library sees it when it is compiled with fault points.
#define BATON_FAULT_POINTS
#include "base/fault_point.hpp"
#include "crash/orders.hpp"
#include "support/process.hpp"

namespace baton {
namespace {

using namespace crash;

[[noreturn]] void die() {
  Page& now = page();
  now.death.listener = now.progress[0].load();
  now.death.server = now.progress[1].load();
  now.death.taken_frames = now.taken_queued.load();
  now.death.connections_taken = now.connections_taken.load();
  now.death.called = now.calls_queued.load() > 0;
  now.death.happened = true;
  if (now.scenario.both)
    test::checked(::kill(now.process[static_cast<std::size_t>(survivor(now.scenario))].load(), SIGKILL), "SIGKILL");
  (void)::kill(::getpid(), SIGKILL);
  for (;;) (void)::pause();
}

/// 'S': it sleeps, 'T': it is stopped (proc_pid_stat(5)).
char state_of(pid_t process) {
  std::ifstream stat{"/proc/" + std::to_string(process) + "/stat"};
  std::string text{std::istreambuf_iterator<char>{stat}, {}};
  const auto end = text.rfind(')');
  return end == std::string::npos || end + 2 >= text.size() ? '?' : text[end + 2];
}

/// The survivor has nothing to do but to wait for the victim: when it sleeps, it is in poll(2).
void freeze_survivor() {
  Page& now = page();
  const Scenario& scenario = now.scenario;
  wait_until([&] { return has_come_to(survivor(scenario), scenario.reached); });
  const pid_t process = now.process[static_cast<std::size_t>(survivor(scenario))].load();
  while (state_of(process) != 'S') std::this_thread::yield();
  now.frozen.store(true);
  test::checked(::kill(process, SIGSTOP), "SIGSTOP");
  while (state_of(process) != 'T') std::this_thread::yield();
}

}  // namespace

void fault_point_passed(const char* name) noexcept {
  if (me() == Party::Fresh) return;
  Page& now = page();
  const int point = point_named(name);
  if (point < 0) test::fail(std::string{"the table knows no fault point "} + name);
  now.passed[static_cast<std::size_t>(point)].fetch_add(1);
  const std::string_view point_name{name};
  if (point_name == "call_queued" || point_name == "give_queued") now.calls_queued.fetch_add(1);
  if (point_name == "taken_queued" || point_name == "batch_taken_queued") now.taken_queued.fetch_add(1);
  if (am_victim() && now.scenario.freeze == point && !now.frozen.load()) freeze_survivor();
  if (!am_victim() || now.scenario.point != point || now.at_point.fetch_add(1) + 1 != now.scenario.nth) return;
  const Scenario& scenario = now.scenario;
  if (scenario.reached != Step::None) wait_until([&] { return has_come_to(survivor(scenario), scenario.reached); });
  die();
}

}  // namespace baton
