// SPDX-License-Identifier: MIT
#include "dispatch/undecided.hpp"

#include <gtest/gtest.h>

namespace baton::dispatch {
namespace {

recognise::IpAddress address(std::string_view text) { return *recognise::IpAddress::parse(text); }

TEST(Undecided, CountsEachIpv4Address) {
  Undecided undecided{{.undecided = 100, .undecided_per_source = 2}};
  EXPECT_TRUE(undecided.enter(address("192.0.2.1")));
  EXPECT_TRUE(undecided.enter(address("::ffff:192.0.2.1")));
  EXPECT_FALSE(undecided.enter(address("192.0.2.1")));
  EXPECT_TRUE(undecided.enter(address("192.0.2.2")));
  undecided.leave(address("192.0.2.1"));
  EXPECT_TRUE(undecided.enter(address("192.0.2.1")));
  EXPECT_EQ(undecided.count(), 3U);
}

TEST(Undecided, CountsTheAddressesOfAnIpv6NetworkAsOne) {
  Undecided undecided{{.undecided = 100, .undecided_per_source = 2}};
  EXPECT_TRUE(undecided.enter(address("2001:db8::1")));
  EXPECT_TRUE(undecided.enter(address("2001:db8::ffff:ffff:ffff:ffff")));
  EXPECT_FALSE(undecided.enter(address("2001:db8::3")));
  EXPECT_TRUE(undecided.enter(address("2001:db8:0:1::3")));
  undecided.leave(address("2001:db8::ffff:ffff:ffff:ffff"));
  EXPECT_TRUE(undecided.enter(address("2001:db8::3")));
  EXPECT_EQ(undecided.count(), 3U);
}

TEST(Undecided, CountsAllTogether) {
  Undecided undecided{{.undecided = 2, .undecided_per_source = 2}};
  EXPECT_TRUE(undecided.enter(address("192.0.2.1")));
  EXPECT_TRUE(undecided.enter(address("2001:db8::1")));
  EXPECT_FALSE(undecided.enter(address("192.0.2.2")));
  undecided.enter_all_the_same(address("192.0.2.2"));
  undecided.leave(address("192.0.2.1"));
  EXPECT_FALSE(undecided.enter(address("192.0.2.3")));
}

}  // namespace
}  // namespace baton::dispatch
