// SPDX-License-Identifier: MIT
#include "os/runtime_folder.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <vector>

#include "os/runtime_fixture.hpp"

namespace baton::os {
namespace {

using test::as_user;
using test::exists;
using test::in_child;
using test::mode_of;
using test::neighbour;
using test::stranger;

int bind_error() {
  const Result<UniqueFd> folder = open_for_bind("tsap");
  return folder ? 0 : number(folder.error());
}

/// Whether the descriptor is the folder at the path.
bool is_folder(const Result<UniqueFd>& folder, const std::string& path) {
  struct stat opened{};
  struct stat named{};
  return folder && ::fstat(folder->get(), &opened) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

class RuntimeFolder : public test::RuntimeTest {
 protected:
  /// Runs in a child for which the temporary folder is the root of all files, with /run and /tmp of its own.
  template <class Action>
  bool alone(uid_t user, Action action) {
    make(root() + "/tmp", 01777);
    make(root() + "/run", 0755);
    make(root() + "/xdg", 0700, user);
    return in_child([&] {
      ASSERT_EQ(::chroot(root().c_str()), 0);
      ASSERT_EQ(::chdir("/"), 0);
      ::unsetenv("BATON_RUNTIME_DIR");
      ::setenv("XDG_RUNTIME_DIR", "/xdg", 1);
      action();
    });
  }
};

TEST_F(RuntimeFolder, IsMadePrivateWithItsSubFolder) {
  ASSERT_TRUE(in_child([&] {
    ::umask(0);
    EXPECT_TRUE(is_folder(open_for_bind("tsap"), run() + "/tsap"));
  }));
  EXPECT_EQ(mode_of(run()), 0700U);
  EXPECT_EQ(mode_of(run() + "/tsap"), 0700U);
}

TEST_F(RuntimeFolder, ASharedOneGetsSharedSubFoldersWhateverTheUmask) {
  share();
  ASSERT_TRUE(as_user(stranger, [] {
    ::umask(0077);
    EXPECT_EQ(bind_error(), 0);
  }));
  EXPECT_EQ(mode_of(run() + "/tsap"), 01777U);
  EXPECT_TRUE(as_user(neighbour, [] { EXPECT_EQ(bind_error(), 0); }));
  EXPECT_EQ(bind_error(), 0);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{run()}, {}), 1) << "a temporary name was left";
}

TEST_F(RuntimeFolder, ManyWhoMakeItAtOnceAllGetIt) {
  share();
  constexpr int subs = 100;
  const test::Signal start;
  std::vector<pid_t> children;
  for (uid_t user = neighbour; user < neighbour + 8; ++user) {
    children.push_back(test::start_child([&] {
      test::become(user);
      start.await();
      for (int sub = 0; sub < subs; ++sub) EXPECT_TRUE(open_for_bind(std::to_string(sub)).has_value()) << sub;
    }));
  }
  for (std::size_t i = 0; i < children.size(); ++i) start.give();
  for (const pid_t child : children) EXPECT_TRUE(test::ended_well(child));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{run()}, {}), subs);
}

TEST_F(RuntimeFolder, TheDescriptorIsAPathAndCloseOnExec) {
  const Result<UniqueFd> folder = open_for_bind("tsap");
  ASSERT_TRUE(folder.has_value());
  EXPECT_NE(::fcntl(folder->get(), F_GETFL) & O_PATH, 0);
  EXPECT_EQ(::fcntl(folder->get(), F_GETFD), FD_CLOEXEC);
}

/// Whether connecting would look below `root`; other places of the search may exist on the machine.
bool connects_below(const std::string& root) {
  for (const Candidate& candidate : open_for_connect("tsap"))
    if (candidate.path.starts_with(root)) return true;
  return false;
}

TEST_F(RuntimeFolder, WhatIsWrongWithTheOrderedOneIsSaid) {
  use(root() + "/no/such");
  EXPECT_EQ(bind_error(), ENOENT);
  use("/proc/self/cmdline");
  EXPECT_EQ(bind_error(), ENOTDIR);
  make(root() + "/group", 0770);
  use(root() + "/group");
  EXPECT_EQ(bind_error(), EACCES);
  make(root() + "/world", 0777);
  use(root() + "/world");
  EXPECT_EQ(bind_error(), EACCES);
  make(root() + "/foreign", 0755, stranger);
  use(root() + "/foreign");
  EXPECT_EQ(bind_error(), EACCES);
  EXPECT_FALSE(connects_below(root()));
}

/// What is said of a folder with this text in the middle, and that connecting says it of one that is there.
void expect_trouble(const std::string& text, bool connecting) {
  EXPECT_NE(trouble_of_bind("tsap").find(text), std::string::npos) << trouble_of_bind("tsap") << "\nnot: " << text;
  if (connecting)
    EXPECT_EQ(trouble_of_connect("tsap"), trouble_of_bind("tsap"));
  else
    EXPECT_EQ(trouble_of_connect("tsap").find(text), std::string::npos);
}

