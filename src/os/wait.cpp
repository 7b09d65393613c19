// SPDX-License-Identifier: MIT
#include "os/wait.hpp"

#include <algorithm>

#include "os/process.hpp"

namespace baton::os {

Result<int> poll_until(std::span<pollfd> entries, Instant deadline) noexcept {
  timespec left{};
  if (deadline != never) {
    const Duration wait = std::max(deadline - monotonic_now(), Duration::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
    left.tv_sec = seconds.count();
    left.tv_nsec = (wait - seconds).count();
  }
  const int ready = ppoll(entries.data(), entries.size(), deadline == never ? nullptr : &left, nullptr);
  if (ready < 0) return failure();
  return ready;
}

}  // namespace baton::os
