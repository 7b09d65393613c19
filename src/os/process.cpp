// SPDX-License-Identifier: MIT
#include "os/process.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace baton::os {

Result<UniqueFd> open_pidfd(pid_t pid) noexcept {
  // pidfd_open(2) has no wrapper in glibc 2.35 and older; it sets close-on-exec by itself.
  const long descriptor = syscall(SYS_pidfd_open, pid, 0U);
  if (descriptor < 0) return failure();
  return UniqueFd{adopt, static_cast<int>(descriptor)};
}

bool has_exited(FdRef pidfd) noexcept {
  pollfd entry{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN) != 0;
}

Instant monotonic_now() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

uid_t effective_user() noexcept { return geteuid(); }

pid_t process_id() noexcept { return getpid(); }

}  // namespace baton::os
