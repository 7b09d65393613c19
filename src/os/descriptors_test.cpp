// SPDX-License-Identifier: MIT
#include "os/descriptors.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "os/event.hpp"

namespace baton::os {
namespace {

TEST(Descriptors, AreThoseThatAreOpen) {
  int number = -1;
  const auto listed = [&] { return std::ranges::count(open_descriptors(), number); };
  {
    const UniqueFd event = event_descriptor().value();
    number = event.get();
    EXPECT_EQ(listed(), 1);
  }
  EXPECT_EQ(listed(), 0);
}

}  // namespace
}  // namespace baton::os