TEST_F(RuntimeFolder, TheTroubleNamesTheFolderAndSaysWhatToDo) {
  use(root() + "/no/such");
  expect_trouble(root() + "/no/such (BATON_RUNTIME_DIR) cannot be made: the folder above it does not exist", false);
  use("/proc");
  expect_trouble("/proc/tsap (BATON_RUNTIME_DIR) cannot be opened or made: No such file or directory", false);
  use("/proc/self/cmdline");
  expect_trouble("/proc/self/cmdline (BATON_RUNTIME_DIR) is no folder", true);
  make(root() + "/world", 0777);
  use(root() + "/world");
  expect_trouble(root() + "/world (BATON_RUNTIME_DIR) has mode 0777, so others could change", true);
  make(root() + "/foreign", 0755, stranger);
  use(root() + "/foreign");
  expect_trouble("belongs to user " + std::to_string(stranger) + ": it has to be root's, or this user's (0)", true);
  make(root() + "/open", 0755);
  use(root() + "/open");
  EXPECT_EQ(trouble_of_bind("tsap"), "");
  EXPECT_EQ(trouble_of_connect("tsap"), "");
  const std::string closed = "/open/tsap (BATON_RUNTIME_DIR) is closed to this user (" + std::to_string(stranger) + ")";
  EXPECT_TRUE(as_user(stranger, [&] { expect_trouble(closed, true); }));
  ASSERT_EQ(::chmod((root() + "/open/tsap").c_str(), 0755), 0);
  EXPECT_TRUE(as_user(stranger, [&] { expect_trouble(closed, false); }));
  ASSERT_EQ(::chmod((root() + "/open").c_str(), 0700), 0);
  EXPECT_TRUE(as_user(stranger, [&] { expect_trouble(closed, true); }));
}

TEST_F(RuntimeFolder, ARelativeOneIsRefused) {
  ASSERT_TRUE(in_child([&] {
    ASSERT_EQ(::chdir(root().c_str()), 0);
    use("run");
    EXPECT_EQ(bind_error(), EINVAL);
    expect_trouble("run (BATON_RUNTIME_DIR) is no absolute path", true);
    EXPECT_FALSE(exists("run"));
    make("run", 0700);
    make("run/tsap", 0700);
    EXPECT_FALSE(connects_below("run"));
  }));
}

TEST_F(RuntimeFolder, WhoHasNoDescriptorLeftHearsNothingOfFolders) {
  ASSERT_TRUE(in_child([] {
    const rlimit none{0, 0};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_EQ(bind_error(), EMFILE);
    EXPECT_EQ(trouble_of_bind("tsap"), "");
    EXPECT_EQ(trouble_of_connect("tsap"), "");
  }));
}

TEST_F(RuntimeFolder, ALinkToAGoodOrderedFolderIsFollowed) {
  make(root() + "/real", 0700);
  std::filesystem::create_symlink(root() + "/real", run());
  EXPECT_TRUE(is_folder(open_for_bind("tsap"), root() + "/real/tsap"));
}

TEST_F(RuntimeFolder, ALinkInPlaceOfASubFolderIsNotFollowed) {
  make(run(), 0700);
  make(root() + "/elsewhere", 0700);
  std::filesystem::create_symlink(root() + "/elsewhere", run() + "/tsap");
  EXPECT_EQ(bind_error(), ENOTDIR);
  EXPECT_FALSE(connects_below(root()));
}

TEST_F(RuntimeFolder, ASubFolderThatOthersCouldTamperWithIsRefused) {
  make(run(), 0700);
  make(run() + "/tsap", 0777);
  EXPECT_EQ(bind_error(), EACCES);
  ASSERT_EQ(::chmod((run() + "/tsap").c_str(), 0700), 0);
  EXPECT_EQ(bind_error(), 0);
  ASSERT_EQ(::chown((run() + "/tsap").c_str(), stranger, stranger), 0);
  EXPECT_EQ(bind_error(), EACCES);
}

TEST_F(RuntimeFolder, InASharedOneASubFolderNeedsTheStickyBit) {
  share();
  make(run() + "/tsap", 0777, stranger);
  EXPECT_EQ(bind_error(), EACCES);
  ASSERT_EQ(::chmod((run() + "/tsap").c_str(), 01777), 0);
  EXPECT_EQ(bind_error(), 0);
}

TEST_F(RuntimeFolder, WorksWhereThePathIsVeryLong) {
  use_long_path();
  EXPECT_TRUE(is_folder(open_for_bind("tsap"), run() + "/tsap"));
  const std::vector<Candidate> candidates = open_for_connect("tsap");
  ASSERT_FALSE(candidates.empty());
  EXPECT_EQ(candidates.front().path, run() + "/tsap");
}

TEST_F(RuntimeFolder, ConnectingMakesNothing) {
  EXPECT_TRUE(alone(0, [] {
    ::setenv("BATON_RUNTIME_DIR", "/ordered", 1);
    EXPECT_TRUE(open_for_connect("tsap").empty());
    EXPECT_FALSE(exists("/ordered"));
    EXPECT_FALSE(exists("/xdg/baton"));
    EXPECT_FALSE(exists("/tmp/baton-0"));
  }));
}

