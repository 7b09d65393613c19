// SPDX-License-Identifier: MIT
#include "dispatch/called_counts.hpp"

#include <gtest/gtest.h>

namespace baton::dispatch {
namespace {

tsap::Selector selector(const std::string& name) { return tsap::Selector::from_text(name).value(); }

TEST(CalledCounts, ListsATselOnceItsServerHasTakenOne) {
  CalledCounts counts;
  counts.refused(selector("SHOP"));
  EXPECT_TRUE(counts.listed().empty());
  EXPECT_EQ(counts.others().refused, 1U);
  counts.moved(selector("SHOP"));
  counts.refused(selector("SHOP"));
  ASSERT_EQ(counts.listed().size(), 1U);
  EXPECT_EQ(counts.listed().at("'SHOP'").moved, 1U);
  EXPECT_EQ(counts.listed().at("'SHOP'").refused, 1U);
  EXPECT_EQ(counts.others().refused, 1U);
}

TEST(CalledCounts, CountsTheRestTogetherBeyondTheMost) {
  CalledCounts counts;
  for (int round = 0; round < 2; ++round)
    for (std::size_t i = 0; i < CalledCounts::most + 3; ++i) counts.moved(selector("N" + std::to_string(i)));
  EXPECT_EQ(counts.listed().size(), CalledCounts::most);
  EXPECT_EQ(counts.listed().at("'N0'").moved, 2U);
  EXPECT_EQ(counts.others().moved, 6U);
}

}  // namespace
}  // namespace baton::dispatch
