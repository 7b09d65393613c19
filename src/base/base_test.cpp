// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace baton {
namespace {

bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }

TEST(UniqueFd, MoveAssignmentClosesTheOldDescriptorAtOnce) {
  UniqueFd first{adopt, ::dup(0)};
  UniqueFd second{adopt, ::dup(0)};
  const int old = first.get();
  const int kept = second.get();
  first = std::move(second);
  EXPECT_FALSE(is_open(old));
  EXPECT_TRUE(is_open(kept));
  EXPECT_EQ(first.get(), kept);
}

TEST(UniqueFd, ReleaseKeepsTheDescriptorOpen) {
  UniqueFd owner{adopt, ::dup(0)};
  const int number = owner.release();
  owner.reset();
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

TEST(UniqueFd, HasNoConversionToIntOrBool) {
  static_assert(!std::is_convertible_v<UniqueFd, int>);
  static_assert(!std::is_constructible_v<bool, UniqueFd>);
  static_assert(!std::is_convertible_v<FdRef, int>);
  static_assert(!std::is_copy_constructible_v<UniqueFd>);
}

TEST(ByteReader, AReadThatDoesNotFitFailsForGood) {
  const std::array<std::byte, 3> octets{std::byte{1}, std::byte{2}, std::byte{3}};
  ByteReader reader{octets};
  EXPECT_EQ(reader.u16(), 0x0102);
  EXPECT_EQ(reader.u16(), 0);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0);
  EXPECT_FALSE(reader.ok());
}

TEST(ByteWriter, WritesBigEndianAndStopsAtTheEnd) {
  std::array<std::byte, 6> room{};
  ByteWriter writer{room};
  writer.u32(0x01020304);
  EXPECT_TRUE(writer.ok());
  writer.u32(5);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.size(), 4U);
  EXPECT_EQ(room[3], std::byte{4});
}

}  // namespace
}  // namespace baton
