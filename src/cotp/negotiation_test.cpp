// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <set>
#include <string_view>

#include "cotp/classes.hpp"
#include "cotp/reasons.hpp"
#include "cotp/tpdu.hpp"
#include "cotp/tpdu_size.hpp"

namespace baton::cotp {
namespace {

TEST(TpduSize, HasTheTenCodesInUse) {
  constexpr std::size_t expected[] = {128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65531};
  for (int code = 0; code < 256; ++code) {
    const auto size = tpdu_size_from_code(static_cast<std::uint8_t>(code));
    if (code < 7 || code > 16) {
      EXPECT_FALSE(size.has_value()) << code;
    } else {
      ASSERT_TRUE(size.has_value()) << code;
      EXPECT_EQ(static_cast<int>(*size), code);
      EXPECT_EQ(octets(*size), expected[code - 7]);
    }
  }
}

TEST(TpduSize, FindsTheLargestWithinALimit) {
  EXPECT_EQ(largest_size_within(0), TpduSize::Octets128);
  EXPECT_EQ(largest_size_within(128), TpduSize::Octets128);
  EXPECT_EQ(largest_size_within(255), TpduSize::Octets128);
  EXPECT_EQ(largest_size_within(256), TpduSize::Octets256);
  EXPECT_EQ(largest_size_within(65530), TpduSize::Octets32768);
  EXPECT_EQ(largest_size_within(65531), TpduSize::Octets65531);
  EXPECT_EQ(largest_size_within(SIZE_MAX), TpduSize::Octets65531);
}

// RFC 905 §13.4.4
TEST(TpduSize, IsNeverSelectedAboveTheProposalOrTheMaximum) {
  for (int proposed = 7; proposed <= 16; ++proposed)
    for (int maximum = 7; maximum <= 16; ++maximum) {
      const auto selected =
          select_size(static_cast<TpduSize>(proposed), TpduSize::Octets65531, static_cast<TpduSize>(maximum));
      EXPECT_EQ(static_cast<int>(selected), std::min(proposed, maximum));
    }
}

TEST(TpduSize, FallsBackToTheDefaultWithinTheMaximum) {
  EXPECT_EQ(select_size({}, TpduSize::Octets2048, TpduSize::Octets65531), TpduSize::Octets2048);
  EXPECT_EQ(select_size({}, TpduSize::Octets2048, TpduSize::Octets512), TpduSize::Octets512);
}

// RFC 2126 §6.4
TEST(TpduSize, OfAConfirmationMayShrinkOrBeAbsentButNotGrow) {
  EXPECT_EQ(agreed_size(TpduSize::Octets2048, TpduSize::Octets128), TpduSize::Octets128);
  EXPECT_EQ(agreed_size(TpduSize::Octets2048, TpduSize::Octets2048), TpduSize::Octets2048);
  EXPECT_EQ(agreed_size(TpduSize::Octets2048, {}), TpduSize::Octets2048);
  EXPECT_EQ(agreed_size(TpduSize::Octets2048, TpduSize::Octets4096), std::nullopt);
}

// RFC 905 table 3, every preferred class with every set of alternatives.
TEST(ClassNegotiation, FollowsTheTable) {
  for (int alternatives = 0; alternatives < 32; ++alternatives) {
    ClassSet set;
    for (std::uint8_t each = 0; each <= max_class; ++each)
      if ((alternatives >> each & 1) != 0) set.insert(each);
    const bool has_0 = (alternatives & 1) != 0;
    const bool has_1 = (alternatives & 2) != 0;
    EXPECT_TRUE(class_0_allowed(0, set));
    EXPECT_TRUE(class_0_allowed(1, set));
    EXPECT_EQ(class_0_allowed(2, set), has_0);
    EXPECT_EQ(class_0_allowed(3, set), has_0 || has_1);
    EXPECT_EQ(class_0_allowed(4, set), has_0 || has_1);
    for (int beyond = 5; beyond < 256; ++beyond) EXPECT_FALSE(class_0_allowed(static_cast<std::uint8_t>(beyond), set));
  }
}

TEST(ClassSet, HoldsClassesZeroToFour) {
  ClassSet set{0, 4};
  set.insert(5);
  set.insert(255);
  EXPECT_TRUE(set.contains(0));
  EXPECT_TRUE(set.contains(4));
  for (const int absent : {1, 2, 3, 5, 255}) EXPECT_FALSE(set.contains(static_cast<std::uint8_t>(absent))) << absent;
  EXPECT_FALSE(set.empty());
  EXPECT_TRUE(ClassSet{}.empty());
}

TEST(Reasons, EachHasWordsOfItsOwn) {
  std::set<std::string_view> words;
  for (const int value : {0, 1, 2, 3, 128, 129, 130, 131, 132, 133, 135, 136, 138})
    words.insert(describe(static_cast<DisconnectReason>(value)));
  EXPECT_EQ(words.size(), 13U);
  for (const int unknown : {4, 127, 134, 137, 139, 255})
    EXPECT_EQ(describe(static_cast<DisconnectReason>(unknown)), "a reason that the standard does not name");
}

TEST(Reasons, CausesAndFaultsHaveWordsToo) {
  std::set<std::string_view> words;
  for (int value = 0; value < 4; ++value) words.insert(describe(static_cast<RejectCause>(value)));
  EXPECT_EQ(words.size(), 4U);
  EXPECT_EQ(describe(static_cast<RejectCause>(4)), "a cause that the standard does not name");
  words.clear();
  for (int value = 0; value <= static_cast<int>(Fault::EmptyData); ++value)
    words.insert(describe(static_cast<Fault>(value)));
  EXPECT_EQ(words.size(), 11U);
}

}  // namespace
}  // namespace baton::cotp
