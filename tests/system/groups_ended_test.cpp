// SPDX-License-Identifier: MIT
// Who ends a group ends that one: soc_abort what this end gives, soc_decline what it is given, also where both ends of
// a link give at the same time.
#include <fcntl.h>
#include <poll.h>

#include <tuple>

#include "groups.hpp"
#include "support/sockets.hpp"

namespace baton::system_tests {
namespace {

/// The link has something to say: with a timeout of 0 the call is made again.
bool await_input(int link) {
  pollfd entry{link, POLLIN, 0};
  return soc_poll_ms(&entry, 1, limit_ms) == 1;
}
/// soc_commit, soc_ready: until it is more than "not yet".
template <class Call>
int until_known(int link, int timeout_ms, Call call) {
  for (;;) {
    const int value = call(link, timeout_ms);
    if (value >= 0 || errno != EWOULDBLOCK || !await_input(link)) return value;
  }
}
Told take_next(int link, int timeout_ms) {
  for (;;) {
    const Told told = take_one(link, timeout_ms);
    if (told.value != 0 || timeout_ms != 0 || !await_input(link)) return told;
  }
}

/// Listener and server give a group of one each, on the same link: one with calls that wait, or with such that do not.
class GroupsBothWays : public Groups, public ::testing::WithParamInterface<std::tuple<bool, bool>> {
 protected:
  struct End {
    Agent* agent = nullptr;
    int link = -1;
    Connection own;   // what it gives
    int parked = -1;  // its number for what it is given
  };

  void SetUp() override {
    Groups::SetUp();
    const auto [blocking, listener_decides] = GetParam();
    timeout_ms_ = blocking ? limit_ms : 0;
    EXPECT_EQ(listener_->call([link = at_.in_listener] { return soc_credit(link, 16); }).value, 16);
    Connection of_server = connect_client();
    const int number = ready_for(of_server);
    EXPECT_EQ(commit().value, 0);
    EXPECT_EQ(ready().value, 1);
    EXPECT_EQ(next_outcome().error, 0);
    of_server.number = number;
    End listener{&*listener_, at_.in_listener, connect_client()};
    End server{&*server_, at_.in_server, std::move(of_server)};
    one_ = std::move(listener_decides ? listener : server);
    other_ = std::move(listener_decides ? server : listener);
    for (const End* each : {&one_, &other_}) {
      const auto set = each->agent->call(
          [link = each->link, flags = blocking ? 0 : O_NONBLOCK] { return ::fcntl(link, F_SETFL, flags); });
      EXPECT_EQ(set.value, 0);
    }
  }
  void TearDown() override {
    for (const End* each : {&one_, &other_})
      if (each->own.number >= 0) close_in(*each->agent, {each->own.number});
    Groups::TearDown();
  }

  static void hold(const End& giver) {
    const auto held =
        giver.agent->call([link = giver.link, number = giver.own.number] { return hold_one(link, number).value; });
    EXPECT_EQ(held.value, 1);
  }
  static void complete(const End& giver) {
    const auto told = giver.agent->call([link = giver.link] { return soc_commit(link, 0); });
    EXPECT_EQ(told.value, -1);
    EXPECT_EQ(told.error, EWOULDBLOCK);
  }
  Told take_at(const End& taker) const {
    return taker.agent->call([link = taker.link, timeout = timeout_ms_] { return take_next(link, timeout); }).value;
  }
  void take_held(End& taker) const {
    const Told told = take_at(taker);
    EXPECT_EQ(told.flags, SOC_HELD);
    taker.parked = told.number;
  }
  void take_whole(End& taker) const {
    take_held(taker);
    EXPECT_EQ(take_at(taker).flags, SOC_GROUP_END);
  }
  void both_are_whole() {
    for (const End* each : {&one_, &other_}) {
      hold(*each);
      complete(*each);
    }
    for (End* each : {&one_, &other_}) take_whole(*each);
  }
  [[nodiscard]] auto start_commit(const End& giver) const {
    return giver.agent->start(
        [link = giver.link, timeout = timeout_ms_] { return until_known(link, timeout, soc_commit); });
  }
  [[nodiscard]] Reply<int> ready_at(const End& taker) const {
    return taker.agent->call(
        [link = taker.link, timeout = timeout_ms_] { return until_known(link, timeout, soc_ready); });
  }
  static int decline(const End& taker) {
    const auto told = taker.agent->call([link = taker.link] { return soc_decline(link); });
    return told.value == 0 ? 0 : told.error;
  }
  static int abort(const End& giver) {
    const auto told = giver.agent->call([link = giver.link] { return soc_abort(link); });
    return told.value == 0 ? 0 : told.error;
  }
  void close_parked(End& taker) { close_in(*taker.agent, {std::exchange(taker.parked, -1)}); }

