// SPDX-License-Identifier: MIT
#include "link/registry.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

#include "os/named_socket.hpp"
#include "os/runtime_fixture.hpp"
#include "os/runtime_folder.hpp"
#include "os/socket.hpp"

namespace baton::link {
namespace {

using namespace std::string_literals;
using os::test::as_user;
using os::test::exists;
using os::test::in_child;
using os::test::mode_of;
using os::test::neighbour;
using os::test::Signal;
using os::test::stranger;

tsap::Selector selector(std::string_view text) { return tsap::Selector::from_text(text).value(); }

int claim_error(std::string_view name) {
  const auto claimed = claim(selector(name));
  return claimed ? 0 : os::number(claimed.error());
}

int connect_error(std::string_view name) {
  const auto link = connect_to(selector(name), true);
  return link ? 0 : os::number(link.error());
}

/// A claimed name that listens.
struct Listener {
  BoundName name;
  UniqueFd socket;
};
Listener listen_as(std::string_view text, int backlog = 8) {
  auto name = claim(selector(text));
  if (!name) throw std::runtime_error{"claim: errno " + std::to_string(os::number(name.error()))};
  auto socket = name->listen(backlog);
  if (!socket) throw std::runtime_error{"listen: errno " + std::to_string(os::number(socket.error()))};
  return {std::move(*name), std::move(*socket)};
}

/// Whether a connection to the name arrives at this listener.
bool reaches(std::string_view text, const UniqueFd& listener) {
  const auto link = connect_to(selector(text), true);
  const UniqueFd accepted{adopt, ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!link || !accepted.valid()) return false;
  char octet = 0;
  return ::send(link->get(), "x", 1, MSG_NOSIGNAL) == 1 && ::recv(accepted.get(), &octet, 1, 0) == 1 && octet == 'x';
}

class Registry : public os::test::RuntimeTest {
 protected:
  [[nodiscard]] std::string path(std::string_view text) const { return run() + "/tsap/" + selector(text).hex(); }
  [[nodiscard]] std::string lock_path(std::string_view text) const { return path(text) + ".lock"; }
  /// A shared runtime folder with its sub-folder.
  void share_names() {
    share();
    make(run() + "/tsap", 01777);
  }
};

TEST_F(Registry, ANameHasOneHolder) {
  {
    const auto first = claim(selector("S"));
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->selector(), selector("S"));
    EXPECT_EQ(claim_error("S"), EADDRINUSE);
    EXPECT_TRUE(in_child([] { EXPECT_EQ(claim_error("S"), EADDRINUSE); }));
    EXPECT_EQ(claim_error("T"), 0);
  }
  EXPECT_EQ(claim_error("S"), 0);
}

TEST_F(Registry, NothingIsLeftOfANameThatWasGivenBack) {
  const std::size_t before = os::test::open_descriptors();
  {
    const Listener listener = listen_as("S");
    EXPECT_TRUE(exists(path("S")));
    EXPECT_TRUE(exists(lock_path("S")));
  }
  EXPECT_TRUE(std::filesystem::is_empty(run() + "/tsap"));
  EXPECT_EQ(connect_error("S"), ECONNREFUSED);
  EXPECT_EQ(os::test::open_descriptors(), before);
}

TEST_F(Registry, OnlyAListeningNameIsConnectedTo) {
  EXPECT_EQ(connect_error("S"), ECONNREFUSED);
  auto name = claim(selector("S"));
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(connect_error("S"), ECONNREFUSED);
  auto socket = name->listen(1);
  ASSERT_TRUE(socket.has_value());
  EXPECT_TRUE(reaches("S", *socket));
  socket->reset();
  EXPECT_EQ(connect_error("S"), ECONNREFUSED);
  const auto again = name->listen(1);
  ASSERT_TRUE(again.has_value());
  EXPECT_TRUE(reaches("S", *again));
}

TEST_F(Registry, AnyOctetsAreAName) {
  const std::vector<std::string> names{"\0"s,
                                       "\0\0"s,
                                       "/"s,
                                       "."s,
                                       ".."s,
                                       "a/b"s,
                                       "\n "s,
                                       "~1.1"s,
                                       "S.lock"s,
                                       std::string(32, '\xff'),
                                       std::string(32, '\0'),
                                       "\x01"s,
                                       "\x10"s};
  std::vector<Listener> listeners;
  for (const std::string& name : names) listeners.push_back(listen_as(name));
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_TRUE(reaches(names[i], listeners[i].socket)) << selector(names[i]).printable();
}

TEST_F(Registry, AnEmptySelectorTakesAFreeReadableName) {
  std::vector<BoundName> names;
  std::set<tsap::Selector> selectors;
  for (int i = 0; i < 10; ++i) {
    auto name = claim({});
    ASSERT_TRUE(name.has_value());
    EXPECT_TRUE(as_text(name->selector().octets()).starts_with("~" + std::to_string(::getpid()) + "."));
    selectors.insert(name->selector());
    names.push_back(std::move(*name));
  }
  EXPECT_EQ(selectors.size(), 10U);
  const auto socket = names.front().listen(1);
  ASSERT_TRUE(socket.has_value());
  EXPECT_TRUE(reaches(as_text(names.front().selector().octets()), *socket));
}

TEST_F(Registry, AGeneratedNameThatIsTakenIsPassedOver) {
  const auto first = claim({});
  ASSERT_TRUE(first.has_value());
  const std::string text{as_text(first->selector().octets())};
  const std::size_t dot = text.find('.') + 1;
  const std::string next = text.substr(0, dot) + std::to_string(std::stoi(text.substr(dot)) + 1);
  const auto taken = claim(selector(next));
  ASSERT_TRUE(taken.has_value());
  const auto second = claim({});
  ASSERT_TRUE(second.has_value());
  EXPECT_NE(second->selector(), selector(next));
}

TEST_F(Registry, AnEmptySelectorIsNobody) { EXPECT_EQ(connect_error(""), ECONNREFUSED); }

TEST_F(Registry, WorksWhereThePathIsVeryLong) {
  use_long_path();
  const std::string longest(32, '\xff');
  const Listener listener = listen_as(longest);
  EXPECT_TRUE(reaches(longest, listener.socket));
}

TEST_F(Registry, TheListeningSocketIsNonBlockingCloseOnExecAndPrivate) {
  ASSERT_TRUE(in_child([&] {
    ::umask(0);
    const Listener listener = listen_as("S");
    EXPECT_NE(::fcntl(listener.socket.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(listener.socket.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(os::kind(listener.socket.ref()), (os::SocketKind{AF_UNIX, SOCK_SEQPACKET, 0}));
    EXPECT_EQ(mode_of(path("S")), 0600U);
    EXPECT_EQ(mode_of(lock_path("S")), 0600U);
  }));
}

TEST_F(Registry, AListOfUsersOpensTheSocketWhateverTheUmask) {
  ::setenv("BATON_ALLOW_UIDS", "65534", 1);
  ASSERT_TRUE(in_child([&] {
    ::umask(0077);
    const Listener listener = listen_as("S");
    EXPECT_EQ(mode_of(path("S")), 0666U);
    EXPECT_EQ(mode_of(lock_path("S")), 0600U);
  }));
}

TEST_F(Registry, AFullBacklogIsSaidAndNeverWaitedFor) {
  const Listener listener = listen_as("S", 0);
  const auto first = connect_to(selector("S"), false);
  ASSERT_TRUE(first.has_value());
  for (const bool nonblocking : {false, true}) {
    const auto link = connect_to(selector("S"), nonblocking);
    ASSERT_FALSE(link.has_value());
    EXPECT_EQ(os::number(link.error()), EAGAIN);
  }
}

TEST_F(Registry, TheLinkHasTheModeThatWasAskedFor) {
  const Listener listener = listen_as("S");
  for (const bool nonblocking : {false, true}) {
    const auto link = connect_to(selector("S"), nonblocking);
    ASSERT_TRUE(link.has_value());
    EXPECT_EQ((::fcntl(link->get(), F_GETFL) & O_NONBLOCK) != 0, nonblocking);
    EXPECT_EQ(::fcntl(link->get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST_F(Registry, ConnectingLooksIntoEveryFolder) {
  const Listener listener = listen_as("S");
  make(root() + "/first", 0700);
  make(root() + "/xdg", 0700);
  std::filesystem::rename(run(), root() + "/xdg/baton");
  ::setenv("BATON_RUNTIME_DIR", (root() + "/first").c_str(), 1);
  ::setenv("XDG_RUNTIME_DIR", (root() + "/xdg").c_str(), 1);
  EXPECT_TRUE(reaches("S", listener.socket));
}

TEST_F(Registry, AKilledHolderLeavesANameThatCanBeTaken) {
  Signal ready;
  const pid_t holder = os::test::start_child([&] {
    const Listener listener = listen_as("S");
    ready.give();
    ::pause();
  });
  ready.await();
  EXPECT_EQ(claim_error("S"), EADDRINUSE);
  ::kill(holder, SIGKILL);
  EXPECT_FALSE(os::test::ended_well(holder));
  EXPECT_TRUE(exists(path("S")));
  EXPECT_EQ(connect_error("S"), ECONNREFUSED);
  const Listener listener = listen_as("S");
  EXPECT_TRUE(reaches("S", listener.socket));
}

TEST_F(Registry, AForkedChildGivesNothingBack) {
  Listener listener = listen_as("S");
  EXPECT_TRUE(in_child([&] {
    const std::size_t before = os::test::open_descriptors();
    {
      const BoundName inherited = std::move(listener.name);
    }
    EXPECT_EQ(os::test::open_descriptors(), before - 2);
  }));
  EXPECT_TRUE(reaches("S", listener.socket));
  EXPECT_EQ(claim_error("S"), EADDRINUSE);
}

TEST_F(Registry, ANameGivenBackIsFreeThoughAChildInheritedIt) {
  Signal done;
  std::optional<Listener> listener{listen_as("S")};
  const pid_t child = os::test::start_child([&] { done.await(); });
  listener.reset();
  const Listener next = listen_as("S");
  EXPECT_TRUE(reaches("S", next.socket));
  done.give();
  EXPECT_TRUE(os::test::ended_well(child));
}

TEST_F(Registry, AssignmentGivesTheOldNameBack) {
  auto name = claim(selector("OLD"));
  auto other = claim(selector("NEW"));
  ASSERT_TRUE(name.has_value() && other.has_value());
  *name = std::move(*other);
  EXPECT_EQ(name->selector(), selector("NEW"));
  EXPECT_EQ(claim_error("OLD"), 0);
  EXPECT_EQ(claim_error("NEW"), EADDRINUSE);
}

TEST_F(Registry, AStrangerIsNotAdmitted) {
  share_names();
  const Listener listener = listen_as("S");
  EXPECT_TRUE(as_user(stranger, [] { EXPECT_EQ(connect_error("S"), EACCES); }));
  EXPECT_TRUE(reaches("S", listener.socket));
}

TEST_F(Registry, AListAdmitsAUserToRoot) {
  share_names();
  ::setenv("BATON_ALLOW_UIDS", "65534", 1);
  const Listener listener = listen_as("S");
  ::unsetenv("BATON_ALLOW_UIDS");
  EXPECT_TRUE(as_user(stranger, [] { EXPECT_EQ(connect_error("S"), 0); }));
}

TEST_F(Registry, RootConnectsOnlyToWhomTheListNames) {
  share_names();
  Signal ready;
  Signal done;
  const pid_t holder = os::test::start_child([&] {
    os::test::become(stranger);
    const Listener listener = listen_as("S");
    ready.give();
    done.await();
  });
  ready.await();
  EXPECT_EQ(connect_error("S"), EACCES);
  EXPECT_TRUE(as_user(neighbour, [] { EXPECT_EQ(connect_error("S"), EACCES); }));
  ::setenv("BATON_ALLOW_UIDS", "1,65534", 1);
  EXPECT_EQ(connect_error("S"), 0);
  done.give();
  EXPECT_TRUE(os::test::ended_well(holder));
}

TEST_F(Registry, TheListenerItselfIsAskedForAndNotOnlyItsFile) {
  share_names();
  Signal ready;
  Signal done;
  const pid_t holder = os::test::start_child([&] {
    const auto folder = os::open_for_bind("tsap");
    const auto socket = os::unix_seqpacket(true);
    EXPECT_TRUE(os::bind_at(socket->ref(), folder->ref(), selector("S").hex().c_str(), 0600).has_value());
    os::test::become(stranger);  // the file is root's, the listener is not
    EXPECT_TRUE(os::listen_on(socket->ref(), 8).has_value());
    ready.give();
    done.await();
  });
  ready.await();
  EXPECT_EQ(connect_error("S"), EACCES);
  done.give();
  EXPECT_TRUE(os::test::ended_well(holder));
}

TEST_F(Registry, AForeignLockMeansTaken) {
  share_names();
  for (const auto& [owner, other] : {std::pair{stranger, uid_t{0}}, {uid_t{0}, stranger}, {stranger, neighbour}}) {
    EXPECT_TRUE(as_user(owner, [this] { EXPECT_GE(::open(lock_path("S").c_str(), O_CREAT | O_RDWR, 0666), 0); }));
    EXPECT_TRUE(as_user(other, [] { EXPECT_EQ(claim_error("S"), EADDRINUSE); })) << owner << " " << other;
    EXPECT_EQ(::unlink(lock_path("S").c_str()), 0);
  }
}

TEST_F(Registry, AForeignSocketThatCannotBeRemovedMeansTaken) {
  share_names();
  const auto folder = os::open_for_bind("tsap");
  const auto socket = os::unix_seqpacket(true);
  ASSERT_TRUE(os::bind_at(socket->ref(), folder->ref(), selector("S").hex().c_str(), 0600).has_value());
  EXPECT_TRUE(as_user(stranger, [this] {
    EXPECT_EQ(claim_error("S"), EADDRINUSE);
    EXPECT_FALSE(exists(lock_path("S"))) << "a claim that failed left its lock file";
    auto name = claim(selector("T"));
    ASSERT_TRUE(name.has_value());
  }));
}

TEST_F(Registry, WhatComesBetweenClaimAndListenMeansTaken) {
  auto name = claim(selector("S"));
  ASSERT_TRUE(name.has_value());
  make(path("S"), 0700);
  const auto socket = name->listen(1);
  ASSERT_FALSE(socket.has_value());
  EXPECT_EQ(os::number(socket.error()), EADDRINUSE);
}

TEST_F(Registry, AFolderThatMayNotBeWrittenIsSaidAsSuch) {
  make(run(), 0755);
  make(run() + "/tsap", 0755);
  EXPECT_TRUE(as_user(stranger, [] { EXPECT_EQ(claim_error("S"), EACCES); }));
}

TEST_F(Registry, WhatIsNoLockFileMeansTakenAndIsNotFollowed) {
  make(run(), 0700);
  make(run() + "/tsap", 0700);
  std::filesystem::create_symlink(root() + "/target", lock_path("S"));
  EXPECT_EQ(claim_error("S"), EADDRINUSE);
  EXPECT_FALSE(exists(root() + "/target"));
  ASSERT_EQ(::mkfifo(lock_path("FIFO").c_str(), 0600), 0);
  EXPECT_EQ(claim_error("FIFO"), EADDRINUSE);
  make(lock_path("FOLDER"), 0700);
  EXPECT_EQ(claim_error("FOLDER"), EADDRINUSE);
}

TEST_F(Registry, ALinkInPlaceOfANameIsNotFollowed) {
  const Listener listener = listen_as("REAL");
  std::filesystem::create_symlink(path("REAL"), path("S"));
  EXPECT_EQ(connect_error("S"), ECONNREFUSED);
  EXPECT_TRUE(reaches("REAL", listener.socket));
  const Listener over = listen_as("S");
  EXPECT_TRUE(reaches("S", over.socket));
  EXPECT_TRUE(reaches("REAL", listener.socket));
}

TEST_F(Registry, ASocketOfAnotherTypeIsNobody) {
  const auto folder = os::open_for_bind("tsap");
  const UniqueFd stream{adopt, ::socket(AF_UNIX, SOCK_STREAM, 0)};
  ASSERT_TRUE(os::bind_at(stream.ref(), folder->ref(), selector("S").hex().c_str(), 0600).has_value());
  ASSERT_TRUE(os::listen_on(stream.ref(), 1).has_value());
  EXPECT_EQ(connect_error("S"), ECONNREFUSED);
}

TEST_F(Registry, AFolderPutInPlaceOfOursIsNotTouched) {
  std::optional<Listener> listener{listen_as("S")};
  std::filesystem::rename(run(), root() + "/moved");
  make(run(), 0700);
  make(run() + "/tsap", 0700);
  const Listener other = listen_as("S");
  listener.reset();
  EXPECT_TRUE(std::filesystem::is_empty(root() + "/moved/tsap"));
  EXPECT_TRUE(reaches("S", other.socket));
}

TEST_F(Registry, ALockOnARemovedFileProtectsNothing) {
  const auto former = claim(selector("S"));
  ASSERT_TRUE(former.has_value());
  ASSERT_EQ(::unlink(lock_path("S").c_str()), 0);
  const auto next = claim(selector("S"));
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(claim_error("S"), EADDRINUSE);
}

TEST_F(Registry, AmongManyWhoClaimAndGiveBackThereIsNeverASecondHolder) {
  const std::string inside = root() + "/inside";
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    children.push_back(os::test::start_child([&] {
      for (int held = 0; held < 200;) {
        const auto name = claim(selector("S"));
        if (!name) {
          ASSERT_EQ(os::number(name.error()), EADDRINUSE);
          continue;
        }
        ++held;
        const UniqueFd only{adopt, ::open(inside.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
        ASSERT_TRUE(only.valid()) << "two holders";
        ASSERT_EQ(::unlink(inside.c_str()), 0);
      }
    }));
  }
  for (const pid_t child : children) EXPECT_TRUE(os::test::ended_well(child));
}

TEST_F(Registry, FailuresLeaveNoDescriptorBehind) {
  share_names();
  const Listener listener = listen_as("S", 0);
  const auto link = connect_to(selector("S"), true);
  const std::size_t before = os::test::open_descriptors();
  EXPECT_EQ(claim_error("S"), EADDRINUSE);
  EXPECT_EQ(connect_error("S"), EAGAIN);
  EXPECT_EQ(connect_error("NONE"), ECONNREFUSED);
  EXPECT_EQ(os::test::open_descriptors(), before);
}

TEST_F(Registry, ItsDescriptorsAreNotPutInThePlaceOfStandardInput) {
  EXPECT_TRUE(in_child([] {
    ::close(STDIN_FILENO);
    const auto name = claim(selector("S"));
    EXPECT_TRUE(name.has_value());
    EXPECT_EQ(::fcntl(STDIN_FILENO, F_GETFD), -1);
  }));
}

}  // namespace
}  // namespace baton::link
