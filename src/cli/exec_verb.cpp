// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <ostream>
#include <set>
#include <string>

#include "cli/exec_pool.hpp"
#include "cli/iso_names.hpp"
#include "cli/program_file.hpp"
#include "cli/verbs.hpp"

namespace baton::cli {
namespace {

constexpr int default_limit = 64;
constexpr int most_processes = 4096;
constexpr int most_waiting = 16;  // beyond what runs

struct Options {
  std::string pool;
  int processes = 0;  // 0: started for each connection
  int limit = default_limit;
  bool errors_too = false;
  std::vector<std::string> program;
};

class ExecVerb {
 public:
  ExecVerb(const Options& options, std::ostream& err) : options_{options}, err_{err} {}

  ExitStatus run() {
    const auto pool = parse_selector(options_.pool);
    if (!pool) return fail(pool.error());
    if (pool->empty()) return fail("the pool's name is empty");
    pool_ = *pool;
    const auto program = find_program(options_.program.front());
    if (!program) return fail(program.error().sentence, program.error().status);
    program_ = {*program, options_.program, options_.errors_too};
    // By descriptors: a signal that comes just before a wait is not missed.
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int each : {SIGCHLD, SIGTERM, SIGINT}) ::sigaddset(&signals, each);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    signals_ = UniqueFd{adopt, ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)};
    std::array<int, 2> alive{-1, -1};
    if (!signals_.valid() || ::pipe2(alive.data(), O_CLOEXEC) != 0)
      return fail(std::string{"no descriptors: "} + std::strerror(errno));
    alive_reading_ = UniqueFd{adopt, alive[0]};
    alive_writing_ = UniqueFd{adopt, alive[1]};
    return options_.processes > 0 ? keep_processes() : start_for_each();
  }

 private:
  void tell(const std::string& sentence) { err_ << "baton exec: " + sentence + ".\n" << std::flush; }
  ExitStatus fail(const std::string& sentence, ExitStatus status = ExitStatus::NotBegun) {
    tell(sentence);
    return status;
  }

  /// One process for each connection, by this one's link.
  ExitStatus start_for_each() {
    PoolLink link{pool_, std::min(options_.limit, most_waiting), [this](const auto& sentence) { tell(sentence); }};
    for (;;) {
      auto connection =
          next_connection(link, signals_.ref(), running_.size() < static_cast<std::size_t>(options_.limit));
      if (!connection) {
        if (!hear_signals()) return ExitStatus::Ok;
        continue;
      }
      const pid_t child = ::fork();
      if (child == 0) execute(std::move(*connection));
      if (child < 0)
        tell(std::string{"no process for a connection: "} + std::strerror(errno));
      else
        running_.insert(child);
    }
  }

  /// Processes that each wait on a link of their own, and become the program.
  ExitStatus keep_processes() {
    for (;;) {
      while (running_.size() < static_cast<std::size_t>(options_.processes)) {
        const pid_t child = ::fork();
        if (child == 0) wait_and_execute(running_.empty());
        if (child < 0) return fail(std::string{"no process: "} + std::strerror(errno));
        running_.insert(child);
      }
      pollfd entry{signals_.get(), POLLIN, 0};
      (void)::poll(&entry, 1, -1);
      if (!hear_signals()) return ExitStatus::Ok;  // those that wait see the pipe end
    }
  }

  /// `speaks`: one of them tells what all see.
  [[noreturn]] void wait_and_execute(bool speaks) {
    alive_writing_.reset();
    signals_.reset();
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    PoolLink link{pool_, 1, [this, speaks](const auto& sentence) {
                    if (speaks) tell(sentence);
                  }};
    auto connection = next_connection(link, alive_reading_.ref(), true);
    if (!connection) ::_exit(0);
    execute(std::move(*connection));
  }

  [[noreturn]] void execute(os::HandedOver client) {
    become(program_, std::move(client));
    ::_exit(static_cast<int>(errno == ENOENT ? ExitStatus::NoProgram : ExitStatus::CannotExecute));
  }

  /// Reaps; false: it is time to end.
  bool hear_signals() {
    bool goes_on = true;
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal)
      goes_on = goes_on && signal.ssi_signo == SIGCHLD;
    for (pid_t ended = 0; (ended = ::waitpid(-1, nullptr, WNOHANG)) > 0;) running_.erase(ended);
    return goes_on;
  }

  const Options& options_;
  std::ostream& err_;
  tsap::Selector pool_;
  ProgramToRun program_;
  UniqueFd signals_;
  UniqueFd alive_reading_;
  UniqueFd alive_writing_;
  std::set<pid_t> running_;
};

}  // namespace

void add_exec(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb =
      app.add_subcommand("exec", "Runs a program for each connection from a dispatcher, as inetd does");
  verb->add_option("--tsap", options->pool, "TSAP of the dispatcher's pool: TEXT, 'TEXT' or 0x0102")->required();
  CLI::Option* const pool =
      verb->add_option("--pool", options->processes, "Keep N processes, each of which waits for one connection")
          ->check(CLI::Range(1, most_processes));
  verb->add_option("--limit", options->limit, "At most N processes at once (default 64)")
      ->check(CLI::Range(1, most_processes))
      ->excludes(pool);
  verb->add_flag("--stderr", options->errors_too, "The program's standard error is the connection too");
  verb->add_option("PROGRAM", options->program, "The program and its arguments, after --")->required();
  verb->callback([options, &action] {
    action = [options](std::ostream&, std::ostream& err) { return ExecVerb{*options, err}.run(); };
  });
}

}  // namespace baton::cli