  /// What is whole at the taker is its own.
  void expect_commits(End& giver, End& taker) {
    auto committing = start_commit(giver);
    EXPECT_EQ(ready_at(taker).value, 1);
    EXPECT_EQ(committing.get().value, 0);
    EXPECT_EQ(outcome_of(giver).error, 0);
    expect_serves(*taker.agent, taker.parked, giver.own);
    giver.own.number = -1;
    close_parked(taker);
  }
  void expect_back(const End& giver) {
    const Told told = outcome_of(giver);
    EXPECT_EQ(told.error, ECANCELED);
    EXPECT_EQ(told.number, giver.own.number);
    expect_serves(*giver.agent, giver.own.number, giver.own);
  }
  /// The link is as good as before.
  void expect_moves(End& giver, End& taker) {
    hold(giver);
    complete(giver);
    take_whole(taker);
    expect_commits(giver, taker);
  }

  End one_;  // who decides
  End other_;

 private:
  static Told outcome_of(const End& giver) {
    return giver.agent->call([link = giver.link] { return outcome_one(link, limit_ms); }).value;
  }
  int timeout_ms_ = 0;
};

TEST_P(GroupsBothWays, WhoDeclinesThePartnersMovesItsOwn) {
  both_are_whole();
  EXPECT_EQ(decline(one_), 0);
  EXPECT_EQ(decline(one_), ENOENT);
  EXPECT_EQ(ready_at(one_).error, ENOENT);
  close_parked(one_);
  EXPECT_EQ(start_commit(other_).get().error, ECANCELED);
  expect_back(other_);
  expect_commits(one_, other_);
  expect_moves(other_, one_);
}

TEST_P(GroupsBothWays, WhoCallsItsOwnOffTakesThePartners) {
  both_are_whole();
  EXPECT_EQ(abort(one_), 0);
  EXPECT_EQ(abort(one_), ENOENT);
  expect_back(one_);
  EXPECT_EQ(ready_at(other_).error, ECANCELED);
  close_parked(other_);
  expect_commits(other_, one_);
  expect_moves(one_, other_);
}

TEST_P(GroupsBothWays, WhoDeclinesAndCallsOffEndsBoth) {
  both_are_whole();
  EXPECT_EQ(decline(one_), 0);
  EXPECT_EQ(abort(one_), 0);
  EXPECT_EQ(ready_at(other_).error, ECANCELED);
  EXPECT_EQ(start_commit(other_).get().error, ECANCELED);
  for (End* each : {&one_, &other_}) {
    close_parked(*each);
    expect_back(*each);
  }
}

TEST_P(GroupsBothWays, WhatIsDeclinedNeedNotBeWhole) {
  for (const End* each : {&one_, &other_}) hold(*each);
  take_held(one_);
  EXPECT_EQ(decline(one_), 0);
  close_parked(one_);
  EXPECT_EQ(start_commit(other_).get().error, ECANCELED);
  expect_back(other_);
  complete(one_);
  take_whole(other_);
  expect_commits(one_, other_);
  expect_moves(other_, one_);
}

TEST_P(GroupsBothWays, WhileOneIsCommittedTheOtherIsDeclined) {
  both_are_whole();
  auto committing = start_commit(one_);
  EXPECT_EQ(ready_at(other_).value, 1);
  EXPECT_EQ(committing.get().value, 0);
  EXPECT_EQ(abort(one_), ENOENT);
  EXPECT_EQ(decline(one_), 0);
  close_parked(one_);
  EXPECT_EQ(start_commit(other_).get().error, ECANCELED);
  expect_back(other_);
  expect_serves(*other_.agent, other_.parked, one_.own);
  one_.own.number = -1;
  close_parked(other_);
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<bool, bool>>& info) {
  const auto [blocking, listener_decides] = info.param;
  return std::string{listener_decides ? "Listener" : "Server"} + (blocking ? "Waits" : "DoesNotWait");
}
INSTANTIATE_TEST_SUITE_P(Of, GroupsBothWays, ::testing::Combine(::testing::Bool(), ::testing::Bool()), name_of);

TEST_F(Groups, NeitherEndEndsWhatIsNotThere) {
  const auto abort_in_server = [&] { return server_->call([link = at_.in_server] { return soc_abort(link); }); };
  const auto decline_in_listener = [&] {
    return listener_->call([link = at_.in_listener] { return soc_decline(link); });
  };
  const auto decline_in_server = [&] { return server_->call([link = at_.in_server] { return soc_decline(link); }); };
  EXPECT_EQ(decline_in_server().error, ENOENT);
  const Connection one = connect_client();
  const int number = ready_for(one);
  EXPECT_EQ(abort_in_server().error, ENOENT);
  EXPECT_EQ(decline_in_listener().error, ENOENT);
  EXPECT_EQ(commit().value, 0);
  EXPECT_TRUE(server_->call([link = at_.in_server] { return await_input(link); }).value) << "COMMIT has come";
  EXPECT_EQ(decline_in_server().error, EPROTO);
  EXPECT_EQ(ready().value, 1);
  EXPECT_EQ(decline_in_server().error, ENOENT);
  EXPECT_EQ(next_outcome().error, 0);
  expect_serves(*server_, number, one);
  close_in(*server_, {number});
}

TEST_F(Groups, OnlyALinkHasOneToDecline) {
  const LinkNumbers at = open_link(*listener_, *server_, listening_);
  const auto told = server_->call([link = at.in_server] {
    const UniqueFd listening = test::tcp_listen(AF_INET);
    if (soc_decline(listening.get()) != -1 || errno != EOPNOTSUPP) return errno;
    const int unconnected = soc_socket(AF_ISO, SOCK_STREAM, 0);
    if (soc_decline(unconnected) != -1 || errno != ENOTCONN) return errno;
    if (soc_close(unconnected) != 0 || soc_close(link) != 0) return errno;
    return soc_decline(link) == -1 && errno == EBADF ? 0 : errno;
  });
  EXPECT_EQ(told.value, 0) << std::strerror(told.value);
  close_in(*listener_, {at.in_listener});
}

TEST_F(Groups, WhoDeclinesHearsOfTheEndOfTheGroupThatItKnows) {
  const Connection one = connect_client();
  const int number = ready_for(one);
  EXPECT_EQ(listener_->call([link = at_.in_listener] { return soc_abort(link); }).value, 0);
  expect_back(one, ECANCELED);
  EXPECT_EQ(hold(one).value, 1);
  EXPECT_TRUE(server_->call([link = at_.in_server] { return await_input(link); }).value) << "ABORT, and the next CALL";
  EXPECT_EQ(server_->call([link = at_.in_server] { return soc_decline(link); }).value, 0);
  close_in(*server_, {number});
  expect_commits(one, ready_for_held());
}

TEST_F(Groups, OneOfADeadListenerIsDeclinedLikeAnyOther) {
  for (const bool seen : {false, true}) {
    Agent mortal;
    const LinkNumbers at = open_link(mortal, *server_, listening_);
    EXPECT_EQ(server_->call([link = at.in_server] { return soc_credit(link, 4); }).value, 4);
    const auto held = mortal.call([link = at.in_listener] {
      const UniqueFd listening = test::tcp_listen(AF_INET);
      (void)test::tcp_connect(AF_INET, test::port_of(listening.ref())).release();
      return hold_one(link, ::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    });
    EXPECT_EQ(held.value.value, 1);
    const Told parked = server_->call([link = at.in_server] { return take_one(link, limit_ms); }).value;
    EXPECT_EQ(parked.flags, SOC_HELD);
    mortal.kill();
    if (seen) {
      EXPECT_TRUE(server_->call([link = at.in_server] { return await_input(link); }).value);
    }
    const auto decline = [&] { return server_->call([link = at.in_server] { return soc_decline(link); }); };
    EXPECT_EQ(decline().value, 0);
    EXPECT_EQ(decline().error, ENOENT);
    const auto next = server_->call([link = at.in_server] { return take_one(link, limit_ms); });
    EXPECT_EQ(next.value.error, ECONNRESET);
    close_in(*server_, {parked.number, at.in_server});
  }
}

TEST_F(Groups, TheIdsOfALinksTwoEndsDiffer) {
  // By it alone an ABORT says which group is meant, and the two processes may have one number, in two namespaces.
  const auto id_of_offer = [](Agent& agent, int link, const RawPeer& peer) {
    const auto offered = agent.call([link] {
      const UniqueFd listening = test::tcp_listen(AF_INET);
      const UniqueFd client = test::tcp_connect(AF_INET, test::port_of(listening.ref()));
      const int number = ::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC);
      const Step made = system_tests::offer(link, number, AF_INET);
      return soc_close(number) == 0 && made.ok();
    });
    EXPECT_TRUE(offered.value);
    return move_in(peer.receive_frame(static_cast<std::uint8_t>(handoff::FrameType::Offer)));
  };
  constexpr std::uint64_t end = 1U << 31U;
  const RawListener villain{folder_.path(), "H"};
  const ToHostile to = link_to(villain);
  RawPeer from{folder_.path(), "S"};
  const int accepted = accept_from(from);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(id_of_offer(*listener_, to.link, to.peer) & end);
    EXPECT_FALSE(id_of_offer(*server_, accepted, from) & end);
  }
  close_in(*listener_, {to.link});
  close_in(*server_, {accepted});
}

}  // namespace
}  // namespace baton::system_tests