TEST_F(RuntimeFolder, BindingTakesTheFirstOfTheSearch) {
  EXPECT_TRUE(alone(stranger, [] {
    make("/run/baton", 01777);
    make("/ordered", 01777);
    test::become(stranger);
    ::setenv("BATON_RUNTIME_DIR", "/ordered", 1);
    EXPECT_TRUE(is_folder(open_for_bind("tsap"), "/ordered/tsap"));
    ::setenv("BATON_RUNTIME_DIR", "", 1);
    EXPECT_TRUE(is_folder(open_for_bind("tsap"), "/run/baton/tsap"));
    EXPECT_FALSE(exists("/xdg/baton"));
  }));
}

TEST_F(RuntimeFolder, ASystemFolderOfAnotherModeOrOwnerIsNone) {
  EXPECT_TRUE(alone(stranger, [] {
    make("/run/baton", 0755);
    EXPECT_TRUE(as_user(stranger, [] { EXPECT_TRUE(is_folder(open_for_bind("a"), "/xdg/baton/a")); }));
    EXPECT_EQ(::chmod("/run/baton", 01777), 0);
    EXPECT_TRUE(as_user(stranger, [] { EXPECT_TRUE(is_folder(open_for_bind("b"), "/run/baton/b")); }));
    EXPECT_EQ(::chown("/run/baton", neighbour, neighbour), 0);
    EXPECT_TRUE(as_user(stranger, [] { EXPECT_TRUE(is_folder(open_for_bind("c"), "/xdg/baton/c")); }));
    EXPECT_EQ(mode_of("/xdg/baton"), 0700U);
  }));
}

TEST_F(RuntimeFolder, AnotherUsersRuntimeDirectoryIsPassedOver) {
  EXPECT_TRUE(alone(neighbour, [] {
    EXPECT_TRUE(is_folder(open_for_bind("tsap"), "/tmp/baton-0/tsap"));
    ::setenv("XDG_RUNTIME_DIR", "xdg", 1);
    EXPECT_TRUE(as_user(neighbour, [] { EXPECT_TRUE(is_folder(open_for_bind("tsap"), "/tmp/baton-64001/tsap")); }));
    EXPECT_EQ(mode_of("/tmp/baton-64001"), 0700U);
  }));
}

TEST_F(RuntimeFolder, ThePlaceInTmpMustBeOursAndClosed) {
  EXPECT_TRUE(alone(neighbour, [] {
    make("/elsewhere", 0700);
    std::filesystem::create_symlink("/elsewhere", "/tmp/baton-0");
    EXPECT_EQ(bind_error(), ENOTDIR);
    EXPECT_EQ(::unlink("/tmp/baton-0"), 0);
    make("/tmp/baton-0", 0750);
    EXPECT_EQ(bind_error(), EACCES);
    EXPECT_EQ(::chmod("/tmp/baton-0", 0700), 0);
    EXPECT_EQ(bind_error(), 0);
    EXPECT_EQ(::chown("/tmp/baton-0", stranger, stranger), 0);
    EXPECT_EQ(bind_error(), EACCES);
  }));
}

TEST_F(RuntimeFolder, ConnectingLooksIntoAllThatExistInOrder) {
  EXPECT_TRUE(alone(0, [] {
    make("/run/baton", 01777);
    for (const char* parent : {"/ordered", "/xdg/baton", "/tmp/baton-0"}) make(parent, 0700);
    for (const char* folder : {"/ordered/tsap", "/run/baton/tsap", "/xdg/baton/tsap", "/tmp/baton-0/tsap"})
      make(folder, 0700);
    ::setenv("BATON_RUNTIME_DIR", "/ordered", 1);
    std::string seen;
    for (const Candidate& candidate : open_for_connect("tsap")) {
      EXPECT_TRUE(candidate.folder.valid());
      seen += candidate.path + " ";
    }
    EXPECT_EQ(seen, "/ordered/tsap /run/baton/tsap /xdg/baton/tsap /tmp/baton-0/tsap ");
    EXPECT_EQ(::rmdir("/xdg/baton/tsap"), 0);
    EXPECT_EQ(open_for_connect("tsap").size(), 3U);
  }));
}

TEST_F(RuntimeFolder, TheSearchIsDescribedWithEveryFolder) {
  ::setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
  EXPECT_EQ(described_search(), run() + ", /run/baton, /run/user/0/baton, /tmp/baton-0");
  ::unsetenv("XDG_RUNTIME_DIR");
  ::unsetenv("BATON_RUNTIME_DIR");
  EXPECT_EQ(described_search(), "/run/baton, /tmp/baton-0");
}

TEST_F(RuntimeFolder, NoDescriptorIsLeftBehind) {
  const std::size_t before = test::open_descriptors();
  EXPECT_EQ(bind_error(), 0);
  (void)open_for_connect("tsap");
  use("/proc/self/cmdline");
  EXPECT_EQ(bind_error(), ENOTDIR);
  EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace baton::os
