// SPDX-License-Identifier: MIT
// Another user of the host: names, folders, files, and links that the user may not have. The test changes users.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "flood.hpp"
#include "hostile.hpp"
#include "os/process.hpp"
#include "os/runtime_folder.hpp"
#include "os/status_query.hpp"

namespace baton::system_tests {
namespace {

constexpr uid_t victim = 65'501;
constexpr uid_t stranger = 65'502;
constexpr uid_t third = 65'503;

/// A runtime folder that all users share, and the victim's server at "S".
class HostileUser : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "this test changes users: run it as root";
    ASSERT_EQ(::chmod(folder_.path().c_str(), 01777), 0);
  }
  void TearDown() override { ::unsetenv("BATON_ALLOW_UIDS"); }
  void start_server() {
    server_.emplace(victim);
    listening_ = server_->call([] { return listen_iso("S"); }).value;
    ASSERT_GE(listening_, 0);
  }
  /// A link of the victim's own to its server.
  void expect_works() {
    Agent honest{victim};
    auto connecting = honest.start([] { return connect_iso("S"); });
    EXPECT_GE(server_->call([listening = listening_] { return accept_iso(listening); }).value, 0);
    EXPECT_GE(connecting.get().value, 0);
  }
  static Reply<int> try_connect(Agent& agent, std::string_view tsel = "S") {
    char name[8] = {};
    tsel.copy(name, sizeof name - 1);
    return agent.call([=] {
      const int number = named_iso();
      const sockaddr_iso address = iso_address(name);
      return number < 0 ? -2 : soc_connect(number, &address, sizeof address);
    });
  }
  [[nodiscard]] std::string path_of(std::string_view file) const {
    return folder_.path() + "/tsap/" + std::string{file};
  }

  test::RuntimeDir folder_;
  std::optional<Agent> server_;
  int listening_ = -1;
};

/// What an agent has to do with a path: a copy that an order can carry.
struct Path {
  char text[256] = {};
  explicit Path(const std::string& path) { path.copy(text, sizeof text - 1); }
};

TEST_F(HostileUser, CannotConnectRemoveRenameOrReplace) {
  start_server();
  Agent other{stranger};
  const Path socket{path_of("53")};
  const Path lock{path_of("53.lock")};
  const Path elsewhere{path_of("45")};
  EXPECT_EQ(try_connect(other).error, EACCES);
  const auto raw = other.call([=] {
    const int made = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket.text, sizeof address.sun_path - 1);
    return ::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  });
  EXPECT_EQ(raw.error, EACCES);
  for (const Path& each : {socket, lock}) {
    EXPECT_EQ(other.call([=] { return ::unlink(each.text); }).error, EPERM);
    EXPECT_EQ(other.call([=] { return ::rename(each.text, elsewhere.text); }).error, EPERM);
    EXPECT_EQ(other.call([=] { return ::chmod(each.text, 0777); }).error, EPERM);
    EXPECT_EQ(other.call([=] { return ::open(each.text, O_RDWR | O_CLOEXEC); }).value, -1);
    EXPECT_EQ(other.call([=] { return ::open(each.text, O_RDONLY | O_CLOEXEC); }).value, -1);  // no flock either
  }
  EXPECT_EQ(other.call([] { return listen_iso("S"); }).error, EADDRINUSE);
  expect_works();
}

TEST_F(HostileUser, ThatTakesANameFirstIsNotTakenForItsOwner) {
  Agent squatter{stranger};
  const int listening = squatter.call([] { return listen_iso("S"); }).value;
  ASSERT_GE(listening, 0);
  // The name is the stranger's: the victim's server hears so, and its clients do not connect.
  Agent owner{victim};
  EXPECT_EQ(owner.call([] { return listen_iso("S"); }).error, EADDRINUSE);
  EXPECT_EQ(try_connect(owner).error, EACCES);
  Agent root;
  EXPECT_EQ(try_connect(root).error, EACCES);
  // Nobody has even knocked.
  const auto waiting = squatter.call([=] {
    pollfd entry{listening, POLLIN, 0};
    return soc_poll_ms(&entry, 1, 0);
  });
  EXPECT_EQ(waiting.value, 0);
}

