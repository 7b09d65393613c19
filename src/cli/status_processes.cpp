// SPDX-License-Identifier: MIT
#include "cli/status_processes.hpp"

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "os/process.hpp"
#include "os/runtime_folder.hpp"
#include "os/status_query.hpp"

namespace baton::cli {
namespace {

/// The names in the folder that are numbers of processes.
std::set<std::int64_t> pids_in(const os::Candidate& folder) {
  std::set<std::int64_t> pids;
  std::error_code error;
  // By the descriptor that was checked, not by the path.
  std::filesystem::directory_iterator entry{"/proc/self/fd/" + std::to_string(folder.folder.get()), error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const std::string name = entry->path().filename();
    std::int64_t pid = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (problem == std::errc{} && pid > 0 && name == std::to_string(pid)) pids.insert(pid);
  }
  return pids;
}

}  // namespace

void ask_processes(std::int64_t pid, const std::function<void(Status)>& answered,
                   const std::function<void(std::int64_t pid, int error)>& failed) {
  std::map<std::int64_t, Status> all;  // two places may be one folder
  for (const os::Candidate& folder : os::open_for_connect("status"))
    for (const std::int64_t each : pid != 0 ? std::set{pid} : pids_in(folder)) {
      if (all.contains(each)) continue;
      const Instant deadline = os::monotonic_now() + status_patience;
      const auto answer = os::ask_status(folder.folder.ref(), std::to_string(each).c_str(), deadline);
      if (!answer)
        failed(each, os::number(answer.error()));
      else if (auto status = parse_status(each, *answer))
        all.emplace(each, std::move(*status));
      else
        failed(each, EBADMSG);
    }
  for (auto& [number, status] : all) answered(std::move(status));
}

}  // namespace baton::cli
