// SPDX-License-Identifier: MIT
#include "handoff/group.hpp"

#include <gtest/gtest.h>

#include <array>

namespace baton::handoff {
namespace {

/// A group of three, as far as `state`.
Group group_in(GroupState state) {
  Group group{7};
  EXPECT_TRUE(group.add(2));
  EXPECT_TRUE(group.add(1));
  if (state == GroupState::Off) {
    EXPECT_TRUE(group.off());
    return group;
  }
  EXPECT_TRUE(state < GroupState::Complete || group.complete(3));
  EXPECT_TRUE(state < GroupState::Ready || group.ready(3));
  EXPECT_TRUE(state < GroupState::Committed || group.commit(3));
  return group;
}

constexpr std::array states{GroupState::Open, GroupState::Complete, GroupState::Ready, GroupState::Committed,
                            GroupState::Off};

TEST(Group, TakesEachStepInItsTurnOnly) {
  for (const GroupState state : states) {
    Group group = group_in(state);
    ASSERT_EQ(group.state(), state);
    EXPECT_EQ(group.size(), 3U);
    EXPECT_EQ(group.pending(), state != GroupState::Committed && state != GroupState::Off);
    EXPECT_EQ(group_in(state).add(1), state == GroupState::Open);
    EXPECT_EQ(group_in(state).complete(3), state == GroupState::Open);
    EXPECT_EQ(group_in(state).ready(3), state == GroupState::Complete);
    EXPECT_EQ(group_in(state).commit(3), state == GroupState::Ready);
    EXPECT_EQ(group_in(state).off(), state != GroupState::Committed);
  }
}

TEST(Group, TakesNoStepOfAnotherSize) {
  EXPECT_FALSE(group_in(GroupState::Open).complete(2));
  EXPECT_FALSE(group_in(GroupState::Complete).ready(4));
  EXPECT_FALSE(group_in(GroupState::Ready).commit(0));
}

TEST(Group, IsNotCalledOffAfterTheCommit) {
  Group group = group_in(GroupState::Committed);
  EXPECT_FALSE(group.off());
  EXPECT_EQ(group.state(), GroupState::Committed);
}

}  // namespace
}  // namespace baton::handoff
