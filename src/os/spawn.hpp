// SPDX-License-Identifier: MIT
// baton: os/spawn.hpp: another program as a child of this process, for daemons.
//
// Threads: any.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

struct Child {
  pid_t process = 0;
  UniqueFd pidfd;  // polls readable when it has ended
};

/// The child's number for spawn()'s descriptor.
inline constexpr int inherited_number = 3;

/// Starts `words[0]`, which is looked for in PATH where it has no slash. No signal is blocked in it, none ignored; of
/// descriptors it has those that are not close-on-exec, and `inherited` as number 3. `environment`: "NAME=value", in
/// place of this process's. Errors: posix_spawn(3), ENOENT and EACCES of the program among them.
[[nodiscard]] Result<Child> spawn(const std::vector<std::string>& words, const std::vector<std::string>& environment,
                                  FdRef inherited);
/// This process's, without the variable `name`.
[[nodiscard]] std::vector<std::string> environment_without(const std::string& name);

/// SIGKILL, to a child that has not been reaped.
void kill_child(const Child& child) noexcept;

/// How a child has ended.
struct Ending {
  bool killed = false;  // by a signal
  int value = 0;        // its number, or the exit status
  friend bool operator==(const Ending&, const Ending&) = default;
};
/// Nothing: it still runs, or has been reaped before. Never waits.
[[nodiscard]] std::optional<Ending> reap(const Child& child) noexcept;

}  // namespace baton::os
