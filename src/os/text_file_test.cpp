// SPDX-License-Identifier: MIT
#include "os/text_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace baton::os {
namespace {

class TextFile : public testing::Test {
 protected:
  TextFile() {
    const int number = ::mkstemp(path_.data());
    EXPECT_GE(number, 0);
    ::close(number);
  }
  ~TextFile() override { ::unlink(path_.c_str()); }
  void write(const std::string& text) { std::ofstream{path_} << text; }

  std::string path_ = "/tmp/baton-text-XXXXXX";
};

TEST_F(TextFile, IsReadWhole) {
  write("a\nb\n");
  EXPECT_EQ(read_text_file(path_, 4).value(), "a\nb\n");
  EXPECT_EQ(read_text_file(path_, 3).error(), Errno{EFBIG});
}

TEST_F(TextFile, HasAnotherStampAfterAChange) {
  const auto before = file_stamp(path_);
  EXPECT_NE(before, 0U);
  EXPECT_EQ(file_stamp(path_), before);
  write("longer");
  EXPECT_NE(file_stamp(path_), before);
}

TEST_F(TextFile, MayBeMissing) {
  EXPECT_EQ(file_stamp("/nonexistent/file"), 0U);
  EXPECT_EQ(read_text_file("/nonexistent/file", 1).error(), Errno{ENOENT});
}

}  // namespace
}  // namespace baton::os
