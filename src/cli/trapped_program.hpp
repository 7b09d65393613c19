// SPDX-License-Identifier: MIT
// baton: cli/trapped_program.hpp: a program whose listen and accept this process answers (os/accept_trap.hpp).
//
// Threads: one.
#pragma once

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "cli/program_file.hpp"
#include "cli/verbs.hpp"

namespace baton::cli {

class TrappedProgram {
 public:
  /// Executes the file `path` as a child with these words. It has the signals that this process had, gets SIGTERM when
  /// this process dies, and this process has signals() from now on. The error: why there is no such program.
  [[nodiscard]] static std::expected<TrappedProgram, NoProgram> start(const std::string& path,
                                                                      const std::vector<std::string>& words);

  [[nodiscard]] FdRef trap() const noexcept { return trap_.ref(); }
  /// Readable when there is something for hear_signals().
  [[nodiscard]] FdRef signals() const noexcept { return signals_.ref(); }
  /// Passes on what was sent to this process alone (a terminal's signals reach the program as well); reaps the program.
  void hear_signals();
  /// Waits for its end: its status, 128 and the signal's number where one ended it.
  [[nodiscard]] ExitStatus status();

 private:
  TrappedProgram() = default;
  void reap(int options);

  UniqueFd signals_;
  UniqueFd trap_;
  pid_t process_ = 0;
  std::optional<ExitStatus> status_;
};

}  // namespace baton::cli
