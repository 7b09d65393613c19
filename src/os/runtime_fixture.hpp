// SPDX-License-Identifier: MIT
// baton: os/runtime_fixture.hpp: for unit tests only: a runtime folder of their own, and children that act in it.
//
// The children of a test end with _exit, and hand their failed expectations to the parent by their exit status.
// The tests need root, because their children become other users.
#pragma once

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>

namespace baton::os::test {

inline constexpr uid_t stranger = 65534;
inline constexpr uid_t neighbour = 64001;

/// Waits for a child; true if it ended well and all its expectations held.
inline bool ended_well(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

template <class Action>
pid_t start_child(Action action) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  action();
  ::fflush(nullptr);
  ::_exit(::testing::Test::HasFailure() ? 1 : 0);
}

template <class Action>
bool in_child(Action action) {
  return ended_well(start_child(action));
}

inline void become(uid_t user) {
  if (::setgroups(0, nullptr) != 0 || ::setgid(user) != 0 || ::setuid(user) != 0) ::_exit(99);
}

template <class Action>
bool as_user(uid_t user, Action action) {
  return in_child([&] {
    become(user);
    action();
  });
}

/// One process lets others go on: each give() ends one await().
class Signal {
 public:
  Signal() {
    if (::pipe(ends_.data()) != 0) std::abort();
  }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void give() const {
    if (::write(ends_[1], "", 1) != 1) std::abort();
  }
  void await() const {
    char octet;
    if (::read(ends_[0], &octet, 1) != 1) std::abort();
  }

 private:
  std::array<int, 2> ends_{};
};

inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator numbers{"/proc/self/fd"};
  return static_cast<std::size_t>(std::distance(begin(numbers), end(numbers)));
}

inline mode_t mode_of(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

inline bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

/// A test with BATON_RUNTIME_DIR in a temporary folder that everybody may enter; the folder itself is not yet made.
class RuntimeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "this test must run as root: its children become other users";
    std::string pattern = "/tmp/baton-unit-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    ASSERT_EQ(::chmod(root_.c_str(), 0755), 0);
    for (const char* name : {"XDG_RUNTIME_DIR", "BATON_ALLOW_UIDS"}) ::unsetenv(name);
    use(root_ + "/run");
  }
  void TearDown() override {
    ::unsetenv("BATON_RUNTIME_DIR");
    ::unsetenv("BATON_ALLOW_UIDS");
    ::unsetenv("XDG_RUNTIME_DIR");
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }

  void use(const std::string& path) {
    run_ = path;
    ASSERT_EQ(::setenv("BATON_RUNTIME_DIR", path.c_str(), 1), 0);
  }
  /// Makes the runtime folder one that all users share.
  void share() { make(run_, 01777); }
  static void make(const std::string& path, mode_t mode, uid_t owner = 0) {
    ASSERT_EQ(::mkdir(path.c_str(), 0700), 0) << path;
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    ASSERT_EQ(::chown(path.c_str(), owner, owner), 0);
  }
  /// A path of more than 200 characters, far more than sun_path holds.
  void use_long_path() {
    const std::string parent = root_ + "/" + std::string(200, 'p');
    make(parent, 0755);
    use(parent + "/" + std::string(150, 'r'));
  }
  [[nodiscard]] const std::string& root() const { return root_; }
  [[nodiscard]] const std::string& run() const { return run_; }

 private:
  std::string root_;
  std::string run_;
};

}  // namespace baton::os::test
