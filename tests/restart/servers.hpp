// SPDX-License-Identifier: MIT
// baton: restart/servers.hpp: the processes of the example that replace each other.
//
// Each is a process group of its own, ends with the test, and is killed with its Process. Threads: one.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"

namespace baton::restart {

class Process {
 public:
  /// Runs it with this as its standard error and output: lines().
  explicit Process(const std::vector<std::string>& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// Whether it has said so.
  [[nodiscard]] bool has_said(const std::string& words);
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  /// What it said is forgotten.
  void forget() { text_.clear(); }
  /// As of waitpid(2), once it has ended.
  [[nodiscard]] std::optional<int> status();
  void kill(int signal) noexcept;

 private:
  void hear();

  pid_t pid_ = -1;
  std::optional<int> status_;
  UniqueFd said_;
  std::string text_;
};

}  // namespace baton::restart
