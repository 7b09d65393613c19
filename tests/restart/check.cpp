// SPDX-License-Identifier: MIT
// Replaces a server again and again under load: no request fails, no connection is reset, every answer is right, and
// comes from the process that has it by then; a new process that is killed, or gives up, before it is ready changes
// nothing.
//
//   restart_check http|echo PROGRAM [--active N] [--idle N] [--restarts N] [--wrk SECONDS]
//
// --active: clients that always have a request under way; besides, one in twenty comes anew for each request, and one
// in twenty resets its connection. --idle: clients that ask in the beginning and at the end. --wrk: wrk has the active
// connections, for that time, over which the restarts are spread.
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "restart/clients.hpp"
#include "restart/servers.hpp"
#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "support/sockets.hpp"

namespace baton::restart {
namespace {

using namespace std::chrono_literals;
using test::checked;
using test::require;

constexpr auto patience = 30s;  // for anything that has to happen
constexpr auto turn_time = 2ms;

struct Settings {
  Protocol protocol = Protocol::Http;
  std::string program;
  std::uint32_t active = 50;
  std::uint32_t idle = 50;
  std::uint32_t restarts = 5;
  std::uint32_t wrk = 0;  // seconds
};

double milliseconds(Clock::duration time) { return std::chrono::duration<double, std::milli>(time).count(); }

/// Median and longest, in words.
std::string spread(std::vector<double> values) {
  std::ranges::sort(values);
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), "median %.1f ms, longest %.1f ms", values[values.size() / 2], values.back());
  return text.data();
}

