// SPDX-License-Identifier: MIT
#include "os/user_names.hpp"

#include <gtest/gtest.h>

namespace baton::os {
namespace {

constexpr std::string_view passwd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "# www-data:x:1:1::/:\n"
    "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
    "broken:x:many:1::/:\n"
    "short:x\n"
    "last:x:4294967294:1::/:";

TEST(UserNames, AreThoseOfTheFile) {
  EXPECT_EQ(user_named("root", passwd), 0U);
  EXPECT_EQ(user_named("www-data", passwd), 33U);
  EXPECT_EQ(user_named("last", passwd), 4294967294U);
}

TEST(UserNames, WhatIsNoneIsNone) {
  for (const char* name : {"", "www", "www-data2", "x", "broken", "short", "root:x", "Root"})
    EXPECT_EQ(user_named(name, passwd), std::nullopt) << name;
  EXPECT_EQ(user_named("root", ""), std::nullopt);
}

TEST(UserNames, ThisSystemHasRoot) { EXPECT_EQ(user_named("root"), 0U); }

}  // namespace
}  // namespace baton::os
