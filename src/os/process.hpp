// SPDX-License-Identifier: MIT
// baton: os/process.hpp: who runs, who has died, and what time it is.
//
// Threads: any.
#pragma once

#include <sys/types.h>

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// What the kernel says of a process (ucred of unix(7)). pid 0: outside the reader's pid namespace, or not known.
struct Credentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  friend constexpr bool operator==(const Credentials&, const Credentials&) noexcept = default;
};

/// pidfd_open(2), close-on-exec. ESRCH: no such process; EINVAL: `pid` is not positive.
[[nodiscard]] Result<UniqueFd> open_pidfd(pid_t pid) noexcept;

/// True only when the process is proven dead; a zombie is dead. Never waits. False for what is not a pidfd.
[[nodiscard]] bool has_exited(FdRef pidfd) noexcept;

/// CLOCK_MONOTONIC, the same for all processes of the host.
[[nodiscard]] Instant monotonic_now() noexcept;

[[nodiscard]] uid_t effective_user() noexcept;

/// Asked of the kernel each time: right after fork(2) too.
[[nodiscard]] pid_t process_id() noexcept;

}  // namespace baton::os
