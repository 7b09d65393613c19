// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <thread>

#include "cli/batond.hpp"
#include "cli/batond_tables.hpp"
#include "cli/status_processes.hpp"
#include "cli/terminal.hpp"
#include "cli/top_frame.hpp"
#include "cli/verbs.hpp"
#include "os/process.hpp"

namespace baton::cli {
namespace {

/// Of a frame that goes to a file: all rows, whatever their number.
constexpr ScreenSize no_bound{.rows = 100'000, .columns = 10'000};

struct Options {
  std::string control;
  double interval = 1;
  bool once = false;
};

class TopVerb {
 public:
  TopVerb(const Options& options, std::ostream& out, std::ostream& err)
      : options_{options},
        out_{out},
        err_{err},
        interval_{std::chrono::duration_cast<Duration>(std::chrono::duration<double>{options.interval})} {}

  ExitStatus run() {
    // A terminal is not touched for a batond that is not there.
    if (!look()) return failed(problem_);
    return options_.once ? once() : live();
  }

 private:
  ExitStatus once() {
    std::this_thread::sleep_until(std::chrono::steady_clock::time_point{now_->time + interval_});
    if (!look()) return failed(problem_);
    for (const std::string& line : top_frame(before_, *now_, no_bound)) out_ << line << '\n';
    return ExitStatus::Ok;
  }

  ExitStatus live() {
    auto screen = FullScreen::open(out_);
    if (!screen) {
      if (os::number(screen.error()) == ENOTTY)
        return failed("standard input and output are no terminal; --once prints one frame");
      return failed(std::string{"the terminal cannot be used: "} + std::strerror(os::number(screen.error())));
    }
    for (Instant next = now_->time + interval_;;) {
      draw();
      switch (screen->wait(next)) {
        case FullScreen::Event::Quit:
          return ExitStatus::Ok;
        case FullScreen::Event::Redraw:
          continue;
        case FullScreen::Event::Time:
          break;
      }
      (void)look();  // what went wrong is drawn
      next = os::monotonic_now() + interval_;
    }
  }

  /// A new sample; false: there is none, and `problem_` says why.
  bool look() {
    Sample sample;
    sample.time = os::monotonic_now();
    if (!ask("status", sample.status) || !ask("routes", sample.routes) || !ask("workers", sample.workers)) {
      batond_.reset();
      return false;
    }
    for (const auto& [pool, worker] : workers_in(sample.workers))
      ask_worker(static_cast<std::int64_t>(number_in(worker, "process")), sample);
    problem_.clear();
    before_ = std::exchange(now_, std::move(sample));
    return true;
  }

  bool ask(const char* verb, nlohmann::json& answer) {
    // A connection that has ended is made anew, once: after an upgrade another batond answers.
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (!batond_) {
        auto found = Batond::find(options_.control);
        if (!found) return problem_ = found.error().sentence, false;
        batond_.emplace(std::move(*found));
      }
      auto told = batond_->look(verb);
      if (told) return answer = std::move(*told), true;
      problem_ = told.error().sentence;
      batond_.reset();
    }
    return false;
  }

  void ask_worker(std::int64_t process, Sample& sample) {
    if (process == 0 || mute_.contains(process) || sample.processes.contains(process)) return;
    ask_processes(
        process, [&](Status status) { sample.processes.insert_or_assign(process, std::move(status)); },
        [&](std::int64_t, int error) {
          // Who does not answer in time, or never will, is not asked again.
          if (error == ETIMEDOUT || error == EACCES || error == EBADMSG) mute_.insert(process);
        });
  }

  void draw() {
    const ScreenSize size = screen_size().value_or(ScreenSize{});
    std::string text = "\x1b[H";
    std::vector<std::string> lines = top_frame(before_, *now_, size);
    if (!problem_.empty()) lines = {problem_.substr(0, size.columns), "", "Asking again; q ends."};
    for (std::size_t i = 0; i < lines.size(); ++i) text += (i == 0 ? "" : "\n") + lines[i] + "\x1b[K";
    out_ << text << "\x1b[J" << std::flush;
  }

  ExitStatus failed(const std::string& sentence) {
    err_ << "baton top: " << sentence << ".\n";
    return ExitStatus::Failed;
  }

  const Options& options_;
  std::ostream& out_;
  std::ostream& err_;
  Duration interval_;
  std::optional<Batond> batond_;
  std::optional<Sample> before_;
  std::optional<Sample> now_;
  std::string problem_;
  std::set<std::int64_t> mute_;
};

}  // namespace

void add_top(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb = app.add_subcommand("top", "Shows live what batond's routes and workers do; q ends it");
  verb->add_flag("--once", options->once, "Print what happens in one interval, without a terminal");
  verb->add_option("--interval", options->interval, "Seconds between two looks (default: 1)")
      ->type_name("S")
      ->check(CLI::Range(0.05, 3600.0));
  add_control(*verb, options->control);
  verb->callback([options, &action] {
    action = [options](std::ostream& out, std::ostream& err) { return TopVerb{*options, out, err}.run(); };
  });
}

}  // namespace baton::cli
