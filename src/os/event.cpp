// SPDX-License-Identifier: MIT
#include "os/event.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace baton::os {

Result<UniqueFd> event_descriptor() noexcept {
  UniqueFd event{adopt, ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!event.valid()) return failure();
  return event;
}

void signal_event(FdRef event) noexcept {
  // Fails only when the counter is full, and then it is readable already.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(event.get(), &one, sizeof one);
}

void reset_event(FdRef event) noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto taken = ::read(event.get(), &count, sizeof count);
}

}  // namespace baton::os
