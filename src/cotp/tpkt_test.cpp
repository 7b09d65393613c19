// SPDX-License-Identifier: MIT
#include "cotp/tpkt.hpp"

#include <gtest/gtest.h>

#include "cotp/octets_for_tests.hpp"

namespace baton::cotp {
namespace {

TEST(Tpkt, GivesTheLengthOfTheTpduBehindIt) {
  EXPECT_EQ(decode_tpkt(hex("03000016")), 18U);
  EXPECT_EQ(decode_tpkt(hex("03000007")), 3U);
  EXPECT_EQ(decode_tpkt(hex("0300ffff")), 65531U);
}

TEST(Tpkt, LooksAtNoMoreThanItsFourOctets) { EXPECT_EQ(decode_tpkt(hex("03000007 02f080")), 3U); }

// RFC 2126 §6.10
TEST(Tpkt, IgnoresTheReservedOctet) {
  for (int reserved = 0; reserved < 256; ++reserved) {
    Octets header = hex("03000007");
    header[1] = static_cast<std::byte>(reserved);
    EXPECT_EQ(decode_tpkt(header), 3U) << reserved;
  }
}

// RFC 1006 §6
TEST(Tpkt, RefusesEveryVersionButThree) {
  for (int version = 0; version < 256; ++version) {
    if (version == 3) continue;
    Octets header = hex("00000016");
    header[0] = static_cast<std::byte>(version);
    EXPECT_EQ(decode_tpkt(header), std::unexpected{TpktError::BadVersion}) << version;
  }
}

TEST(Tpkt, SeesABadVersionInTheFirstOctet) {
  EXPECT_EQ(decode_tpkt(hex("47")), std::unexpected{TpktError::BadVersion});
}

TEST(Tpkt, RefusesLengthsBelowSeven) {
  for (int length = 0; length < 7; ++length) {
    Octets header = hex("03000000");
    header[3] = static_cast<std::byte>(length);
    EXPECT_EQ(decode_tpkt(header), std::unexpected{TpktError::BadLength}) << length;
  }
}

TEST(Tpkt, AsksForMoreUntilTheHeaderIsWhole) {
  const Octets header = hex("03000016");
  for (std::size_t size = 0; size < header.size(); ++size)
    EXPECT_EQ(decode_tpkt(Bytes{header}.first(size)), std::unexpected{TpktError::NeedMore}) << size;
}

TEST(Tpkt, WritesWhatItReads) {
  for (std::size_t length = 3; length <= max_tpdu_octets; ++length) {
    const auto header = encode_tpkt(length);
    ASSERT_TRUE(header.has_value());
    ASSERT_EQ(decode_tpkt(*header), length);
  }
  EXPECT_EQ(to_hex(*encode_tpkt(18)), "03000016");
}

TEST(Tpkt, WritesNoLengthThatWouldNotFit) {
  for (const std::size_t length : {std::size_t{0}, std::size_t{2}, std::size_t{65532}, std::size_t{65536}})
    EXPECT_EQ(encode_tpkt(length).error(), TpktError::BadLength) << length;
}

}  // namespace
}  // namespace baton::cotp
