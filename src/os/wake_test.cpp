// SPDX-License-Identifier: MIT
#include "os/wake.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <set>
#include <thread>
#include <vector>

#include "os/named_socket.hpp"
#include "os/runtime_fixture.hpp"
#include "os/runtime_folder.hpp"
#include "os/socket.hpp"

namespace baton::os {
namespace {

using test::exists;
using test::in_child;
using test::neighbour;
using test::Signal;
using test::stranger;

int wake_error(pid_t pid) {
  const Result<void> woken = wake(pid);
  return woken ? 0 : number(woken.error());
}

FdRef own_socket() {
  const Result<FdRef> socket = own_wake_socket();
  EXPECT_TRUE(socket.has_value()) << "errno " << (socket ? 0 : number(socket.error()));
  return socket.value_or(FdRef{});
}

/// Waits up to ten seconds, as select and poll of the library do.
bool is_woken(FdRef socket) {
  pollfd entry{socket.get(), POLLIN, 0};
  return ::poll(&entry, 1, 10'000) == 1;
}

/// Every test acts in children: a process has one wake socket for its whole life.
class Wake : public test::RuntimeTest {
 protected:
  [[nodiscard]] std::string path(pid_t pid) const { return run() + "/wake/" + std::to_string(pid); }

  /// A child of that user that has a wake socket and waits to be woken. Gives its pid to `act` in between.
  template <class Action>
  bool with_sleeper(uid_t user, Action act) {
    Signal ready;
    const pid_t sleeper = test::start_child([&] {
      test::become(user);
      const FdRef socket = own_socket();
      ready.give();
      EXPECT_TRUE(is_woken(socket));
      EXPECT_TRUE(drain_wake(socket));
    });
    ready.await();
    act(sleeper);
    return test::ended_well(sleeper);
  }
};

TEST_F(Wake, OfOurselvesStaysUntilItIsDrained) {
  EXPECT_TRUE(in_child([] {
    const FdRef socket = own_socket();
    EXPECT_FALSE(drain_wake(socket));
    EXPECT_EQ(wake_error(::getpid()), 0);
    EXPECT_EQ(wake_error(::getpid()), 0);
    EXPECT_TRUE(is_woken(socket));
    EXPECT_TRUE(drain_wake(socket));
    EXPECT_FALSE(drain_wake(socket));
  }));
}

TEST_F(Wake, TheSocketIsPrivateNonBlockingAndCloseOnExec) {
  EXPECT_TRUE(in_child([this] {
    ::umask(0);
    const FdRef socket = own_socket();
    EXPECT_EQ(test::mode_of(path(::getpid())), 0600U);
    EXPECT_NE(::fcntl(socket.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(socket.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(own_socket(), socket);
  }));
}

TEST_F(Wake, ReachesAnotherProcess) {
  EXPECT_TRUE(with_sleeper(0, [](pid_t sleeper) { EXPECT_EQ(wake_error(sleeper), 0); }));
}

TEST_F(Wake, WorksWhereThePathIsVeryLong) {
  use_long_path();
  EXPECT_TRUE(with_sleeper(0, [](pid_t sleeper) { EXPECT_EQ(wake_error(sleeper), 0); }));
}

TEST_F(Wake, AFullQueueIsSuccess) {
  EXPECT_TRUE(in_child([] {
    const FdRef socket = own_socket();
    for (int i = 0; i < 5000; ++i) ASSERT_EQ(wake_error(::getpid()), 0);
    EXPECT_TRUE(drain_wake(socket));
    EXPECT_FALSE(drain_wake(socket));
  }));
}

TEST_F(Wake, WhoHasNoWakeSocketOrIsDeadIsNotThere) {
  Signal done;
  const pid_t awake = test::start_child([&] { done.await(); });
  EXPECT_EQ(wake_error(awake), ESRCH);
  done.give();
  EXPECT_TRUE(test::ended_well(awake));
  EXPECT_EQ(wake_error(awake), ESRCH);
  EXPECT_EQ(wake_error(0), ESRCH);
  EXPECT_EQ(wake_error(-1), ESRCH);
  EXPECT_EQ(wake_error(-awake), ESRCH);
}

TEST_F(Wake, AKilledProcessIsNotThereThoughItsSocketIs) {
  Signal ready;
  const pid_t sleeper = test::start_child([&] {
    (void)own_socket();
    ready.give();
    ::pause();
  });
  ready.await();
  EXPECT_EQ(wake_error(sleeper), 0);
  ::kill(sleeper, SIGKILL);
  EXPECT_FALSE(test::ended_well(sleeper));
  EXPECT_TRUE(exists(path(sleeper)));
  EXPECT_EQ(wake_error(sleeper), ESRCH);
}

TEST_F(Wake, ADeadProcessIsNotThereThoughAChildHoldsItsSocket) {
  Signal done;
  const pid_t dead = test::start_child([&] {
    (void)own_socket();
    if (::fork() == 0) {
      done.await();
      ::_exit(0);
    }
  });
  EXPECT_TRUE(test::ended_well(dead));
  EXPECT_EQ(wake_error(dead), ESRCH);
  done.give();
}

TEST_F(Wake, OnlyTheSameUserAndRootMay) {
  share();
  EXPECT_TRUE(with_sleeper(stranger, [](pid_t sleeper) {
    EXPECT_TRUE(test::as_user(neighbour, [&] { EXPECT_EQ(wake_error(sleeper), EACCES); }));
    EXPECT_TRUE(test::as_user(stranger, [&] { EXPECT_EQ(wake_error(sleeper), 0); }));
  }));
  EXPECT_TRUE(with_sleeper(stranger, [](pid_t sleeper) { EXPECT_EQ(wake_error(sleeper), 0); }));
  EXPECT_TRUE(with_sleeper(0, [](pid_t sleeper) {
    EXPECT_TRUE(test::as_user(stranger, [&] { EXPECT_EQ(wake_error(sleeper), EACCES); }));
    EXPECT_EQ(wake_error(sleeper), 0);
  }));
}

TEST_F(Wake, AForkedChildMakesItsOwn) {
  EXPECT_TRUE(in_child([this] {
    const FdRef ours = own_socket();
    const std::uint64_t our_cookie = cookie(ours).value();
    const pid_t parent = ::getpid();
    EXPECT_TRUE(in_child([&] {
      EXPECT_EQ(wake_error(::getpid()), ESRCH);
      const FdRef theirs = own_socket();
      EXPECT_NE(cookie(theirs).value(), our_cookie);
      EXPECT_EQ(wake_error(::getpid()), 0);
      EXPECT_TRUE(drain_wake(theirs));
      EXPECT_EQ(wake_error(parent), 0);
    }));
    EXPECT_TRUE(is_woken(ours));
    EXPECT_TRUE(exists(path(parent)));
  }));
}

TEST_F(Wake, TheNameGoesAtExitOfTheProcessThatMadeItOnly) {
  pid_t maker = 0;
  EXPECT_TRUE(test::ended_well(maker = test::start_child([this] {
                                 (void)own_socket();
                                 const pid_t parent = ::getpid();
                                 EXPECT_TRUE(test::ended_well(test::start_child([] { std::exit(0); })));
                                 EXPECT_TRUE(exists(path(parent)));
                                 std::exit(HasFailure() ? 1 : 0);
                               })));
  EXPECT_TRUE(exists(run() + "/wake"));
  EXPECT_FALSE(exists(path(maker)));
}

TEST_F(Wake, WhatAFormerOwnerOfThePidLeftIsReplaced) {
  EXPECT_TRUE(in_child([] {
    const Result<UniqueFd> folder = open_for_bind("wake");
    const UniqueFd former{adopt, ::socket(AF_UNIX, SOCK_DGRAM, 0)};
    ASSERT_TRUE(bind_at(former.ref(), folder->ref(), std::to_string(::getpid()).c_str(), 0600).has_value());
    const FdRef socket = own_socket();
    EXPECT_EQ(wake_error(::getpid()), 0);
    EXPECT_TRUE(drain_wake(socket));
    EXPECT_FALSE(drain_wake(former.ref()));
  }));
}

TEST_F(Wake, WhatAnotherUserLeftIsWorkedAround) {
  share();
  make(run() + "/wake", 01777);
  Signal left;
  Signal ready;
  const pid_t sleeper = test::start_child([&] {
    left.await();
    test::become(stranger);
    const FdRef socket = own_socket();
    EXPECT_EQ(wake_error(::getpid()), 0);
    EXPECT_TRUE(drain_wake(socket));
    ready.give();
    EXPECT_TRUE(is_woken(socket));
    EXPECT_TRUE(drain_wake(socket));
  });
  const UniqueFd former{adopt, ::socket(AF_UNIX, SOCK_DGRAM, 0)};
  const Result<UniqueFd> folder = open_for_bind("wake");
  ASSERT_TRUE(bind_at(former.ref(), folder->ref(), std::to_string(sleeper).c_str(), 0600).has_value());
  left.give();
  ready.await();
  EXPECT_TRUE(exists(path(sleeper) + ".65534"));
  EXPECT_TRUE(test::as_user(neighbour, [&] { EXPECT_EQ(wake_error(sleeper), EACCES); }));
  EXPECT_TRUE(test::as_user(stranger, [&] { EXPECT_EQ(wake_error(sleeper), 0); }));
  EXPECT_TRUE(test::ended_well(sleeper));
}

TEST_F(Wake, ALinkInPlaceOfASocketIsNotFollowed) {
  share();
  EXPECT_TRUE(with_sleeper(0, [this](pid_t sleeper) {
    Signal done;
    const pid_t victim = test::start_child([&] { done.await(); });
    std::filesystem::create_symlink(path(sleeper), path(victim));
    EXPECT_EQ(wake_error(victim), ESRCH);
    done.give();
    EXPECT_TRUE(test::ended_well(victim));
    EXPECT_EQ(wake_error(sleeper), 0);
  }));
}

void wake_self(int) { (void)wake(::getpid()); }

TEST_F(Wake, WorksInASignalHandlerAndKeepsErrno) {
  EXPECT_TRUE(in_child([] {
    const FdRef socket = own_socket();
    struct sigaction action{};
    action.sa_handler = wake_self;
    ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
    errno = 4711;
    ASSERT_EQ(::raise(SIGUSR1), 0);
    EXPECT_EQ(errno, 4711);
    EXPECT_TRUE(drain_wake(socket));
  }));
}

TEST_F(Wake, OfOurselvesNeedsNoFreeDescriptor) {
  EXPECT_TRUE(in_child([] {
    const FdRef socket = own_socket();
    const rlimit none{0, 0};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_EQ(wake_error(1), EMFILE);
    EXPECT_EQ(wake_error(::getpid()), 0);
    EXPECT_TRUE(drain_wake(socket));
  }));
}

TEST_F(Wake, OfOurselvesWorksThoughTheEnvironmentChanged) {
  EXPECT_TRUE(in_child([] {
    const FdRef socket = own_socket();
    ::setenv("BATON_RUNTIME_DIR", "/nonexistent", 1);
    EXPECT_EQ(wake_error(::getpid()), 0);
    EXPECT_TRUE(drain_wake(socket));
  }));
}

TEST_F(Wake, ANumberThatSomebodyClosedAndUsedAgainIsLeftAlone) {
  EXPECT_TRUE(in_child([] {
    const int number = own_socket().get();
    UniqueFd other{adopt, ::socket(AF_INET, SOCK_DGRAM, 0)};
    ASSERT_EQ(::dup3(other.get(), number, 0), number);
    const std::uint64_t stranger_cookie = cookie(other.ref()).value();
    const FdRef again = own_socket();
    EXPECT_NE(again.get(), number);
    EXPECT_EQ(cookie(FdRef{number}).value_or(0), stranger_cookie);
    EXPECT_EQ(wake_error(::getpid()), 0);
    EXPECT_TRUE(drain_wake(again));
  }));
}

TEST_F(Wake, IsNotPutInThePlaceOfStandardInput) {
  EXPECT_TRUE(in_child([] {
    ::close(STDIN_FILENO);
    EXPECT_GT(own_socket().get(), STDERR_FILENO);
    EXPECT_EQ(::fcntl(STDIN_FILENO, F_GETFD), -1);
  }));
}

TEST_F(Wake, ManyThreadsGetTheSameSocket) {
  EXPECT_TRUE(in_child([] {
    const std::size_t before = test::open_descriptors();
    std::array<int, 16> numbers{};
    {
      std::vector<std::jthread> threads;
      for (int& number : numbers) threads.emplace_back([&number] { number = own_socket().get(); });
    }
    EXPECT_EQ(std::set<int>(numbers.begin(), numbers.end()).size(), 1U);
    EXPECT_EQ(test::open_descriptors(), before + 3) << "the socket, its sender, the folder";
  }));
}

TEST_F(Wake, AFolderThatIsRefusedIsSaidAndTriedAgain) {
  EXPECT_TRUE(in_child([this] {
    make(run(), 0777);
    const Result<FdRef> refused = own_wake_socket();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(number(refused.error()), EACCES);
    EXPECT_EQ(wake_error(::getpid()), ESRCH);
    ASSERT_EQ(::chmod(run().c_str(), 0700), 0);
    (void)own_socket();
    EXPECT_EQ(wake_error(::getpid()), 0);
  }));
}

}  // namespace
}  // namespace baton::os