TEST_F(HostileUser, ThatIsNotOnTheListIsNotReadFrom) {
  // With a list the file is open to all, and only the kernel's word on the peer decides.
  ::setenv("BATON_ALLOW_UIDS", "65502", 1);
  start_server();
  Agent uninvited{third};
  const Path socket{path_of("53")};
  const auto answer = [&](Agent& agent) {
    return agent.start([=] {
      RawPeer peer{UniqueFd{adopt, ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)}};
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      std::memcpy(address.sun_path, socket.text, sizeof address.sun_path - 1);
      if (::connect(peer.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
      peer.request();
      return static_cast<int>(peer.receive().size());
    });
  };
  auto refused = answer(uninvited);
  uninvited.await_blocked();
  const auto nobody = server_->call([listening = listening_] {
    pollfd entry{listening, POLLIN, 0};
    return soc_poll_ms(&entry, 1, 0);
  });
  EXPECT_EQ(nobody.value, 0);
  EXPECT_EQ(refused.get().value, 0);  // the end, and not a word
  // Who is invited gets a CC.
  Agent guest{stranger};
  auto welcome = answer(guest);
  EXPECT_GE(server_->call([listening = listening_] { return accept_iso(listening); }).value, 0);
  EXPECT_GT(welcome.get().value, 0);
}

TEST_F(HostileUser, ThatIsNotOnTheListAndConnectsAgainAndAgainHoldsUpNobody) {
  ::setenv("BATON_ALLOW_UIDS", "65502", 1);
  start_server();
  const Flood one{path_of("53"), third};
  const Flood other{path_of("53"), third};
  for (int i = 0; i < 20; ++i) {
    auto polling = server_->start([listening = listening_] {
      pollfd entry{listening, POLLIN, 0};
      return soc_poll_ms(&entry, 1, 10);
    });
    ASSERT_TRUE(polling.done(10'000));
    EXPECT_EQ(polling.get().value, 0);
  }
  expect_works();
}

TEST_F(HostileUser, ThatOwnsTheFolderOfNamesCannotSendAClientToAnotherTsap) {
  // The stranger came first and made the folder: nothing in it is safe from being renamed.
  Agent first{stranger};
  ASSERT_GE(first.call([] { return named_iso(); }).value, 0);
  start_server();
  ASSERT_GE(server_->call([] { return listen_iso("E"); }).value, 0);
  const Path target{path_of("53")};
  const Path other{path_of("45")};
  EXPECT_EQ(first.call([=] { return ::rename(target.text, other.text); }).value, 0);
  Agent honest{victim};
  auto connecting = honest.start([] {
    const int number = named_iso();
    const sockaddr_iso address = iso_address("E");
    return soc_connect(number, &address, sizeof address);
  });
  honest.await_blocked();
  const auto nobody = server_->call([listening = listening_] {
    pollfd entry{listening, POLLIN, 0};
    return soc_poll_ms(&entry, 1, 0);
  });
  EXPECT_EQ(nobody.value, 0);
  EXPECT_EQ(connecting.get().error, ECONNREFUSED);
}

TEST_F(HostileUser, ThatWidensTheFolderOfNamesHasItRefused) {
  Agent first{stranger};
  ASSERT_GE(first.call([] { return named_iso(); }).value, 0);
  ASSERT_EQ(::chmod((folder_.path() + "/tsap").c_str(), 0777), 0);
  Agent owner{victim};
  EXPECT_EQ(owner.call([] { return listen_iso("S"); }).error, EACCES);
  EXPECT_EQ(try_connect(owner).value, -2);
}

TEST_F(HostileUser, CannotLeadTheRuntimeFolderElsewhere) {
  std::filesystem::create_directory(folder_.path() + "/victims");
  ASSERT_EQ(::chown((folder_.path() + "/victims").c_str(), victim, victim), 0);
  std::filesystem::create_directory_symlink(folder_.path() + "/victims", folder_.path() + "/tsap");
  ASSERT_EQ(::lchown((folder_.path() + "/tsap").c_str(), stranger, stranger), 0);
  Agent owner{victim};
  EXPECT_EQ(owner.call([] { return listen_iso("S"); }).error, ENOTDIR);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/victims"));
}

TEST_F(HostileUser, CannotPlantALinkForALockOrASocket) {
  Agent first{stranger};
  ASSERT_GE(first.call([] { return named_iso(); }).value, 0);
  const Path precious{folder_.path() + "/precious"};
  Agent owner{victim};
  ASSERT_GE(owner.call([=] { return ::open(precious.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); }).value, 0);
  const Path lock{path_of("53.lock")};
  const Path socket{path_of("45")};
  EXPECT_EQ(
      first.call([=] { return ::symlink(precious.text, lock.text) | ::symlink(precious.text, socket.text); }).value, 0);
  EXPECT_EQ(owner.call([] { return listen_iso("S"); }).error, EADDRINUSE);
  EXPECT_EQ(owner.call([] { return listen_iso("E"); }).error, EADDRINUSE);
  EXPECT_EQ(try_connect(owner, "E").error, ECONNREFUSED);
  EXPECT_TRUE(std::filesystem::exists(precious.text));
}

TEST_F(HostileUser, CannotAskForTheStatusNorTakeItsPlace) {
  // A third user has made the folder, so that of the two nobody owns it.
  Agent first{third};
  EXPECT_EQ(first.call([] { return soc_status(1); }).value, 0);
  start_server();
  EXPECT_EQ(server_->call([] { return soc_status(1); }).value, 0);
  const pid_t process = server_->pid();
  const auto ask = [process] {
    const auto folder = os::open_existing(os::Place::Environment, "status");
    if (!folder) return -1;
    const auto document =
        os::ask_status(folder->ref(), std::to_string(process).c_str(), os::monotonic_now() + std::chrono::seconds{10});
    return document ? 0 : os::number(document.error());
  };
  Agent other{stranger};
  EXPECT_EQ(other.call(ask).value, EACCES);
  Agent own{victim};
  EXPECT_EQ(own.call(ask).value, 0);
  const Path place{folder_.path() + "/status/" + std::to_string(own.pid())};
  EXPECT_GE(other.call([=] { return ::open(place.text, O_WRONLY | O_CREAT | O_CLOEXEC, 0666); }).value, 0);
  EXPECT_EQ(own.call([] { return soc_status(1); }).error, EADDRINUSE);
}

TEST_F(HostileUser, CannotPlantALinkForATrace) {
  Agent owner{victim};
  const Path precious{folder_.path() + "/precious"};
  owner.call([=] { return ::close(::open(precious.text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); });
  const std::string symbolic = folder_.path() + "/symbolic";
  const std::string hard = folder_.path() + "/hard";
  const std::string strangers = folder_.path() + "/strangers";
  std::filesystem::create_symlink(precious.text, symbolic);
  std::filesystem::create_hard_link(precious.text, hard);
  std::ofstream{strangers}.flush();
  ASSERT_EQ(::chown(strangers.c_str(), stranger, stranger), 0);
  ASSERT_EQ(::chmod(strangers.c_str(), 0666), 0);
  const std::string own = folder_.path() + "/own";
  for (const std::string& file : {symbolic, hard, strangers, own}) {
    ::setenv("BATON_TRACE", file.c_str(), 1);
    Agent traced{victim};
    ::unsetenv("BATON_TRACE");
    const int listening = traced.call([] { return listen_iso("T"); }).value;
    auto made = traced.call([=] {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(connect_iso("T") >= 0 ? 0 : 1);
      const int link = accept_iso(listening);
      char octet = 0;
      return static_cast<int>(soc_recv(link, &octet, 1, 0));  // to the end of the link, which is traced
    });
    EXPECT_EQ(made.error, ECONNRESET);
  }
  EXPECT_EQ(std::filesystem::file_size(precious.text), 0U);
  EXPECT_EQ(std::filesystem::file_size(strangers), 0U);
  EXPECT_GT(std::filesystem::file_size(own), 0U);
}

TEST_F(HostileUser, CannotBeTheFarEndOfALinkThatMoves) {
  // An admitted listener passes on a link whose other end is a user's that this server does not admit.
  start_server();
  Agent far{third};
  struct Pair {
    int numbers[2];
  };
  const Pair pair = far.call([] {
                         Pair made{};
                         ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, made.numbers);
                         return made;
                       })
                        .value;
  const auto process = os::open_pidfd(far.pid());
  ASSERT_TRUE(process.has_value());
  const UniqueFd end{adopt, static_cast<int>(::syscall(SYS_pidfd_getfd, process->get(), pair.numbers[0], 0))};
  ASSERT_TRUE(end.valid()) << std::strerror(errno);
  RawPeer root{folder_.path(), "S"};
  root.request();
  const int link = server_->call([listening = listening_] { return accept_iso(listening); }).value;
  EXPECT_FALSE(root.receive().empty());
  EXPECT_TRUE(root.send(hello_frame()));
  EXPECT_TRUE(root.send(offer_frame(1)));
  const Step seen = server_->call([=] { return receive_offer(link); }).value;
  EXPECT_STEP(server_->call([=] { return answer(link, seen.header, 0); }).value);
  const auto image = local_image();
  handoff::CallItem item = described(end.get(), handoff::Family::Iso);
  item.iso_image = static_cast<std::uint32_t>(image.size());
  EXPECT_TRUE(root.send(call_frame_of(1, false, {&item, 1}, image), end.get()));
  EXPECT_ERRNO(EPROTO, server_->call([=] { return take(link, seen.header); }).value);
  EXPECT_EQ(outcome_in(root.receive_frame(5)), handoff::TakeOutcome::WrongKind);
}

}  // namespace
}  // namespace baton::system_tests
