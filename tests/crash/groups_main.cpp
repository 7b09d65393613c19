// SPDX-License-Identifier: MIT
// A library with fault points: L or S ends itself with SIGKILL at each point of a group, and the clients find out who
// owns their connections.
//
//   crash_groups [--kills N]     every order N times, once with and once without a forked child that holds the link
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fault_point.hpp"
#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "support/seed_steps.hpp"
#include "support/sockets.hpp"

namespace {

using namespace baton;
using namespace baton::test;

enum class Party { Listener, Server };
enum class Manner { Commits, ListenerAborts, ServerAborts };
/// Whom the table of docs/handoff-protocol.md gives the connections to.
enum class Owner { Listener, Server, Nobody };

struct Order {
  const char* point;
  Party victim;
  Manner manner;
  Owner owner;  // Server: also where it dies with them
  unsigned nth = 1;
};

constexpr Order orders[] = {
    // L: until COMMIT is queued the connections are its own and die with it.
    {"hold_done", Party::Listener, Manner::Commits, Owner::Nobody},
    {"complete_before", Party::Listener, Manner::Commits, Owner::Nobody},
    {"complete_queued", Party::Listener, Manner::Commits, Owner::Nobody},
    {"held_awaited", Party::Listener, Manner::Commits, Owner::Nobody},
    {"held_arrived", Party::Listener, Manner::Commits, Owner::Nobody},
    {"commit_before", Party::Listener, Manner::Commits, Owner::Nobody},
    {"commit_queued", Party::Listener, Manner::Commits, Owner::Server},
    {"outcome_arrived", Party::Listener, Manner::Commits, Owner::Server},
    {"outcome_done", Party::Listener, Manner::Commits, Owner::Server, 2},
    {"abort_before", Party::Listener, Manner::ListenerAborts, Owner::Nobody},
    {"abort_queued", Party::Listener, Manner::ListenerAborts, Owner::Nobody},
    {"verify_before", Party::Listener, Manner::ListenerAborts, Owner::Nobody},
    {"abort_arrived", Party::Listener, Manner::ServerAborts, Owner::Nobody},
    // S: until TAKEN is queued it has nothing, committed or not.
    {"hold_received", Party::Server, Manner::Commits, Owner::Listener},
    {"held_parked", Party::Server, Manner::Commits, Owner::Listener},
    {"held_parked", Party::Server, Manner::Commits, Owner::Listener, 3},
    {"complete_arrived", Party::Server, Manner::Commits, Owner::Listener},
    {"held_before", Party::Server, Manner::Commits, Owner::Listener},
    {"held_queued", Party::Server, Manner::Commits, Owner::Listener},
    {"commit_awaited", Party::Server, Manner::Commits, Owner::Listener},
    {"commit_arrived", Party::Server, Manner::Commits, Owner::Listener},
    {"group_taken_before", Party::Server, Manner::Commits, Owner::Listener},
    {"group_taken_queued", Party::Server, Manner::Commits, Owner::Server},
    {"group_item_placed", Party::Server, Manner::Commits, Owner::Server},
    {"group_item_placed", Party::Server, Manner::Commits, Owner::Server, 3},
    {"abort_arrived", Party::Server, Manner::ListenerAborts, Owner::Listener},
    {"abort_before", Party::Server, Manner::ServerAborts, Owner::Listener},
    {"abort_queued", Party::Server, Manner::ServerAborts, Owner::Listener},
};

constexpr std::size_t connections = 3;
constexpr const char* server_name = "group";

/// What this process is to die of.
const Order* my_end = nullptr;
unsigned passed = 0;

struct Page {
  std::atomic<unsigned> served_by_listener;
  std::atomic<unsigned> served_by_server;
  std::atomic<bool> reached;
};
Page* page = nullptr;

/// Holds the link, and no end point, until the round is over.
void leave_child(const Mailbox& over, const std::vector<UniqueFd>& end_points) {
  if (checked(::fork(), "fork") != 0) return;
  my_end = nullptr;
  for (const UniqueFd& each : end_points) (void)::close(each.get());
  (void)over.receive();
  ::_exit(0);
}

void serve(int end_point, std::atomic<unsigned>& count) {
  std::uint32_t number = 0;
  require(soc_read(end_point, &number, sizeof number) == sizeof number, "what the client sent");
  require(soc_write(end_point, &number, sizeof number) == sizeof number, "the answer");
  count.fetch_add(1);
  checked(soc_close(end_point), "soc_close");
}

void listener(const Order& order, bool helper, const Mailbox& ready, const Mailbox& over,
              std::vector<UniqueFd>& end_points) {
  (void)ready.receive();
  const Steps steps{Waits::Blocking};
  const int link = steps.connect(server_name);
  if (helper && order.victim == Party::Listener) leave_child(over, end_points);
  if (order.victim == Party::Listener) my_end = &order;
  std::vector<soc_move> moves(connections);
  for (std::size_t i = 0; i < connections; ++i) moves[i].fd = end_points[i].release();
  unsigned held = 0;
  while (held < connections) {
    const int more = soc_hold(link, moves.data() + held, static_cast<int>(connections - held));
    if (more < 0) break;  // it died: what was held is among the outcomes
    held += static_cast<unsigned>(more);
  }
  for (std::size_t i = held; i < connections; ++i) serve(moves[i].fd, page->served_by_listener);
  if (order.manner == Manner::ListenerAborts && soc_commit(link, 0) == -1 && errno == EWOULDBLOCK) {
    checked(soc_abort(link), "soc_abort");
  } else if (held > 0) {
    (void)soc_commit(link, -1);
  }
  for (unsigned ended = 0; ended < held;) {
    std::vector<soc_move> outcomes(connections);
    const int got = checked(soc_outcomes(link, outcomes.data(), connections, -1), "soc_outcomes");
    for (int i = 0; i < got; ++i) {
      const soc_move& outcome = outcomes[static_cast<std::size_t>(i)];
      require((outcome.error == 0) == (outcome.fd == -1), "moved, or back");
      if (outcome.fd >= 0) serve(outcome.fd, page->served_by_listener);
    }
    ended += static_cast<unsigned>(got);
  }
  checked(soc_close(link), "soc_close");
}

void server(const Order& order, bool helper, const Mailbox& ready, const Mailbox& over) {
  const Steps steps{Waits::Blocking};
  const int tsap = steps.listen(server_name);
  ready.send(0);
  const int link = steps.accept(tsap);
  pollfd entry{link, POLLIN, 0};
  checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");  // confirms
  if (helper && order.victim == Party::Server) leave_child(over, {});
  if (order.victim == Party::Server) my_end = &order;
  std::vector<int> numbers;
  bool off = false;
  for (bool complete = false; !complete && !off;) {
    soc_move move{};
    const int got = soc_take(link, &move, 1, -1);
    off = got < 0;
    if (off) break;
    complete = move.flags == SOC_GROUP_END;
    if (!complete) numbers.push_back(move.fd);
  }
  int taken = -1;
  if (off)
    taken = -1;
  else if (order.manner == Manner::ServerAborts)
    (void)soc_abort(link);
  else if (order.manner == Manner::Commits)
    taken = soc_ready(link, -1);
  else
    while ((taken = soc_take(link, std::vector<soc_move>(1).data(), 1, -1)) > 0) {
    }
  require(taken < 0 || static_cast<std::size_t>(taken) == numbers.size(), "all or nothing");
  for (const int number : numbers) {
    if (taken >= 0)
      serve(number, page->served_by_server);
    else
      checked(soc_close(number), "soc_close of a parked number");
  }
  checked(soc_close(link), "soc_close");
}

/// What the client sees: an answer, or the end.
bool answered(const UniqueFd& client, std::uint32_t number) {
  std::uint32_t answer = 0;
  const ssize_t got = ::recv(client.get(), &answer, sizeof answer, MSG_WAITALL);
  require(got <= 0 || (got == sizeof answer && answer == number), "its own answer, whole");
  require(got >= 0 || errno == ECONNRESET, "an end");
  return got > 0;
}

void play(const Order& order, bool helper) {
  const RuntimeDir folder;
  const Mailbox ready;
  const Mailbox over;
  UniqueFd listening = tcp_listen(AF_INET);
  std::vector<UniqueFd> clients;
  std::vector<UniqueFd> end_points;
  for (std::uint32_t k = 0; k < connections; ++k) {
    clients.push_back(tcp_connect(AF_INET, port_of(listening.ref())));
    write_all(clients.back().ref(), std::as_bytes(std::span{&k, 1}));
    end_points.emplace_back(adopt, checked(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept4"));
  }
  const auto role = [&](auto body) {
    const pid_t process = checked(::fork(), "fork");
    if (process != 0) return process;
    for (UniqueFd& client : clients) client.reset();
    listening.reset();
    body();
    ::_exit(0);
  };
  const pid_t s = role([&] {
    for (UniqueFd& each : end_points) each.reset();
    server(order, helper, ready, over);
  });
  const pid_t l = role([&] { listener(order, helper, ready, over, end_points); });
  end_points.clear();
  for (const auto& [process, party] : {std::pair{l, Party::Listener}, std::pair{s, Party::Server}}) {
    int status = 0;
    checked(::waitpid(process, &status, 0), "waitpid");
    const bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (died != (party == order.victim)) fail(party == order.victim ? "the point was not reached" : "who lives failed");
    require(died || status == 0, "who lives comes to its end");
  }
  unsigned got = 0;
  for (std::uint32_t k = 0; k < connections; ++k) got += answered(clients[k], k) ? 1U : 0U;
  const unsigned by_listener = page->served_by_listener.load();
  const unsigned by_server = page->served_by_server.load();
  require(got == by_listener + by_server, "each answer is one owner's");
  const bool with_victim = order.owner == Owner::Server && order.victim == Party::Server;
  require(by_listener == (order.owner == Owner::Listener ? connections : 0U), "what is the listener's");
  require(by_server == (order.owner == Owner::Server && !with_victim ? connections : 0U), "what is the server's");
  over.send(0);
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
  unsigned kills = 1;
  if (argc == 3 && std::string_view{argv[1]} == "--kills") {
    kills = static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10));
  } else if (argc != 1) {
    std::cerr << "usage: crash_groups [--kills N]\n";
    return 2;
  }
  unsigned done = 0;
  unsigned failed = 0;
  for (const Order& order : orders)
    for (unsigned i = 0; i < 2 * kills; ++i) {
      const bool helper = i % 2 == 1;
      Shared<Page> shared;
      page = &*shared;
      std::vector<Child> round;
      round.emplace_back("round", [&] { play(order, helper); });
      const std::string failure = finish(round);
      ++done;
      if (failure.empty()) continue;
      ++failed;
      std::cout << order.point << " " << order.nth << (order.victim == Party::Listener ? ", L" : ", S")
                << (helper ? ", a child holds the link" : "") << ": " << failure << '\n';
    }
  std::cout << done << " groups with a death in them, " << failed << " failures\n";
  return failed == 0 ? 0 : 1;
}