class Check {
 public:
  explicit Check(const Settings& settings) : settings_{settings} {
    // Others that ask for any port do not get this one.
    port_ = UniqueFd{adopt, checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
    const int on = 1;
    checked(::setsockopt(port_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "setsockopt");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::bind(port_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  }

  void run() {
    start_first();
    const std::size_t few = test::open_descriptors(current_->pid());
    enter();
    const auto pace =
        settings_.wrk == 0 ? 50ms : std::chrono::milliseconds{settings_.wrk * 1000 / (settings_.restarts + 3)};
    expect_no_change("kill -9 $PPID", [](int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; });
    run_for(pace);
    expect_no_change("exit 1", [](int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 1; });
    for (std::uint32_t i = 0; i < settings_.restarts; ++i) {
      run_for(pace);
      replace();
    }
    end_wrk();
    // Who has been silent all the time is served by the last one.
    for (const auto& client : idle_) client->ask();
    run_until("the idle clients have their answers", [&] { return none_waits(idle_); });
    tally_.stop = true;
    run_until("every request is answered", [&] { return none_waits(active_); });
    for (const auto* clients : {&active_, &idle_})
      for (const auto& client : *clients) client->close();
    run_until("no descriptor is left at the server",
              [&] { return test::open_descriptors(current_->pid()) <= few + 4; });
    report();
  }

 private:
  using Clients = std::vector<std::unique_ptr<Client>>;

  std::unique_ptr<Process> start(const std::string& check = {}) {
    std::vector<std::string> command{settings_.program, std::to_string(test::port_of(port_.ref()))};
    if (!check.empty()) command.push_back(check);
    tally_.process = 0;  // either may answer
    return std::make_unique<Process>(command);
  }
  void start_first() {
    current_ = start();
    run_until("the server serves", [&] { return current_->has_said(" serves"); });
  }
  void add(Clients& clients, Kind kind, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
      clients.push_back(std::make_unique<Client>(settings_.protocol, kind, ++last_number_, test::port_of(port_.ref()),
                                                 epoll_.get(), tally_));
      if (i % 100 == 99) turn();  // the queue of the listening socket is not endless
    }
  }
  void enter() {
    add(idle_, Kind::Idle, settings_.idle);
    run_until("every idle client has its first answer", [&] { return none_waits(idle_); });
    const std::uint32_t active = settings_.active;
    add(active_, Kind::Visitor, std::max(active / 20, 2U));
    add(active_, Kind::Rude, std::max(active / 20, 2U));
    if (settings_.wrk > 0) {
      wrk_ = std::make_unique<Process>(std::vector<std::string>{
          "wrk", "--latency", "-t1", "-c" + std::to_string(active), "-d" + std::to_string(settings_.wrk),
          "http://127.0.0.1:" + std::to_string(test::port_of(port_.ref())) + "/wrk"});
    } else {
      add(active_, Kind::Pieces, active / 5);
      add(active_, Kind::Several, active / 10);
      add(active_, Kind::Large, active / 10);
      add(active_, Kind::Single, active - active / 5 - 2 * (active / 10));
    }
    const std::uint64_t before = tally_.answers;
    run_until("the load is there", [&] { return tally_.answers > before + 2 * active_.size(); });
  }

  /// A new process ends before it is ready; the old one goes on.
  void expect_no_change(const std::string& check, const std::function<bool(int)>& ends_so) {
    current_->forget();
    const auto failing = start(check);
    run_until("the old process goes on", [&] { return current_->has_said(" goes on"); });
    run_until("the new process has ended", [&] { return failing->status().has_value(); });
    require(ends_so(*failing->status()), "the new process ends as it is told to");
    require(!failing->has_said(" serves"), "it never served");
    answers_from_now(*current_);
    const std::uint64_t before = tally_.answers;
    run_until("it answers", [&] { return tally_.answers > before + active_.size(); });
  }

  void replace() {
    in_flight_.push_back(
        static_cast<double>(std::ranges::count_if(active_, [](const auto& each) { return each->waits(); })));
    tally_.longest_in_window = tally_.longest_silence = {};
    tally_.window_begin = Clock::now();
    tally_.window_end = Clock::time_point::max();
    auto next = start();
    run_until("the new process serves", [&] { return next->has_said(" serves"); });
    const auto end = answers_from_now(*next);
    tally_.window_end = end;
    run_until("the old process has ended", [&] { return current_->status().has_value(); });
    if (*current_->status() != 0 || !current_->has_said(" has handed over"))
      test::fail("the old process ended with status " + std::to_string(*current_->status()) + ": " + current_->text());
    current_ = std::move(next);
    run_until("what was under way is answered", [&] {
      return std::ranges::all_of(active_,
                                 [end](const auto& each) { return !each->waits() || each->waits_since() > end; });
    });
    took_.push_back(milliseconds(end - tally_.window_begin));
    silence_.push_back(milliseconds(tally_.longest_silence));
    answer_.push_back(milliseconds(tally_.longest_in_window));
  }

  /// What is asked after this has to be answered by `process`, as far as the answers say it.
  Clock::time_point answers_from_now(const Process& process) {
    tally_.process = settings_.protocol == Protocol::Http ? process.pid() : 0;
    return tally_.process_since = Clock::now();
  }

  void end_wrk() {
    if (!wrk_) return;
    run_until("wrk ends", [&] { return wrk_->status().has_value(); }, std::chrono::seconds{settings_.wrk} + patience);
    const std::string& said = wrk_->text();
    std::printf("%s", said.c_str());
    std::fflush(stdout);
    require(*wrk_->status() == 0 && said.find("requests in") != said.npos, "wrk has run");
    require(said.find("Socket errors") == said.npos, "wrk saw no error of a socket");
    require(said.find("Non-2xx") == said.npos, "wrk saw no other answer than 200");
  }

  [[nodiscard]] static bool none_waits(const Clients& clients) {
    return std::ranges::none_of(clients, [](const auto& each) { return each->waits(); });
  }

  void turn() {
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 1);
    for (int i = 0; i < count; ++i)
      static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr)
          ->on_ready(events[static_cast<std::size_t>(i)].events);
    const auto now = Clock::now();
    if (now > looked_ + turn_time) {
      looked_ = now;
      for (const auto& client : active_) client->on_time(now);
    }
    if (!tally_.failure.empty()) test::fail(tally_.failure + "; the server said: " + current_->text());
  }
  void run_until(const char* what, const std::function<bool()>& done, Clock::duration time = patience) {
    const auto until = Clock::now() + time;
    auto looked = Clock::time_point{};
    for (;;) {
      turn();
      const auto now = Clock::now();
      if (now < looked + turn_time) continue;
      looked = now;
      if (done()) return;
      if (now < until) continue;
      std::string waiting;
      for (const auto* clients : {&active_, &idle_})
        for (const auto& client : *clients)
          if (client->waits() && waiting.size() < 500) waiting += "; " + client->describe();
      if (current_) (void)current_->has_said("");
      test::fail(std::string{"not in time: "} + what + waiting + "; the server: " + (current_ ? current_->text() : ""));
    }
  }
  void run_for(Clock::duration time) {
    const auto until = Clock::now() + time;
    while (Clock::now() < until) turn();
  }

