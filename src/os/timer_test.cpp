// SPDX-License-Identifier: MIT
#include "os/timer.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include "os/process.hpp"
#include "os/wait.hpp"

namespace baton::os {
namespace {

bool readable(FdRef timer, Instant until) {
  pollfd entry{timer.get(), POLLIN, 0};
  return poll_until({&entry, 1}, until).value() == 1;
}

TEST(Timer, IsReadableFromItsInstantOn) {
  const UniqueFd timer = timer_descriptor().value();
  EXPECT_FALSE(readable(timer.ref(), Instant{}));
  const Instant at = monotonic_now() + std::chrono::milliseconds{20};
  set_timer(timer.ref(), at);
  EXPECT_TRUE(readable(timer.ref(), never));
  EXPECT_GE(monotonic_now(), at);
  set_timer(timer.ref(), never);
  EXPECT_FALSE(readable(timer.ref(), Instant{}));
  set_timer(timer.ref(), Instant{});
  EXPECT_TRUE(readable(timer.ref(), never));
}

}  // namespace
}  // namespace baton::os
