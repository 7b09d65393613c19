// SPDX-License-Identifier: MIT
#include "os/trace.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "os/process.hpp"
#include "os/test_support.hpp"

namespace baton::os {
namespace {

using namespace testing;

/// A folder for one trace, and children that write to it: in this process the trace stays as it was.
class Trace : public ::testing::Test {
 protected:
  Trace() {
    std::string name = std::filesystem::temp_directory_path() / "baton-trace-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~Trace() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::filesystem::path file() const { return folder_ / "trace"; }

  /// Runs `work` in a child that finds `name` in its environment.
  template <class Work>
  void in_child(const std::filesystem::path& name, Work work) {
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
      setenv("BATON_TRACE", name.c_str(), 1);
      detail::trace_state = detail::TraceState::Unknown;
      work();
      fflush(stdout);
      _exit(HasFailure() ? 1 : 0);
    }
    child_ = child;
    int status = 1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }

  [[nodiscard]] std::vector<std::string> lines() const {
    std::ifstream stream{file()};
    std::vector<std::string> all;
    for (std::string line; std::getline(stream, line);) all.push_back(line);
    return all;
  }

  std::filesystem::path folder_;
  pid_t child_ = -1;
};

TEST_F(Trace, WritesOneObjectOnALine) {
  const Instant before = monotonic_now();
  in_child(file(), [] {
    errno = EDOM;
    TraceLine{0xabc, 0x12, 'L', "called"}.text("peer", "S").number("count", 3).number("left", -1);
    EXPECT_EQ(errno, EDOM);
  });
  const auto written = lines();
  ASSERT_EQ(written.size(), 1U);
  std::int64_t time = 0;
  int used = 0;
  ASSERT_EQ(sscanf(written[0].c_str(), "{\"t\":%ld%n", &time, &used), 1);
  EXPECT_GE(time, before.count());
  EXPECT_LE(time, monotonic_now().count());
  EXPECT_EQ(written[0].substr(static_cast<std::size_t>(used)),
            ",\"pid\":" + std::to_string(child_) +
                R"(,"link":"abc","move":"12","role":"L","event":"called","peer":"S","count":3,"left":-1})");
  struct stat status{};
  ASSERT_EQ(stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST_F(Trace, WritesTheExtremesOfNumbers) {
  in_child(file(), [] {
    TraceLine{0, 0, 'S', "e"}
        .number("a", std::numeric_limits<std::int64_t>::min())
        .number("b", std::numeric_limits<std::uint64_t>::max())
        .number("c", std::int8_t{-128});
  });
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_NE(lines()[0].find(R"("a":-9223372036854775808,"b":18446744073709551615,"c":-128})"), std::string::npos);
}

TEST_F(Trace, EscapesWhatJsonCannotHold) {
  in_child(file(), [] { TraceLine{0, 0, 'S', "e"}.text("x", "a\"b\\c\n\xff"); });
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_NE(lines()[0].find(R"("x":"a\u0022b\u005cc\u000a\u00ff"})"), std::string::npos) << lines()[0];
}

TEST_F(Trace, LeavesOutWhatDoesNotFitAndSaysSo) {
  in_child(file(), [] {
    TraceLine{0, 0, 'S', "e"}.text("long", std::string(2000, 'x')).text("short", "kept");
    TraceLine full{0, 0, 'S', "full"};
    for (int i = 0; i < 200; ++i) full.number("n", i);
  });
  const auto written = lines();
  ASSERT_EQ(written.size(), 2U);
  EXPECT_TRUE(written[0].ends_with(R"("event":"e","short":"kept","cut":true})")) << written[0];
  EXPECT_TRUE(written[1].ends_with(R"(,"cut":true})")) << written[1];
  EXPECT_LE(written[1].size(), 1023U);
}

TEST_F(Trace, WritesALineOnce) {
  in_child(file(), [] {
    TraceLine line{0, 0, 'S', "e"};
    line.write();
    line.text("late", "x").write();
  });
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_EQ(lines()[0].find("late"), std::string::npos);
}

TEST_F(Trace, OfSeveralThreadsAndProcessesNeverMixes) {
  constexpr int each = 500;
  in_child(file(), [] {
    const auto work = [] {
      for (int i = 0; i < each; ++i) TraceLine{1, 2, 'S', "e"}.text("x", std::string(300, 'x'));
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(work);
    for (std::thread& thread : threads) thread.join();
    const pid_t grandchild = fork();
    work();
    if (grandchild == 0) _exit(0);
    EXPECT_EQ(waitpid(grandchild, nullptr, 0), grandchild);
  });
  const auto written = lines();
  ASSERT_EQ(written.size(), 5U * each);
  const std::string own = "\"pid\":" + std::to_string(child_) + ",";
  EXPECT_EQ(std::ranges::count_if(written, [&own](const auto& line) { return line.find(own) != line.npos; }), 4 * each);
  for (const std::string& line : written) {
    EXPECT_TRUE(line.starts_with("{\"t\":"));
    EXPECT_TRUE(line.ends_with("xxx\"}"));
    EXPECT_EQ(std::ranges::count(line, '{'), 1);
  }
}

TEST_F(Trace, NeverWritesToWhateverHasItsNumberNow) {
  in_child(file(), [] {
    const std::size_t before = open_descriptors();
    TraceLine{0, 0, 'S', "first"}.write();
    EXPECT_EQ(open_descriptors(), before + 1);
    // Everything from 3 on becomes something else.
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    for (int number = 3; number < 1024; ++number) {
      if (number == pipe_ends[0] || number == pipe_ends[1] || fcntl(number, F_GETFD) < 0) continue;
      ASSERT_EQ(dup2(pipe_ends[1], number), number);
    }
    TraceLine{0, 0, 'S', "second"}.write();
    ASSERT_EQ(fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK), 0);
    char octet = 0;
    EXPECT_EQ(read(pipe_ends[0], &octet, 1), -1);
    EXPECT_EQ(errno, EAGAIN);
  });
  EXPECT_EQ(lines().size(), 1U);
}

TEST_F(Trace, IsOffWithoutANameOrAFile) {
  const auto stays_off = [] {
    const std::size_t before = open_descriptors();
    TraceLine{0, 0, 'S', "e"}.text("x", "y").number("n", 1).write();
    EXPECT_FALSE(trace_enabled());
    EXPECT_EQ(open_descriptors(), before);
  };
  in_child("", stays_off);
  in_child(folder_, stays_off);
  in_child(folder_ / "no" / "such", stays_off);
  const std::filesystem::path pipe = folder_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  in_child(pipe, stays_off);
  const UniqueFd reader{adopt, open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  in_child(pipe, stays_off);
}

}  // namespace
}  // namespace baton::os