  void report() const {
    std::printf(
        "%s: %u restarts, %u clients with a request under way, %u idle; 2 failed restarts that changed nothing\n",
        settings_.protocol == Protocol::Http ? "http" : "echo", settings_.restarts, settings_.active, settings_.idle);
    std::printf("  %llu answers, all right; %llu connections, none lost; %llu reset by their clients\n",
                static_cast<unsigned long long>(tally_.answers), static_cast<unsigned long long>(tally_.connections),
                static_cast<unsigned long long>(tally_.resets));
    // Else wrk has the load, and says how long it waited.
    if (!wrk_) {
      std::printf("  under way at a restart:                      at least %.0f\n", std::ranges::min(in_flight_));
      std::printf("  pause, no answer to anybody:                 %s\n", spread(silence_).c_str());
      std::printf("  longest answer that a restart fell into:     %s\n", spread(answer_).c_str());
      std::printf("  longest answer apart from them:              %.1f ms\n", milliseconds(tally_.longest_outside));
    }
    std::printf("  start of the new process until it serves:    %s\n", spread(took_).c_str());
    std::fflush(stdout);
  }

  const Settings settings_;
  UniqueFd port_;
  UniqueFd epoll_{adopt, checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")};
  Tally tally_;
  Clients active_;
  Clients idle_;
  std::uint32_t last_number_ = 0;
  std::unique_ptr<Process> current_;
  std::unique_ptr<Process> wrk_;
  Clock::time_point looked_{};
  std::vector<double> in_flight_, silence_, answer_, took_;
};

Settings parse(int argc, char* argv[]) {
  Settings settings;
  const std::string protocol = argc > 2 ? argv[1] : "";
  bool fit = (protocol == "http" || protocol == "echo") && argc % 2 == 1;
  settings.protocol = protocol == "echo" ? Protocol::Echo : Protocol::Http;
  settings.program = argc > 2 ? argv[2] : "";
  for (int i = 3; fit && i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const auto value = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    if (name == "--active")
      settings.active = value;
    else if (name == "--idle")
      settings.idle = value;
    else if (name == "--restarts")
      settings.restarts = value;
    else if (name == "--wrk")
      settings.wrk = value;
    else
      fit = false;
  }
  if (!fit || settings.restarts == 0 || settings.active < 10 ||
      (settings.wrk > 0 && settings.protocol == Protocol::Echo)) {
    std::fprintf(stderr, "usage: %s http|echo PROGRAM [--active N] [--idle N] [--restarts N] [--wrk SECONDS]\n",
                 argv[0]);
    std::exit(2);
  }
  return settings;
}

/// A server that hands over has two descriptors for each connection, and its successor too.
void make_room(const Settings& settings) {
  rlimit limit{};
  checked(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  const rlim_t needed = (settings.active + settings.active / 10 + settings.idle) * rlim_t{3} + 1000;
  if (limit.rlim_max < needed) {
    std::fprintf(stderr, "restart_check: needs %llu descriptors in a process: ulimit -Hn %llu\n",
                 static_cast<unsigned long long>(needed), static_cast<unsigned long long>(needed));
    std::exit(1);
  }
  limit.rlim_cur = limit.rlim_max;
  checked(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

}  // namespace
}  // namespace baton::restart

int main(int argc, char* argv[]) {
  const auto settings = baton::restart::parse(argc, argv);
  baton::restart::make_room(settings);
  std::string failure;
  {
    const baton::test::RuntimeDir folder;
    std::vector<baton::test::Child> role;
    role.emplace_back("check", [&] { baton::restart::Check{settings}.run(); }, std::chrono::hours{1});
    failure = baton::test::finish(role);
  }
  if (!failure.empty()) std::fprintf(stderr, "%s\n", failure.c_str());
  return failure.empty() ? 0 : 1;
}
