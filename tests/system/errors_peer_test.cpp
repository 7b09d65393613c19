// SPDX-License-Identifier: MIT
// Peers that break the protocol, and peers of other users: neither harms the other links of the process.
#include <sys/stat.h>
#include <unistd.h>

#include <fcntl.h>

#include <memory>
#include <random>

#include "parties.hpp"
#include "raw_peer.hpp"

namespace baton::system_tests {
namespace {

class Garbage : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    remember_descriptors();
  }
  void TearDown() override { expect_unharmed(); }

  /// A link to S from a raw peer; S's number.
  int accept_raw(RawPeer& peer) {
    peer.request();
    const int link = server_->call([listening = listening_] { return accept_iso(listening); }).value;
    EXPECT_FALSE(peer.receive().empty());  // the CC
    return link;
  }
  Step look_for_offer(int link) {
    return server_->call([=] { return system_tests::receive_offer(link, MSG_DONTWAIT); }).value;
  }
  /// What S says after this peer has sent these messages.
  Step after(const std::vector<std::vector<std::byte>>& messages) {
    RawPeer peer{folder_.path(), "S"};
    const int link = accept_raw(peer);
    for (const auto& message : messages) EXPECT_TRUE(peer.send(message));
    const Step step = look_for_offer(link);
    if (step.ok()) close_in(*server_, {step.header.fd_server});
    close_in(*server_, {link});
    EXPECT_TRUE(peer.receive_frame(0xee).empty());  // at the end of the link at last
    return step;
  }
};

TEST_F(Garbage, TruncatedFramesEndTheLink) {
  const std::vector<std::vector<std::byte>> frames{hello_frame(),        offer_frame(1),      answer_frame(1),
                                                   call_frame(1, false), call_frame(1, true), taken_frame(1),
                                                   cancel_frame(1),      cancelled_frame(1),  credit_frame(1)};
  for (const auto& frame : frames) {
    for (std::size_t size = 1; size < frame.size(); ++size) {
      const std::vector<std::byte> cut{frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size)};
      const Step step = after({hello_frame(), cut});
      EXPECT_EQ(step.error, EPROTO) << "type " << (size > 2 ? int(frame[2]) : 0) << " cut to " << size;
    }
  }
}

TEST_F(Garbage, RandomOctetsEndTheLink) {
  std::minstd_rand random{4711};
  for (int i = 0; i < 200; ++i) {
    std::vector<std::byte> octets(1 + random() % 300);
    for (std::byte& each : octets) each = static_cast<std::byte>(random());
    if (i % 2 == 0) octets[0] = std::byte{255};
    // Random octets are hardly a frame or a DT: EPROTO; or a disconnect by chance.
    const int error = after({octets}).error;
    EXPECT_TRUE(error == EPROTO || error == ECONNRESET) << std::strerror(error);
  }
}

TEST_F(Garbage, AnotherVersionEndsTheLink) {
  EXPECT_EQ(after({hello_frame(2, 9)}).error, EPROTO);
  auto offer = offer_frame(1);
  offer[1] = std::byte{9};
  EXPECT_EQ(after({hello_frame(), offer}).error, EPROTO);
  EXPECT_EQ(after({offer_frame(1)}).error, EPROTO);  // without a HELLO
}

