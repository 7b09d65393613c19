// SPDX-License-Identifier: MIT
#include "os/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>

#include "os/socket.hpp"
#include "os/test_support.hpp"
#include "os/wait.hpp"

namespace baton::os {
namespace {

using namespace testing;

/// A child that lives until told.
class Child {
 public:
  Child() {
    auto pair = *seqpacket_pair();
    end_ = std::move(pair.first);
    pid_ = fork();
    if (pid_ == 0) {
      end_.reset();
      char none = 0;
      _exit(read(pair.second.get(), &none, 1) == 0 ? 0 : 1);
    }
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  void let_go() { end_.reset(); }
  void wait_for() const {
    int status = 1;
    ASSERT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_EQ(status, 0);
  }

 private:
  UniqueFd end_;
  pid_t pid_ = -1;
};

TEST(Pidfd, TellsWhenTheProcessHasExitedAndIsStillAZombie) {
  Child child;
  const auto pidfd = open_pidfd(child.pid());
  ASSERT_TRUE(pidfd.has_value());
  EXPECT_TRUE(descriptor_flags(pidfd->ref())->close_on_exec);
  EXPECT_FALSE(has_exited(pidfd->ref()));
  child.let_go();
  EXPECT_TRUE(eventually([&pidfd] { return has_exited(pidfd->ref()); }));
  child.wait_for();
  EXPECT_TRUE(has_exited(pidfd->ref()));
}

TEST(Pidfd, OfNoProcessIsAnError) {
  Child child;
  child.let_go();
  child.wait_for();
  EXPECT_EQ(open_pidfd(child.pid()).error(), Errno{ESRCH});
  EXPECT_EQ(open_pidfd(0).error(), Errno{EINVAL});
  EXPECT_FALSE(has_exited(FdRef{}));
}

TEST(ProcessId, IsTheChildsOwnAfterFork) {
  EXPECT_EQ(process_id(), getpid());
  EXPECT_EQ(effective_user(), geteuid());
  const pid_t parent = process_id();
  const pid_t child = fork();
  if (child == 0) _exit(process_id() == parent ? 1 : 0);
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(PollUntil, GivesZeroAtTheDeadlineAndNotBefore) {
  const Instant deadline = monotonic_now() + std::chrono::milliseconds{20};
  EXPECT_EQ(poll_until({}, deadline), Result<int>{0});
  EXPECT_GE(monotonic_now(), deadline);
}

TEST(PollUntil, OnlyLooksWhenTheDeadlineHasPassed) {
  const auto pair = *seqpacket_pair();
  std::array entries{pollfd{.fd = pair.first.get(), .events = POLLIN, .revents = 0}};
  EXPECT_EQ(poll_until(entries, Instant::zero()), Result<int>{0});
  send_text(pair.second.ref(), "x");
  EXPECT_EQ(poll_until(entries, Instant::zero()), Result<int>{1});
  EXPECT_EQ(poll_until(entries, never), Result<int>{1});
  EXPECT_EQ(entries[0].revents, POLLIN);
}

TEST(PollUntil, GivesASignalBackToTheCaller) {
  struct sigaction quiet{};
  quiet.sa_handler = [](int) {};
  struct sigaction before{};
  ASSERT_EQ(sigaction(SIGUSR1, &quiet, &before), 0);
  const pthread_t waiter = pthread_self();
  std::atomic<bool> interrupted = false;
  // A signal may come before the wait has begun; so they keep coming.
  std::thread other{[&interrupted, waiter] {
    while (!interrupted.load()) pthread_kill(waiter, SIGUSR1);
  }};
  const auto result = poll_until({}, never);
  interrupted = true;
  other.join();
  ASSERT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error(), Errno{EINTR});
}

}  // namespace
}  // namespace baton::os
