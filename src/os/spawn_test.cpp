// SPDX-License-Identifier: MIT
#include "os/spawn.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

namespace baton::os {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    out = UniqueFd{adopt, ends[0]};
    in = UniqueFd{adopt, ends[1]};
  }
  UniqueFd out;
  UniqueFd in;
};

Ending end_of(const Child& child) {
  pollfd entry{child.pidfd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 20000), 1);
  const auto ended = reap(child);
  EXPECT_TRUE(ended);
  return ended.value_or(Ending{});
}

std::string all_from(Pipe& pipe) {
  pipe.in.reset();
  std::string all;
  std::array<char, 512> room;
  for (ssize_t size; (size = ::read(pipe.out.get(), room.data(), room.size())) > 0;)
    all.append(room.data(), static_cast<std::size_t>(size));
  return all;
}

TEST(Spawn, RunsAProgramOfThePathWithItsWordsEnvironmentAndDescriptor) {
  Pipe pipe;
  const auto child = spawn({"sh", "-c", "echo \"$0 $GREETING\" >&3; exit 7", "word"},
                           {"GREETING=hello", "PATH=/usr/bin:/bin"}, pipe.in.ref());
  ASSERT_TRUE(child);
  EXPECT_EQ(all_from(pipe), "word hello\n");
  EXPECT_EQ(end_of(*child), (Ending{false, 7}));
  EXPECT_FALSE(reap(*child));
}

TEST(Spawn, InheritsADescriptorThatHasTheNumberAlready) {
  Pipe pipe;
  // Whatever has the number 3 here gets it back.
  const UniqueFd before{adopt, ::fcntl(inherited_number, F_DUPFD_CLOEXEC, 10)};
  ASSERT_EQ(::dup3(pipe.in.get(), inherited_number, O_CLOEXEC) == inherited_number || pipe.in.get() == inherited_number,
            true);
  const auto child = spawn({"/bin/sh", "-c", "echo there >&3"}, {}, FdRef{inherited_number});
  if (pipe.in.get() != inherited_number) {
    if (before.valid())
      ::dup3(before.get(), inherited_number, O_CLOEXEC);
    else
      ::close(inherited_number);
  }
  ASSERT_TRUE(child);
  EXPECT_EQ(end_of(*child), (Ending{false, 0}));
  EXPECT_EQ(all_from(pipe), "there\n");
}

TEST(Spawn, SaysWhatIsMissing) {
  Pipe pipe;
  EXPECT_EQ(spawn({"/nonexistent/program"}, {}, pipe.in.ref()).error(), Errno{ENOENT});
  EXPECT_EQ(spawn({}, {}, pipe.in.ref()).error(), Errno{EINVAL});
}

TEST(Spawn, ResetsSignals) {
  Pipe pipe;
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  const auto child = spawn({"/bin/sh", "-c", "kill -PIPE $$; exit 0"}, {}, pipe.in.ref());
  ::signal(SIGPIPE, before);
  ASSERT_TRUE(child);
  EXPECT_EQ(end_of(*child), (Ending{true, SIGPIPE}));
}

TEST(Spawn, KillsAChildThatDoesNotEnd) {
  Pipe pipe;
  const auto child = spawn({"sleep", "60"}, {"PATH=/usr/bin:/bin"}, pipe.in.ref());
  ASSERT_TRUE(child);
  EXPECT_FALSE(reap(*child));
  kill_child(*child);
  EXPECT_EQ(end_of(*child), (Ending{true, SIGKILL}));
}

TEST(Spawn, LeavesOneVariableOut) {
  ::setenv("BATON_SPAWN_TEST", "1", 1);
  ::setenv("BATON_SPAWN_TEST_2", "2", 1);
  const auto kept = environment_without("BATON_SPAWN_TEST");
  const auto has = [&](const char* text) { return std::ranges::find(kept, text) != kept.end(); };
  EXPECT_FALSE(has("BATON_SPAWN_TEST=1"));
  EXPECT_TRUE(has("BATON_SPAWN_TEST_2=2"));
}

}  // namespace
}  // namespace baton::os
