// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "cli/batond.hpp"
#include "cli/batond_tables.hpp"
#include "cli/status_processes.hpp"
#include "cli/status_table.hpp"
#include "cli/verbs.hpp"
#include "os/runtime_folder.hpp"

namespace baton::cli {
namespace {

struct Options {
  std::string control;
  std::int64_t pid = 0;  // 0: all
  bool json = false;
};

class StatusVerb {
 public:
  StatusVerb(const Options& options, std::ostream& out, std::ostream& err) : options_{options}, out_{out}, err_{err} {}

  ExitStatus run() {
    const bool misses_batond = !ask_batond() && !options_.control.empty();
    ask_processes(
        options_.pid, [this](Status status) { answered_.push_back(std::move(status)); },
        [this](std::int64_t pid, int error) { tell(pid, error); });
    if (answered_.empty() && !batond_) return nobody();
    if (options_.json)
      out_ << json_of(answered_, batond_);
    else
      write_text();
    return misses_batond ? ExitStatus::Failed : ExitStatus::Ok;
  }

 private:
  /// False: there is none, or it does not answer; told where somebody may want to know.
  bool ask_batond() {
    auto batond = Batond::find(options_.control);
    if (!batond) {
      missing_ = batond.error().sentence;
      // That there is none is no news where processes answer.
      if (!batond.error().nobody || !options_.control.empty()) err_ << "baton status: " << missing_ << ".\n";
      return false;
    }
    auto status = batond->look("status");
    auto workers = batond->look("workers");
    if (!status || !workers) {
      err_ << "baton status: " << (status ? workers : status).error().sentence << ".\n";
      return false;
    }
    const auto process = static_cast<std::int64_t>(number_in(*status, "process"));
    if (options_.pid != 0 && options_.pid != process) return true;
    batond_ = Dispatcher{process, std::move(*status), std::move(*workers)};
    return true;
  }

  void write_text() {
    if (batond_) out_ << status_text(batond_->status, batond_->workers);
    if (batond_ && !answered_.empty()) out_ << "\nProcesses that move connections:\n";
    if (!answered_.empty()) out_ << table_of(answered_);
  }

  void tell(std::int64_t pid, int error) {
    switch (error) {
      case ENOENT:
        return;
      case EBADMSG:
        err_ << "baton status: process " << pid << " answers nothing that is a status.\n";
        return;
      case ECONNREFUSED:
        // Its name outlived it; that matters only to who asks for it.
        if (options_.pid != 0) err_ << "baton status: process " << pid << " has ended or no longer answers.\n";
        return;
      case EACCES:
        err_ << "baton status: process " << pid << " is another user's.\n";
        return;
      case ETIMEDOUT:
        err_ << "baton status: process " << pid << " does not answer within " << status_patience.count() << " s.\n";
        return;
      default:
        err_ << "baton status: process " << pid << " cannot be asked: " << std::strerror(error) << ".\n";
    }
  }

  ExitStatus nobody() {
    err_ << "baton status: "
         << (options_.pid == 0 ? "no process answers" : "process " + std::to_string(options_.pid) + " does not answer")
         << ". A process answers when it runs with BATON_STATUS=1 in its environment, or calls soc_status(1). "
         << "Looked into: " << os::described_search() << ".\n";
    if (options_.pid == 0 && options_.control.empty() && !missing_.empty())
      err_ << "baton status: " << missing_ << ".\n";
    return ExitStatus::Failed;
  }

  const Options& options_;
  std::ostream& out_;
  std::ostream& err_;
  std::string missing_;  // why no batond has been asked
  std::optional<Dispatcher> batond_;
  std::vector<Status> answered_;
};

}  // namespace

void add_status(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb = app.add_subcommand("status", "Shows batond, and what running processes have moved and taken");
  verb->add_option("PID", options->pid, "Ask this process only")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{std::numeric_limits<pid_t>::max()}));
  verb->add_flag("--json", options->json, "A JSON array with all that batond and the processes say");
  add_control(*verb, options->control);
  verb->callback([options, &action] {
    action = [options](std::ostream& out, std::ostream& err) { return StatusVerb{*options, out, err}.run(); };
  });
}

}  // namespace baton::cli
