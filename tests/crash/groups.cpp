// SPDX-License-Identifier: MIT
#include "crash/groups.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "support/seed_steps.hpp"
#include "support/sockets.hpp"
#include "system/steps.hpp"

namespace baton::crash::groups {
namespace {

using namespace baton::test;

constexpr const char* server_name = "group";
constexpr const char* front_name = "front";
bool is_victim = false;

void tell(Party who, const Round& round, int error, std::size_t times = 1) {
  for (; who != round.victim && times > 0; --times) page->told[page->told_count++] = error;
}

/// What the roles wait for.
struct Signals {
  Mailbox server_listens, front, connected, over;
};

/// Holds the link, and no end point, until the round is over.
void leave_child(const Signals& signals, const std::vector<soc_move>& end_points) {
  if (checked(::fork(), "fork") != 0) return;
  for (const soc_move& each : end_points) (void)::close(each.fd);
  (void)signals.over.receive();
  ::_exit(0);
}

/// The group begins for this process, which may be the victim.
void begin(const Round& round, Party who) {
  is_victim = round.victim == who;
  if (!is_victim) return;
  page->moving = true;
  if (round.begins) round.begins();
}

void end_of_move() {
  if (is_victim) page->moving = false;
}

void serve(int end_point, std::atomic<unsigned>& count) {
  end_of_move();
  std::uint32_t number = 0;
  require(soc_read(end_point, &number, sizeof number) == sizeof number, "what the client sent");
  require(soc_write(end_point, &number, sizeof number) == sizeof number, "the answer");
  count.fetch_add(1);
  checked(soc_close(end_point), "soc_close");
}

void serve(int end_point, bool listening, std::atomic<unsigned>& count) {
  if (!listening) return serve(end_point, count);
  serve(checked(soc_accept(end_point, nullptr, nullptr), "the client in the queue"), count);
  checked(soc_close(end_point), "soc_close");
}

// --- The listener ---------------------------------------------------------------------------------------------------

int open_front(Carrier carrier, std::uint16_t& port) {
  if (!is_iso(carrier))
    return checked(system_tests::listen_tcp(carrier == Carrier::Ipv4 ? AF_INET : AF_INET6, &port), "listen_tcp");
  if (carrier == Carrier::IsoRemote) ::setenv("BATON_ISO_LISTEN", "127.0.0.1:0", 1);
  const int front = checked(system_tests::listen_iso(front_name), "listen for clients");
  ::unsetenv("BATON_ISO_LISTEN");
  if (carrier == Carrier::IsoLocal) return front;
  sockaddr_in where{};
  socklen_t size = sizeof where;
  checked(soc_getsockopt(front, SOL_TRANSPORT, TPOPT_LOCAL_ADDRESS, &where, &size), "TPOPT_LOCAL_ADDRESS");
  port = ntohs(where.sin_port);
  return front;
}

/// The accepted connections, and over TCP the listening socket.
std::vector<soc_move> accept_all(const Round& round, const Signals& signals) {
  std::uint16_t port = 0;
  const int front = open_front(round.carrier, port);
  signals.front.send(port);
  std::vector<soc_move> all(connections);
  for (soc_move& each : all)
    each.fd = checked(round.is_tcp() ? soc_accept(front, nullptr, nullptr) : system_tests::accept_iso(front), "accept");
  (void)signals.connected.receive();
  if (round.is_tcp())
    all.emplace_back().fd = front;
  else
    checked(soc_close(front), "soc_close of the front");
  return all;
}

void collect_outcomes(const Round& round, int link, unsigned held) {
  for (unsigned ended = 0; ended < held;) {
    std::array<soc_move, most> outcomes{};
    const int got = checked(soc_outcomes(link, outcomes.data(), most, -1), "soc_outcomes");
    for (int i = 0; i < got; ++i) {
      const soc_move& outcome = outcomes[static_cast<std::size_t>(i)];
      require((outcome.error == 0) == (outcome.fd == -1), "moved, or back");
      tell(Party::Listener, round, outcome.error);
      if (outcome.fd >= 0) serve(outcome.fd, outcome.kind == SOC_LISTENING, page->served_by_listener);
    }
    ended += static_cast<unsigned>(got);
  }
}

void listener(const Round& round, const Signals& signals) {
  std::vector<soc_move> moves = accept_all(round, signals);
  const auto size = static_cast<unsigned>(moves.size());
  (void)signals.server_listens.receive();
  const Steps steps{Waits::Blocking};
  const int link = steps.connect(server_name);
  if (round.helper && round.victim == Party::Listener) leave_child(signals, moves);
  begin(round, Party::Listener);
  unsigned held = 0;
  int why = 0;
  while (held < size) {
    const int more = soc_hold(link, moves.data() + held, static_cast<int>(size - held));
    if (more < 0) why = errno;
    if (more < 0) break;  // it died: what was held is among the outcomes
    held += static_cast<unsigned>(more);
  }
  for (unsigned i = held; i < size; ++i) {
    tell(Party::Listener, round, why);
    serve(moves[i].fd, i == connections, page->served_by_listener);
  }
  if (round.manner == Manner::ListenerAborts && soc_commit(link, 0) == -1 && errno == EWOULDBLOCK) {
    checked(soc_abort(link), "soc_abort");
  } else if (held > 0) {
    (void)soc_commit(link, -1);
  }
  collect_outcomes(round, link, held);
  checked(soc_close(link), "soc_close");
  end_of_move();
}

// --- The server -----------------------------------------------------------------------------------------------------

struct Parked {
  int number;
  bool listening;
};

/// Up to the end of the group. False: it is off.
bool take_all(int link, std::vector<Parked>& parked) {
  for (;;) {
    soc_move move{};
    if (soc_take(link, &move, 1, -1) < 0) return false;
    if (move.flags == SOC_GROUP_END) return true;
    parked.push_back({move.fd, move.kind == SOC_LISTENING});
  }
}

void server(const Round& round, const Signals& signals) {
  const Steps steps{Waits::Blocking};
  const int tsap = steps.listen(server_name);
  signals.server_listens.send(0);
  const int link = steps.accept(tsap);
  pollfd entry{link, POLLIN, 0};
  checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");  // confirms
  if (round.helper && round.victim == Party::Server) leave_child(signals, {});
  begin(round, Party::Server);
  std::vector<Parked> parked;
  int got = -1;
  bool off = false;  // by this program
  if (take_all(link, parked)) {
    soc_move more{};
    if (round.manner == Manner::ServerAborts)
      off = soc_decline(link) == 0;
    else if (round.manner == Manner::Commits)
      got = soc_ready(link, -1);
    else
      while ((got = soc_take(link, &more, 1, -1)) > 0) {
      }
  }

  tell(Party::Server, round, got < 0 && !off ? errno : 0, round.clients());
  require(got < 0 || static_cast<std::size_t>(got) == parked.size(), "all or nothing");
  end_of_move();
  for (const Parked& each : parked) {
    if (got >= 0)
      serve(each.number, each.listening, page->served_by_server);
    else
      checked(soc_close(each.number), "soc_close of a parked number");
  }
  checked(soc_close(link), "soc_close");
}

// --- The clients, and the judge -------------------------------------------------------------------------------------

int connect_to(Carrier carrier, std::uint16_t port) {
  switch (carrier) {
    case Carrier::Ipv4:
    case Carrier::Ipv6:
      return tcp_connect(carrier == Carrier::Ipv4 ? AF_INET : AF_INET6, port).release();
    case Carrier::IsoRemote: {
      const std::string where = "127.0.0.1:" + std::to_string(port);
      checked(soc_set_host("SERVER", where.c_str()), "soc_set_host");
      const int number = checked(system_tests::named_iso(), "named_iso");
      const sockaddr_iso front = system_tests::iso_address(front_name, "SERVER  ");
      checked(soc_connect(number, &front, sizeof front), "soc_connect to the front");
      return number;
    }
    case Carrier::IsoLocal:
      return checked(system_tests::connect_iso(front_name), "connect within the host");
  }
  return -1;
}

/// What the client sees: an answer, or the end.
bool answered(int client, std::uint32_t number) {
  std::uint32_t answer = 0;
  const ssize_t got = soc_read(client, &answer, sizeof answer);
  require(got <= 0 || (got == sizeof answer && answer == number), "its own answer, whole");
  require(got >= 0 || errno == ECONNRESET, "an end");
  return got > 0;
}

/// Waits for both; whether the victim was killed.
bool await_ends(const Round& round, pid_t l, pid_t s) {
  bool killed = false;
  for (const auto& [process, party] : {std::pair{l, Party::Listener}, std::pair{s, Party::Server}}) {
    int status = 0;
    checked(::waitpid(process, &status, 0), "waitpid");
    const bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    require(died || status == 0, party == round.victim ? "the victim failed" : "who lives failed");
    require(!died || party == round.victim, "who lives comes to its end");
    killed = killed || died;
  }
  return killed;
}

void judge(const Round& round, const std::vector<int>& clients, Owner owner, bool killed) {
  unsigned got = 0;
  for (std::uint32_t k = 0; k < clients.size(); ++k) got += answered(clients[k], k) ? 1U : 0U;
  const unsigned by_listener = page->served_by_listener.load();
  const unsigned by_server = page->served_by_server.load();
  require(got == by_listener + by_server, "each answer is one owner's");
  const bool with_victim = killed && owner == Owner::Server && round.victim == Party::Server;
  require(by_listener == (owner == Owner::Listener ? clients.size() : 0U), "what is the listener's");
  require(by_server == (owner == Owner::Server && !with_victim ? clients.size() : 0U), "what is the server's");
}

void play_here(const Round& round, const std::function<Owner()>& owner) {
  const RuntimeDir folder;
  const Signals signals;
  const auto role = [&](auto body) {
    const pid_t process = checked(::fork(), "fork");
    if (process != 0) return process;
    body(round, signals);
    ::_exit(0);
  };
  const pid_t s = role(server);
  const pid_t l = role(listener);
  const auto port = static_cast<std::uint16_t>(signals.front.receive());
  std::vector<int> clients;
  for (std::uint32_t k = 0; k < round.clients(); ++k) {
    clients.push_back(connect_to(round.carrier, port));
    require(soc_write(clients.back(), &k, sizeof k) == sizeof k, "the client's number");
  }
  signals.connected.send(0);
  if (round.watch) round.watch(round.victim == Party::Listener ? l : s);
  const bool killed = await_ends(round, l, s);
  page->killed = killed;
  const Owner left = round.manner == Manner::Commits ? Owner::Server : Owner::Listener;
  judge(round, clients, killed ? owner() : left, killed);
  signals.over.send(0);
}

}  // namespace

Page* page = nullptr;

std::string play(const Round& round, const std::function<Owner()>& owner) {
  static const Shared<Page> shared;
  page = new (&*shared) Page{};
  std::vector<Child> parties;
  parties.emplace_back("round", [&] { play_here(round, owner); });
  return finish(parties);
}

std::string cell_of(const Round& round, const char* stage) {
  return std::string{round.victim == Party::Listener ? "L dies" : "S dies"} + '\t' +
         (round.manner == Manner::Commits ? "group" : "group, called off") + '\t' + stage + '\t' +
         name_of(round.carrier);
}

void count(Cells& cells, const Round& round, const char* stage) {
  Fate& cell = cells[cell_of(round, stage)];
  ++cell.kills;
  cell.kept += page->served_by_listener;
  cell.taken += page->served_by_server;
  cell.died += round.clients() - page->served_by_listener - page->served_by_server;
  cell.octets += 2 * sizeof(std::uint32_t) * (page->served_by_listener + page->served_by_server);
  for (unsigned i = 0; i < page->told_count; ++i) ++cell.told[page->told[i]];
}

}  // namespace baton::crash::groups
