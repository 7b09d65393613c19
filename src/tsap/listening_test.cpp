// SPDX-License-Identifier: MIT
#include "tsap/listening.hpp"

#include <gtest/gtest.h>

namespace baton::tsap {
namespace {

TEST(ListeningAddress, IsAnAddressWithItsPort) {
  EXPECT_EQ(parse_listening_address("127.0.0.1:8080"), (ListeningAddress{"127.0.0.1", 8080}));
  EXPECT_EQ(parse_listening_address("[::1]:65535"), (ListeningAddress{"::1", 65535}));
}

TEST(ListeningAddress, WithoutAnAddressIsAnyOne) {
  EXPECT_EQ(parse_listening_address(":80"), (ListeningAddress{"", 80}));
}

TEST(ListeningAddress, NeedsAPort) {
  for (const char* text : {"", ":", "127.0.0.1", "127.0.0.1:", "::1", "[::1]", ":0", ":65536", ":x", "8080"})
    EXPECT_EQ(parse_listening_address(text), std::nullopt) << text;
}

}  // namespace
}  // namespace baton::tsap
