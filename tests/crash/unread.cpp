// SPDX-License-Identifier: MIT
#include "crash/unread.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "baton/soc.h"
#include "endpoint/unread_request.hpp"
#include "support/octets.hpp"
#include "support/runtime_dir.hpp"
#include "support/sockets.hpp"
#include "system/steps.hpp"
#include "tsap/selector.hpp"

namespace baton::crash::unread {
namespace {

using namespace baton::test;
using handoff::TakeOutcome;

constexpr const char* tsap_name = "called";
constexpr std::size_t tsdus = 3;
constexpr std::size_t tsdu_size = 3000;
constexpr std::uint64_t stream = 77;
bool is_victim = false;

/// What the roles wait for.
struct Signals {
  Mailbox server_listens, front, want_fresh, server_gone, fresh_listens;
  /// Readable from then on, for everybody.
  UniqueFd may_look{adopt, checked(::eventfd(0, EFD_CLOEXEC), "eventfd")};
  UniqueFd nothing_more{adopt, checked(::eventfd(0, EFD_CLOEXEC), "eventfd")};
};
const Signals* signals_here = nullptr;

void raise(const UniqueFd& event) {
  const std::uint64_t one = 1;
  require(::write(event.get(), &one, sizeof one) == sizeof one, "write to an eventfd");
}

void begin(const Round& round, Party who) {
  is_victim = round.victim == who;
  if (!is_victim) return;
  page->moving = true;
  if (round.begins) round.begins();
}

void end_of_way() {
  if (is_victim) page->moving = false;
}

void tell(int error) {
  if (is_victim) return;
  page->told = error;
  page->was_told = true;
}

/// Confirms, and echoes until the client closes.
void serve(int end_point, std::atomic<unsigned>& count) {
  end_of_way();
  checked(soc_setsockopt(end_point, SOL_TRANSPORT, TPOPT_CFRM_DATA, "", 0), "confirmation");
  std::array<std::byte, tsdu_size> octets;
  for (;;) {
    const ssize_t got = soc_read(end_point, octets.data(), octets.size());
    if (got <= 0) break;
    require(soc_write(end_point, octets.data(), static_cast<std::size_t>(got)) == got, "the echo");
  }
  count.fetch_add(1);
  checked(soc_close(end_point), "soc_close");
}

void expect_as_before(std::size_t before) {
  if (open_descriptors(::getpid()) != before) fail("descriptors are left: " + described_descriptors());
}

// --- The giver -------------------------------------------------------------------------------------------------------

/// As batond names them in its log.
int error_of(TakeOutcome outcome) {
  if (outcome == TakeOutcome::Taken) return 0;
  if (outcome == TakeOutcome::NoDescriptor) return EMFILE;
  return outcome == TakeOutcome::NoCredit ? EAGAIN : ECONNABORTED;
}

/// 0: it is the listener's. Else an errno: the connection is untouched.
int give(const Round& round, UniqueFd& connection, bool first) {
  const auto called_name = tsap::Selector::from(as_bytes(std::string_view{tsap_name}));
  auto given = endpoint::UnreadRequest::give(*called_name, connection.ref());
  if (!given) return os::number(given.error());
  if (round.bug == Bug::LetsGoAtCall) connection.reset();
  const auto end = [&](TakeOutcome outcome) {
    if (outcome == TakeOutcome::Taken) return 0;
    if (connection.valid()) require(given->is_untouched(connection.ref()), "nobody has touched the connection");
    return first && round.manner == Manner::GivenUp ? ETIMEDOUT : error_of(outcome);
  };
  if (first && round.manner == Manner::GivenUp) {
    const auto outcome = round.bug == Bug::GivesUpWithoutLooking ? TakeOutcome::Declined : given->give_up();
    raise(signals_here->may_look);
    while (round.bug == Bug::GivesUpWithoutLooking && !page->victim_gone) std::this_thread::yield();
    return end(outcome);
  }
  if (first && round.looks == Looks::WhenQueued) raise(signals_here->may_look);
  for (;;) {
    pollfd entry{given->descriptor().get(), POLLIN, 0};
    checked(::poll(&entry, 1, -1), "poll");
    if (const auto outcome = given->outcome()) return end(*outcome);
  }
}

void giver(const Round& round, const Signals& signals) {
  UniqueFd front = tcp_listen(round.carrier == Carrier::Ipv4 ? AF_INET : AF_INET6);
  signals.front.send(port_of(front.ref()));
  const std::size_t before = open_descriptors(::getpid());  // with the front, without the connection
  UniqueFd connection{adopt, checked(::accept4(front.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept4")};
  std::byte first{};
  require(::recv(connection.get(), &first, 1, MSG_PEEK) == 1, "the CR");
  (void)signals.server_listens.receive();
  begin(round, Party::Listener);
  const int error = give(round, connection, true);
  end_of_way();
  tell(error);
  if (error != 0) {
    raise(signals.nothing_more);
    if (round.bug == Bug::ForgetsAfterDeath) connection.reset();
    signals.want_fresh.send(connection.valid() ? 1 : 0);
    if (connection.valid()) {
      (void)signals.fresh_listens.receive();
      require(give(round, connection, false) == 0, "the next listener takes it");
    }
  }
  connection.reset();
  expect_as_before(before);
}

// --- The listeners ---------------------------------------------------------------------------------------------------

/// The connection, or -1: nothing more can come.
int accept_if_any(const Round& round, int listening, const Signals& signals) {
  for (bool last = false;;) {
    const int end_point = soc_accept(listening, nullptr, nullptr);
    if (end_point >= 0 || last) return end_point;
    // A descriptor for the link, none for what comes over it: a link that is still silent may be all there is room for.
    if (errno != EWOULDBLOCK && !(errno == EMFILE && round.manner == Manner::NoRoom)) fail_call("soc_accept");
    pollfd entries[] = {{listening, POLLIN, 0}, {signals.nothing_more.get(), POLLIN, 0}};
    checked(soc_poll_ms(entries, 2, -1), "soc_poll_ms");
    last = entries[1].revents != 0;
  }
}

void server(const Round& round, const Signals& signals) {
  // What the library opens once, and keeps, is open now.
  checked(soc_close(checked(system_tests::listen_iso("warm"), "listen")), "soc_close");
  const std::size_t before = open_descriptors(::getpid());
  const int listening = checked(system_tests::listen_iso(tsap_name), "listen");
  checked(::fcntl(listening, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
  signals.server_listens.send(0);
  if (round.looks != Looks::AtOnce) {
    pollfd entry{signals.may_look.get(), POLLIN, 0};
    checked(::poll(&entry, 1, -1), "poll");
  }
  begin(round, Party::Server);
  const unsigned long limit = round.manner == Manner::NoRoom ? system_tests::limit_descriptors(1) : 0;
  const int end_point = accept_if_any(round, listening, signals);
  if (limit != 0) system_tests::restore_descriptors(limit);
  page->taken_by_server = end_point >= 0;
  if (end_point >= 0) {
    tell(0);
    serve(end_point, page->served_by_server);
  }
  end_of_way();
  checked(soc_close(listening), "soc_close of the name");
  expect_as_before(before);
}

void fresh(const Signals& signals) {
  if (signals.want_fresh.receive() == 0) return;
  (void)signals.server_gone.receive();
  const int listening = checked(system_tests::listen_iso(tsap_name), "the name of S");
  signals.fresh_listens.send(0);
  serve(checked(soc_accept(listening, nullptr, nullptr), "soc_accept"), page->served_by_fresh);
  checked(soc_close(listening), "soc_close of the name");
}

// --- The client, and the judge ---------------------------------------------------------------------------------------

void client(const Round& round, const Signals& signals) {
  const std::string port = std::to_string(signals.front.receive());
  const std::string where = (round.carrier == Carrier::Ipv4 ? "127.0.0.1:" : "[::1]:") + port;
  checked(soc_set_host("SERVER", where.c_str()), "soc_set_host");
  const int number = checked(system_tests::named_iso(), "named_iso");
  const sockaddr_iso called_name = system_tests::iso_address(tsap_name, "SERVER  ");
  if (soc_connect(number, &called_name, sizeof called_name) < 0) {
    require(errno == ECONNRESET || errno == ECONNREFUSED, "the connection's end");
    return;
  }
  Producer says{stream};
  Checker hears{stream};
  std::array<std::byte, tsdu_size> octets;
  for (std::size_t i = 0; i < tsdus; ++i) {
    says.peek(octets);
    require(soc_write(number, octets.data(), octets.size()) == static_cast<ssize_t>(octets.size()), "a TSDU");
    says.written(octets);
    while (hears.tally().octets < says.tally().octets) {
      const ssize_t got = soc_read(number, octets.data(), octets.size());
      require(got > 0, "the echo, for the owner lives");
      hears.read(Bytes{octets}.first(static_cast<std::size_t>(got)));
    }
  }
  require(says.tally() == hears.tally(), "what was said came back");
  checked(soc_close(number), "soc_close");
  page->octets = says.tally().octets + hears.tally().octets;
  page->client_completed = true;
}

void judge(const Round& round, Owner owner) {
  const unsigned by_server = page->served_by_server;
  const unsigned by_fresh = page->served_by_fresh;
  require(by_server + by_fresh <= 1, "one owner at most");
  require(page->client_completed == (by_server + by_fresh == 1), "the client is served if somebody owns it");
  if (owner == Owner::Unsaid) return;
  const bool with_victim = page->killed && owner == Owner::Server && round.victim == Party::Server;
  require((by_server == 1) == (owner == Owner::Server && !with_victim), "what is the server's");
  require((by_fresh == 1) == (owner == Owner::Giver), "what is the giver's, and goes on to the next listener");
  if (page->was_told && round.victim == Party::Server)
    require((page->told == 0) == (owner == Owner::Server), "the giver was told otherwise");
}

/// What the others wait for when one of them is gone. Nobody but the victim may be killed.
void reap_all(const Round& round, const Signals& signals, pid_t g, pid_t s, std::size_t roles) {
  for (; roles > 0; --roles) {
    int status = 0;
    const pid_t ended = checked(::waitpid(-1, &status, 0), "waitpid");
    const bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    const bool is_the_victim = ended == (round.victim == Party::Listener ? g : s);
    require(died ? is_the_victim : status == 0, is_the_victim ? "the victim failed" : "who lives failed");
    if (died) page->killed = true;
    if (is_the_victim) page->victim_gone = true;
    if (ended == g) {
      raise(signals.may_look);
      raise(signals.nothing_more);
      signals.want_fresh.send(0);
    } else if (ended == s) {
      signals.server_gone.send(0);
    }
  }
}

void play_here(const Round& round, const std::function<Owner()>& owner) {
  const RuntimeDir folder;
  const Signals signals;
  signals_here = &signals;
  std::size_t roles = 0;
  const auto role = [&](auto body) {
    const pid_t process = checked(::fork(), "fork");
    ++roles;
    if (process != 0) return process;
    body();
    ::_exit(0);
  };
  const pid_t s = role([&] { server(round, signals); });
  const pid_t g = role([&] { giver(round, signals); });
  role([&] { fresh(signals); });
  role([&] { client(round, signals); });
  if (round.watch) round.watch(round.victim == Party::Listener ? g : s);
  reap_all(round, signals, g, s, roles);
  const Owner left = round.manner == Manner::Takes ? Owner::Server : Owner::Giver;
  judge(round, page->killed ? owner() : round.looks == Looks::AtOnce ? Owner::Unsaid : left);
}

const char* name_of(Manner manner) {
  switch (manner) {
    case Manner::Takes:
      return "unread CR";
    case Manner::NoRoom:
      return "unread CR, S has no room";
    case Manner::GivenUp:
      return "unread CR, no answer in time";
  }
  return "";
}

}  // namespace

Page* page = nullptr;

void let_server_look() { raise(signals_here->may_look); }

std::string play(const Round& round, const std::function<Owner()>& owner) {
  static const Shared<Page> shared;
  page = new (&*shared) Page{};
  std::vector<Child> parties;
  parties.emplace_back("round", [&] { play_here(round, owner); }, std::chrono::seconds{30});
  return finish(parties);
}

std::string cell_of(const Round& round, const char* stage) {
  return std::string{round.victim == Party::Listener ? "L dies" : "S dies"} + '\t' + name_of(round.manner) + '\t' +
         stage + '\t' + crash::name_of(round.carrier);
}

void count(Cells& cells, const Round& round, const char* stage) {
  Fate& cell = cells[cell_of(round, stage)];
  ++cell.kills;
  cell.kept += page->served_by_fresh;
  cell.taken += page->served_by_server;
  cell.died += 1 - page->served_by_fresh - page->served_by_server;
  cell.octets += page->octets;
  if (page->was_told) ++cell.told[page->told];
}

}  // namespace baton::crash::unread
