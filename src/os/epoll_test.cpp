// SPDX-License-Identifier: MIT
#include "os/epoll.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "os/epoll_watch.hpp"
#include "os/event.hpp"
#include "os/socket.hpp"

namespace baton::os {
namespace {

TEST(EpollWatch, ARegistrationIsSeenUntilItIsRemoved) {
  auto pair = seqpacket_pair();
  auto set = epoll_set();
  ASSERT_TRUE(pair && set);
  EXPECT_FALSE(watched_by_epoll(pair->first.ref()));
  ASSERT_TRUE(epoll_add(set->ref(), pair->first.ref()));
  EXPECT_TRUE(watched_by_epoll(pair->first.ref()));
  EXPECT_FALSE(watched_by_epoll(pair->second.ref()));
  ASSERT_TRUE(epoll_remove(set->ref(), pair->first.ref()));
  EXPECT_FALSE(watched_by_epoll(pair->first.ref()));
}

TEST(EpollWatch, ARegistrationUnderAnotherNumberIsTheSameFile) {
  auto pair = seqpacket_pair();
  auto set = epoll_set();
  ASSERT_TRUE(pair && set);
  auto copy = duplicate(pair->first.ref());
  ASSERT_TRUE(copy && epoll_add(set->ref(), copy->ref()));
  copy->reset();
  EXPECT_TRUE(watched_by_epoll(pair->first.ref()));
}

TEST(Epoll, ASetIsToldFromOthersByItsMembers) {
  auto event = event_descriptor();
  auto set = epoll_set();
  auto other = epoll_set();
  ASSERT_TRUE(event && set && other);
  ASSERT_TRUE(epoll_add(set->ref(), event->ref()));
  EXPECT_TRUE(epoll_has(set->get(), event->ref()));
  EXPECT_FALSE(epoll_has(other->get(), event->ref()));
  EXPECT_FALSE(epoll_has(event->get(), event->ref()));
  EXPECT_FALSE(epoll_has(-1, event->ref()));
}

}  // namespace
}  // namespace baton::os