TEST_F(Garbage, AMessageAboveTheLargestFrameEndsTheLink) {
  EXPECT_EQ(after({std::vector<std::byte>(140'000, std::byte{255})}).error, EPROTO);
}

TEST_F(Garbage, TheSameOfferTwiceEndsTheLink) {
  EXPECT_TRUE(after({hello_frame(), offer_frame(3)}).ok());
  RawPeer peer{folder_.path(), "S"};
  const int link = accept_raw(peer);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(peer.send(i == 0 ? hello_frame() : offer_frame(3)));
  const Step first = look_for_offer(link);
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(peer.send(offer_frame(3)));
  EXPECT_ERRNO(EPROTO, look_for_offer(link));
  close_in(*server_, {first.header.fd_server, link});
}

TEST_F(Garbage, FramesOfUnknownMovesChangeNothing) {
  RawPeer peer{folder_.path(), "S"};
  const int link = accept_raw(peer);
  for (const auto& frame :
       {hello_frame(), answer_frame(7), taken_frame(7), cancel_frame(7), cancelled_frame(7), credit_frame(7)})
    EXPECT_TRUE(peer.send(frame));
  EXPECT_ERRNO(EAGAIN, look_for_offer(link));
  // A CALL of an unknown move is refused.
  EXPECT_TRUE(peer.send(call_frame(7, false)));
  EXPECT_ERRNO(EAGAIN, look_for_offer(link));
  EXPECT_FALSE(peer.receive_frame(5).empty());
  close_in(*server_, {link});
}

TEST_F(Garbage, DescriptorsThatNobodyAskedForAreClosedAtOnceOrNotLetIn) {
  int pair[2];
  ASSERT_EQ(::pipe2(pair, O_CLOEXEC), 0);
  const UniqueFd reading{adopt, pair[0]};
  UniqueFd writing{adopt, pair[1]};
  RawPeer peer{folder_.path(), "S"};
  const int link = accept_raw(peer);
  ASSERT_TRUE(peer.send(hello_frame()));
  for (const auto& frame : {hello_frame(), credit_frame(1), call_frame(9, false), offer_frame(9)}) {
    // EPERM where the kernel lets S refuse descriptors.
    const bool let_in = peer.send(frame, writing.get());
    EXPECT_TRUE(let_in || errno == EPERM) << std::strerror(errno);
  }
  const Step seen = look_for_offer(link);  // without its descriptor it was a proper offer
  if (seen.ok()) close_in(*server_, {seen.header.fd_server});
  writing.reset();
  // S holds none of them: the pipe has no writer any more, while the link is still open.
  EXPECT_EQ(read_outcome(reading.get()), 0);
  close_in(*server_, {link});
}

TEST_F(Garbage, ACallWithAnotherSocketThanOfferedIsRefused) {
  RawPeer peer{folder_.path(), "S"};
  const int link = accept_raw(peer);
  EXPECT_TRUE(peer.send(hello_frame()));
  EXPECT_TRUE(peer.send(offer_frame(5)));
  const Step seen = look_for_offer(link);
  EXPECT_TRUE(seen.ok()) << seen.text;
  EXPECT_STEP(server_->call([=] { return system_tests::answer(link, seen.header, 0); }).value);
  int pair[2];
  ASSERT_EQ(::pipe2(pair, O_CLOEXEC), 0);
  const UniqueFd reading{adopt, pair[0]};
  UniqueFd writing{adopt, pair[1]};
  EXPECT_TRUE(peer.send(call_frame(5, false), writing.get()));
  EXPECT_ERRNO(EPROTO, server_->call([=] { return system_tests::take(link, seen.header); }).value);
  writing.reset();
  EXPECT_EQ(read_outcome(reading.get()), 0);
  close_in(*server_, {seen.header.fd_server, link});
}

TEST_F(Garbage, P37ASocketOfAnotherCookieIsRefused) {
  RawPeer peer{folder_.path(), "S"};
  const int link = accept_raw(peer);
  EXPECT_TRUE(peer.send(hello_frame()));
  EXPECT_TRUE(peer.send(offer_frame(5)));
  const Step seen = look_for_offer(link);
  EXPECT_STEP(server_->call([=] { return system_tests::answer(link, seen.header, 0); }).value);
  Connection stranger = connect_client();
  EXPECT_TRUE(peer.send(call_frame(5, false), stranger.client.get()));  // its cookie is said to be 0
  EXPECT_ERRNO(EPROTO, server_->call([=] { return system_tests::take(link, seen.header); }).value);
  expect_serves(*listener_, stranger.number, stranger);
  close_in(*listener_, {stranger.number});
  close_in(*server_, {seen.header.fd_server, link});
}

TEST_F(Garbage, APeerThatConnectsAndSaysNothingHoldsUpNobody) {
  std::vector<std::unique_ptr<RawPeer>> silent;
  for (int i = 0; i < 5; ++i) {
    silent.push_back(std::make_unique<RawPeer>(folder_.path(), "S"));
    ASSERT_TRUE(silent.back()->connected());
  }
  const LinkNumbers second = open_link(*listener_, *server_, listening_);
  close_in(*listener_, {second.in_listener});
  close_in(*server_, {second.in_server});
  // A half-open connection costs S one descriptor until its time is over; closed, the next look drops it.
  silent.clear();
  EXPECT_EQ(server_
                ->call([listening = listening_] {
                  pollfd entry{listening, POLLIN, 0};
                  return soc_poll_ms(&entry, 1, 0);
                })
                .value,
            0);
}

TEST_F(Garbage, APeerThatSendsTheWrongTpduFirstIsTurnedAway) {
  RawPeer peer{folder_.path(), "S"};
  EXPECT_TRUE(peer.send(hello_frame()));
  EXPECT_EQ(server_
                ->call([listening = listening_] {
                  pollfd entry{listening, POLLIN, 0};
                  return soc_poll_ms(&entry, 1, 0);
                })
                .value,
            0);
  EXPECT_TRUE(peer.receive_frame(0xee).empty());
}

/// Listener and server of different users; the test runs as root.
class Users : public ::testing::Test {
 protected:
  static constexpr uid_t one = 65'501;
  static constexpr uid_t other = 65'502;
  void SetUp() override {
    ASSERT_EQ(::geteuid(), 0U) << "this test changes users: run it as root";
    ASSERT_EQ(::chmod(folder_.path().c_str(), 01777), 0);
  }
  void TearDown() override { ::unsetenv("BATON_ALLOW_UIDS"); }
  test::RuntimeDir folder_;
};

Reply<int> try_connect(Agent& agent) {
  return agent.call([] {
    const int number = named_iso();
    const sockaddr_iso address = iso_address("S");
    return number < 0 ? -2 : soc_connect(number, &address, sizeof address);
  });
}

TEST_F(Users, AnotherUserIsNotAdmitted) {
  Agent server{one};
  Agent listener{other};
  ASSERT_GE(server.call([] { return listen_iso("S"); }).value, 0);
  const auto refused = try_connect(listener);
  EXPECT_EQ(refused.value, -1);
  EXPECT_EQ(refused.error, EACCES);
}

/// What soc_error_text says of a name that cannot be bound in this runtime folder.
std::string refusal_in(const std::string& folder, int wanted) {
  ::setenv("BATON_RUNTIME_DIR", folder.c_str(), 1);
  const int number = soc_socket(AF_ISO, SOCK_STREAM, 0);
  const sockaddr_iso address = iso_address("S");
  EXPECT_EQ(soc_bind(number, &address, sizeof address), -1);
  EXPECT_EQ(errno, wanted);
  std::string sentence = soc_error_text();
  EXPECT_EQ(errno, wanted);
  soc_close(number);
  return sentence;
}

TEST_F(Users, WhatIsWrongWithARuntimeFolderIsSaidWithItsPathAndARemedy) {
  const std::string world = folder_.path() + "/world";
  ASSERT_EQ(::mkdir(world.c_str(), 0700), 0);
  ASSERT_EQ(::chmod(world.c_str(), 0777), 0);
  EXPECT_EQ(refusal_in(folder_.path() + "/no/such", ENOENT),
            "No such file or directory: the runtime folder " + folder_.path() +
                "/no/such (BATON_RUNTIME_DIR) cannot be made: the folder above it does not exist: make it");
  EXPECT_EQ(refusal_in("run", EINVAL),
            "Invalid argument: the runtime folder run (BATON_RUNTIME_DIR) is no absolute path: in "
            "each working directory it would be another folder");
  const std::string unsafe =
      world + " (BATON_RUNTIME_DIR) has mode 0777, so others could change what is in it: give it mode";
  EXPECT_NE(refusal_in(world, EACCES).find(unsafe), std::string::npos);

  ::setenv("BATON_RUNTIME_DIR", folder_.path().c_str(), 1);
  const int number = named_iso();
  ASSERT_GE(number, 0);
  ::setenv("BATON_RUNTIME_DIR", world.c_str(), 1);
  const sockaddr_iso address = iso_address("S");
  EXPECT_EQ(soc_connect(number, &address, sizeof address), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  EXPECT_NE(std::string{soc_error_text()}.find(unsafe), std::string::npos) << soc_error_text();
  ::setenv("BATON_RUNTIME_DIR", folder_.path().c_str(), 1);
  EXPECT_EQ(soc_connect(number, &address, sizeof address), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  EXPECT_EQ(std::string{soc_error_text()}.find("has mode"), std::string::npos) << soc_error_text();
  soc_close(number);
}

TEST_F(Users, ANameOfAnotherUserIsTaken) {
  Agent server{one};
  Agent squatter{other};
  ASSERT_GE(server.call([] { return listen_iso("S"); }).value, 0);
  const auto refused = squatter.call([] { return listen_iso("S"); });
  EXPECT_EQ(refused.value, -1);
  EXPECT_EQ(refused.error, EADDRINUSE);
}

TEST_F(Users, TheListOfUsersWidensIt) {
  ::setenv("BATON_ALLOW_UIDS", "65501,65502", 1);
  Agent server{one};
  Agent listener{other};
  const int listening = server.call([] { return listen_iso("S"); }).value;
  ASSERT_GE(listening, 0);
  auto connecting = listener.start([] { return connect_iso("S"); });
  const int accepted = server.call([=] { return accept_iso(listening); }).value;
  EXPECT_GE(accepted, 0);
  EXPECT_GE(connecting.get().value, 0);
}

TEST_F(Users, RootIsAdmittedByTheServer) {
  Agent server{one};
  const int listening = server.call([] { return listen_iso("S"); }).value;
  ASSERT_GE(listening, 0);
  RawPeer root{folder_.path(), "S"};
  root.request();
  EXPECT_GE(server.call([=] { return accept_iso(listening); }).value, 0);
  EXPECT_FALSE(root.receive().empty());
}

TEST_F(Users, RootDoesNotTakeAnotherUsersNameForAServer) {
  Agent server{one};
  Agent listener;
  ASSERT_GE(server.call([] { return listen_iso("S"); }).value, 0);
  const auto refused = try_connect(listener);
  EXPECT_EQ(refused.value, -1);
  EXPECT_EQ(refused.error, EACCES);
}

}  // namespace
}  // namespace baton::system_tests
