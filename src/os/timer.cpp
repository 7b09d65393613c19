// SPDX-License-Identifier: MIT
#include "os/timer.hpp"

#include <sys/timerfd.h>

#include <algorithm>

namespace baton::os {

Result<UniqueFd> timer_descriptor() noexcept {
  UniqueFd timer{adopt, ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
  if (!timer.valid()) return failure();
  return timer;
}

void set_timer(FdRef timer, Instant at) noexcept {
  itimerspec setting{};  // all zero: not set
  if (at != never) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at);
    setting.it_value.tv_sec = seconds.count();
    // An instant of zero would mean "never".
    setting.it_value.tv_nsec = std::max<long>((at - seconds).count(), seconds.count() == 0 ? 1 : 0);
  }
  (void)::timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

}  // namespace baton::os
