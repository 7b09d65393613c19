// SPDX-License-Identifier: MIT
#include "os/descriptors.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

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

TEST(Descriptors, TheStreamOfTheJournalIsToldByDeviceAndInode) {
  const UniqueFd event = event_descriptor().value();
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const UniqueFd reading{adopt, ends[0]};
  const UniqueFd writing{adopt, ends[1]};
  struct stat about{};
  ASSERT_EQ(::fstat(writing.get(), &about), 0);
  const std::string device = std::to_string(about.st_dev);
  const std::string inode = std::to_string(about.st_ino);
  EXPECT_TRUE(is_journal_stream(writing.ref(), (device + ":" + inode).c_str()));
  EXPECT_FALSE(is_journal_stream(event.ref(), (device + ":" + inode).c_str()));
  for (const std::string& other : {std::string{}, device, device + ":", ":" + inode, device + ":" + inode + "0",
                                   device + ":" + inode + " ", device + ";" + inode, std::string{"x:y"}})
    EXPECT_FALSE(is_journal_stream(writing.ref(), other.c_str())) << other;
  EXPECT_FALSE(is_journal_stream(writing.ref(), nullptr));
}

}  // namespace
}  // namespace baton::os
