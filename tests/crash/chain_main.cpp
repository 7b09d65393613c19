// SPDX-License-Identifier: MIT
// What one death in one move does not show, at the fault points of the library:
//
//   both    L and S are killed at once, in the middle of their move: the clients see the end, and a fresh process has
//   the
//           names and serves on.
//   onward  L has moved the connection to S, which moves it on to T and is killed in that move: it ends with S, or T
//           serves it. L, which has asked for its outcome already, asks only now, or has left, is never given it back.
//
//   crash_chain [--kills N] [--results FILE]   default: every point once
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "baton/soc.h"
#include "crash/orders.hpp"
#include "crash/roles.hpp"
#include "os/test_support.hpp"
#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "system/steps.hpp"

namespace baton::crash {
namespace {

using test::checked;
using test::Child;
using test::require;

constexpr int carriers = 4;
constexpr Duration longest = std::chrono::seconds{30};

/// S's way through the move onward, in this order.
struct OnwardPoint {
  const char* name;
  bool called;  // CALL is queued: the connection is T's
};
constexpr std::array onward_points{
    OnwardPoint{"offer_before", false},   OnwardPoint{"offer_queued", false},  OnwardPoint{"answer_arrived", false},
    OnwardPoint{"stop_before", false},    OnwardPoint{"number_parked", false}, OnwardPoint{"stop_done", false},
    OnwardPoint{"call_before", false},    OnwardPoint{"call_queued", true},    OnwardPoint{"outcome_awaited", true},
    OnwardPoint{"outcome_arrived", true}, OnwardPoint{"outcome_done", true},   OnwardPoint{"outcome_told", true},
};

// --- Both ------------------------------------------------------------------------------------------------------------

/// A whole-round role: runs `role` in a child, which is killed by itself or by the other one.
void run_doomed(void (*role)()) {
  become(Party::Fresh);
  const pid_t parent = ::getpid();
  const pid_t doomed = checked(::fork(), "fork of a role that dies");
  if (doomed == 0) {
    checked(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
    if (::getppid() != parent) ::_exit(1);
    role();
    ::_exit(0);
  }
  int status = 0;
  while (::waitpid(doomed, &status, 0) < 0)
    if (errno != EINTR) test::fail_call("waitpid");
  const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && page().death.happened;
  if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) ::_exit(1);  // it has reported why
  (killed ? page().victim_dead : page().victim_ended).store(true);
  if (killed) page().dead.fetch_add(1);
  announce();
  // A child of the victim may hold the link: it is killed with this process's group.
  wait_until([] { return has_come_to(Party::Fresh, crash::Step::Decided) || page().victim_ended.load(); });
}

void run_doomed_listener() { run_doomed(run_listener); }
void run_doomed_server() { run_doomed(run_server); }

/// Takes over the names of the dead, and serves whoever comes next.
void run_successor() {
  become(Party::Fresh);
  const std::size_t before = count_descriptors();
  wait_until([] { return page().dead.load() == 2 || page().victim_ended.load(); });
  if (page().victim_ended.load()) return;
  const int listening = checked(system_tests::listen_iso(server_name), "the name of the dead server");
  {
    const Front front{Party::Fresh};
    front.publish();
    page().want_new.store(true);
    ring_client();
    Held held{connections(page().scenario), front.accept()};
    serve_to_end(held);
  }
  checked(soc_close(listening), "soc_close of the listening socket");
  expect_descriptors(before, 1);
  announce(Step::Decided);
}

// --- Onward ----------------------------------------------------------------------------------------------------------

/// When L asks for the outcome of the first move.
enum class Asks : std::uint8_t { AtOnce, AfterTheDeath, Never };
Asks asks = Asks::AtOnce;

void expect_moved(int link, const test::EndPoint& at) {
  const auto outcome = system_tests::outcome(link, at.number, at.domain);
  require(outcome.ok(), "S had taken, whatever it came to afterwards");
}

void run_first() {
  become(Party::Listener);
  const Front front{Party::Listener};
  const std::size_t before = count_descriptors();
  wait_until([] { return has_come_to(Party::Server, Step::Ready); });
  const int link = checked(system_tests::connect_iso(server_name), "connect to the server");
  front.publish();
  Held held{0, front.accept()};
  serve_some(held);
  const auto expect = [](const system_tests::Step& step) { require(step.ok(), step.text); };
  expect(system_tests::offer(link, held.at.number, held.at.domain));
  expect(system_tests::await_answer(link, held.at.number, held.at.domain));
  expect(system_tests::call(link, held.at.number, held.at.domain));
  if (asks == Asks::AtOnce) expect_moved(link, held.at);
  if (asks == Asks::Never) {
    checked(soc_close(held.at.number), "soc_close of the accept descriptor");
    checked(soc_close(link), "soc_close of the link");
  }
  announce(Step::Called);
  wait_until(victim_gone);
  if (asks == Asks::AfterTheDeath) expect_moved(link, held.at);
  if (asks != Asks::Never) {
    checked(soc_close(held.at.number), "soc_close of what has moved");
    checked(soc_close(link), "soc_close of the link");
  }
  soc_statistics all{};
  all.size = sizeof all;
  require(os::testing::eventually([&] { return soc_get_statistics(&all) == 0 && all.in_doubt == 0; }),
          "no move is in doubt for ever");
  require(all.moved == 1 && all.given_back == 0 && all.touched == 0, "the first move has moved, and nothing else");
  expect_descriptors(before, 1);
  announce(crash::Step::Decided);
}

void run_middle() {
  become(Party::Server);
  const int listening = checked(system_tests::listen_iso(server_name), "listen for links");
  announce(Step::Ready);
  const int from = checked(system_tests::accept_iso(listening), "accept of the link");
  Held held;
  require(take_onward(from, held), "the first move comes");
  serve_some(held);
  wait_until([] { return has_come_to(Party::Listener, Step::Called) && has_come_to(Party::Fresh, Step::Ready); });
  const int link = checked(system_tests::connect_iso(fresh_name), "connect to the last server");
  begin_move();
  give_onward(link, held);
}

/// False: the link has ended before T had the connection.
bool take_if_it_comes(int link, Held& held) {
  const auto offered = system_tests::receive_offer(link);
  const auto is_over = [](const system_tests::Step& step) {
    require(step.ok() || step.error == ECONNRESET, step.text);
    return !step.ok();
  };
  if (is_over(offered)) return false;
  held = {0, {offered.header.fd_server, offered.header.domain}};
  if (!is_over(system_tests::answer(link, offered.header)) && !is_over(system_tests::take(link, offered.header)))
    return true;
  checked(soc_close(held.at.number), "soc_close of what does not come");
  return false;
}

void run_last() {
  become(Party::Fresh);
  const std::size_t before = count_descriptors();
  const int listening = checked(system_tests::listen_iso(fresh_name), "listen for links");
  announce(Step::Ready);
  const int link = checked(soc_accept(listening, nullptr, nullptr), "accept of the link");
  Held held;
  const bool taken = take_if_it_comes(link, held);
  wait_until(victim_gone);
  page().connection[0].server_has = taken;
  if (taken) serve_to_end(held);
  checked(soc_close(link), "soc_close of the link");
  checked(soc_close(listening), "soc_close of the listening socket");
  expect_descriptors(before, 1);
}

void run_middle_and_wait() { run_victim(run_middle, false); }

// --- Rounds ----------------------------------------------------------------------------------------------------------

struct Tally {
  std::uint64_t kills = 0, ended = 0, taken = 0, octets = 0;
};
std::map<std::string, Tally> tallies;

std::string play(const Scenario& scenario, std::initializer_list<void (*)()> roles_of) {
  begin_round(scenario);
  std::string failure;
  std::vector<Child> client;
  client.emplace_back("client", run_client, longest);
  std::vector<Child> roles;
  for (void (*const role)() : roles_of) roles.emplace_back("role " + std::to_string(roles.size()), role, longest);
  failure = test::finish(roles);
  page().round_over.store(true);
  announce();
  ring_client();
  const std::string of_client = test::finish(client);
  if (failure.empty()) failure = of_client;
  if (failure.empty() && !page().death.happened) failure = "nobody passed it";
  return failure;
}

bool saw_an_end(const Connection& connection) {
  return connection.client_end == ClientEnd::Ended || connection.client_end == ClientEnd::Reset ||
         connection.client_end == ClientEnd::OwnReset;
}

std::string judge_both(const Scenario& scenario, Stage stage) {
  Tally& tally = tallies[std::string{"L and S die\t"} + name_of(stage)];
  tally.kills += 2;
  for (std::size_t i = 0; i < connections(scenario); ++i) {
    if (!saw_an_end(page().connection[i])) return "a client saw no end";
    ++tally.ended;
  }
  const Connection& fresh = page().connection[connections(scenario)];
  if (!fresh.served || fresh.client_end != ClientEnd::Completed || fresh.client_sent != fresh.received ||
      fresh.client_received != fresh.sent)
    return "the next connection was not served to its end";
  tally.octets += fresh.received.octets + fresh.sent.octets;
  return {};
}

std::string judge_onward(bool called) {
  Tally& tally = tallies[std::string{"S dies in the move onward\t"} + (called ? "CALL is queued" : "before the CALL")];
  ++tally.kills;
  const Connection& connection = page().connection[0];
  if (connection.server_has != called) return called ? "T has not got what it was called to take" : "T took uncalled";
  if (!called) {
    ++tally.ended;
    return saw_an_end(connection) ? "" : "the client saw no end";
  }
  ++tally.taken;
  tally.octets += connection.received.octets + connection.sent.octets;
  const bool whole = connection.client_end == ClientEnd::Completed && connection.client_sent == connection.received &&
                     connection.client_received == connection.sent;
  return whole ? "" : "octets are missing, or the client saw an early end";
}

bool play_both(std::uint64_t& round) {
  for (const Order& order : orders()) {
    if (order.manner > Manner::ExpressLeft) continue;
    Scenario scenario;
    scenario.both = true;
    scenario.victim = order.victim;
    scenario.carrier = static_cast<Carrier>(round % carriers);
    scenario.manner = order.manner;
    scenario.doing = is_iso(scenario.carrier) ? Doing::Sends : static_cast<Doing>(round / carriers % 4);
    scenario.helper = round % 3 == 2;
    scenario.point = point_named(order.point);
    scenario.nth = order.nth;
    scenario.hold = order.hold;
    scenario.reached = order.reached;
    if (order.freeze != nullptr) scenario.freeze = point_named(order.freeze);
    ++round;
    std::string failure = play(scenario, {run_doomed_listener, run_doomed_server, run_successor});
    if (failure.empty()) failure = judge_both(scenario, order.stage);
    if (failure.empty()) continue;
    std::cout << "both, fault point " << order.point << ", " << describe(scenario) << ": " << failure << '\n';
    return false;
  }
  return true;
}

bool play_onward(std::uint64_t& round) {
  for (const OnwardPoint& point : onward_points)
    for (int carrier = 0; carrier < carriers; ++carrier) {
      Scenario scenario;
      scenario.victim = Party::Server;
      scenario.carrier = static_cast<Carrier>(carrier);
      scenario.point = point_named(point.name);
      asks = static_cast<Asks>(round++ % 3);
      std::string failure = play(scenario, {run_first, run_middle_and_wait, run_last});
      if (failure.empty()) failure = judge_onward(point.called);
      if (failure.empty()) continue;
      std::cout << "onward, fault point " << point.name << ", L asks " << static_cast<int>(asks) << ", "
                << describe(scenario) << ": " << failure << '\n';
      return false;
    }
  return true;
}

int run(std::uint64_t kills, const char* file) {
  const test::RuntimeDir folder;
  std::uint64_t both = 0;
  std::uint64_t onward = 0;
  std::uint64_t killed = 0;
  do {
    if (!play_both(both) || !play_onward(onward)) return 1;
    // Another mixture next time.
    ++both;
    ++onward;
    killed = 0;
    for (const auto& [what, tally] : tallies) killed += tally.kills;
  } while (killed < kills);
  std::ofstream out;
  if (file != nullptr) out.open(file);
  for (const auto& [what, tally] : tallies) {
    std::cout << what << ": " << tally.kills << " kills, " << tally.ended << " connections ended with their owner, "
              << tally.taken << " taken by T, " << tally.octets << " octets compared\n";
    out << what << '\t' << tally.kills << '\t' << tally.ended << '\t' << tally.taken << '\t' << tally.octets << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace baton::crash

int main(int argc, char* argv[]) {
  std::uint64_t kills = 1;
  const char* file = nullptr;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option{argv[i]};
    if (i + 1 == argc || (option != "--kills" && option != "--results")) {
      std::cerr << "usage: crash_chain [--kills N] [--results FILE]\n";
      return 2;
    }
    if (option == "--kills")
      kills = std::strtoull(argv[i + 1], nullptr, 10);
    else
      file = argv[i + 1];
  }
  return baton::crash::run(kills, file);
}
