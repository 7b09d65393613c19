// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "cli/status_table.hpp"
#include "cli/verbs.hpp"
#include "os/process.hpp"
#include "os/runtime_folder.hpp"
#include "os/status_query.hpp"

namespace baton::cli {
namespace {

constexpr std::chrono::seconds patience{2};

struct Options {
  std::int64_t pid = 0;  // 0: all
  bool json = false;
};

class StatusVerb {
 public:
  StatusVerb(const Options& options, std::ostream& out, std::ostream& err) : options_{options}, out_{out}, err_{err} {}

  ExitStatus run() {
    for (const os::Candidate& folder : os::open_for_connect("status"))
      for (const std::int64_t pid : pids_in(folder)) ask(folder, pid);
    std::ranges::sort(answered_, {}, &Status::pid);
    if (answered_.empty()) return nobody();
    out_ << (options_.json ? json_of(answered_) : table_of(answered_));
    return ExitStatus::Ok;
  }

 private:
  /// The names in the folder that are numbers of processes; with PID, that one.
  [[nodiscard]] std::vector<std::int64_t> pids_in(const os::Candidate& folder) const {
    if (options_.pid != 0) return {options_.pid};
    std::vector<std::int64_t> pids;
    std::error_code error;
    // By the descriptor that was checked, not by the path.
    std::filesystem::directory_iterator entry{"/proc/self/fd/" + std::to_string(folder.folder.get()), error};
    for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
      const std::string name = entry->path().filename();
      std::int64_t pid = 0;
      const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
      if (problem == std::errc{} && pid > 0 && name == std::to_string(pid)) pids.push_back(pid);
    }
    std::ranges::sort(pids);
    return pids;
  }

  void ask(const os::Candidate& folder, std::int64_t pid) {
    if (std::ranges::find(answered_, pid, &Status::pid) != answered_.end()) return;  // two places, one folder
    const Instant deadline = os::monotonic_now() + patience;
    const auto answer = os::ask_status(folder.folder.ref(), std::to_string(pid).c_str(), deadline);
    if (!answer) return tell(pid, os::number(answer.error()));
    if (auto status = parse_status(pid, *answer))
      answered_.push_back(std::move(*status));
    else
      err_ << "baton status: process " << pid << " answers nothing that is a status.\n";
  }

  void tell(std::int64_t pid, int error) {
    switch (error) {
      case ENOENT:
        return;
      case ECONNREFUSED:
        // Its name outlived it; that matters only to who asks for it.
        if (options_.pid != 0) err_ << "baton status: process " << pid << " has ended or no longer answers.\n";
        return;
      case EACCES:
        err_ << "baton status: process " << pid << " is another user's.\n";
        return;
      case ETIMEDOUT:
        err_ << "baton status: process " << pid << " does not answer within " << patience.count() << " s.\n";
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
    return ExitStatus::Failed;
  }

  const Options& options_;
  std::ostream& out_;
  std::ostream& err_;
  std::vector<Status> answered_;
};

}  // namespace

void add_status(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb = app.add_subcommand("status", "Asks running processes what they have moved and taken");
  verb->add_option("PID", options->pid, "Ask this process only")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{std::numeric_limits<pid_t>::max()}));
  verb->add_flag("--json", options->json, "A JSON array with all that the processes say");
  verb->callback([options, &action] {
    action = [options](std::ostream& out, std::ostream& err) { return StatusVerb{*options, out, err}.run(); };
  });
}

}  // namespace baton::cli
