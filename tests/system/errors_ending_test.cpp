// SPDX-License-Identifier: MIT
// Moves that do not take place: refused, cancelled, out of time.
#include "parties.hpp"

namespace baton::system_tests {
namespace {

class Ending : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    remember_descriptors();
    client_ = connect_client();
  }
  void TearDown() override {
    expect_serves(*listener_, client_.number, client_);
    const int number = moved(client_);
    expect_serves(*server_, number, client_);
    close_in(*listener_, {client_.number});
    close_in(*server_, {number});
    expect_unharmed();
  }
  Reply<int> cancel() {
    return listener_->call([link = link_.in_listener, number = client_.number] { return soc_cancel(link, number); });
  }
  void set_move_timeout(Agent& agent, int link, int milliseconds) {
    EXPECT_EQ(agent
                  .call([=] {
                    return soc_setsockopt(link, SOL_TRANSPORT, TPOPT_MOVE_TIMEOUT, &milliseconds, sizeof milliseconds);
                  })
                  .value,
              0);
  }
  Connection client_;
};

TEST_F(Ending, RefusalsTellTheirReasons) {
  short reason = 0;
  for (const int each : {REDBIND_REFUSED, REDBIND_NO_DESCRIPTOR, REDBIND_BUSY, -77, -32'768}) {
    reason = static_cast<short>(each);
    offered(client_);
    EXPECT_STEP(answer(reason));
    const Step refused = await_answer(client_);
    EXPECT_TRUE(refused.ok()) << refused.text;
    EXPECT_EQ(refused.header.bind_ok, reason);
    EXPECT_ERRNO(ECONNABORTED, call(client_));
    EXPECT_ERRNO(EPROTO, take());
    close_in(*server_, {offered_.fd_server});
    expect_serves(*listener_, client_.number, client_);
  }
  EXPECT_EQ(statistics(*listener_).refused, 5U);
}

TEST_F(Ending, CloseOfTheParkedNumberRefuses) {
  offered(client_);
  close_in(*server_, {offered_.fd_server});
  EXPECT_EQ(await_answer(client_).header.bind_ok, REDBIND_REFUSED);
}

TEST_F(Ending, CloseOfTheParkedNumberAfterTheAnswerRefusesTheCall) {
  answered(client_);
  close_in(*server_, {offered_.fd_server});
  EXPECT_STEP(await_answer(client_));
  EXPECT_STEP(call(client_));
  // The server has to look at its link, as anyone who goes on working does.
  EXPECT_ERRNO(
      EAGAIN,
      server_->call([link = link_.in_server] { return system_tests::receive_offer(link, MSG_DONTWAIT); }).value);
  EXPECT_ERRNO(ECONNABORTED, outcome(client_));
}

TEST_F(Ending, WhatComesBackLingersAsBefore) {
  const int set = listener_
                      ->call([number = client_.number] {
                        const linger minute{1, 60};
                        return ::setsockopt(number, SOL_SOCKET, SO_LINGER, &minute, sizeof minute);
                      })
                      .value;
  EXPECT_EQ(set, 0);
  called(client_);
  close_in(*server_, {offered_.fd_server});
  EXPECT_ERRNO(
      EAGAIN,
      server_->call([link = link_.in_server] { return system_tests::receive_offer(link, MSG_DONTWAIT); }).value);
  EXPECT_ERRNO(ECONNABORTED, outcome(client_));
  const auto after = listener_->call([number = client_.number] {
    linger setting{};
    socklen_t size = sizeof setting;
    (void)::getsockopt(number, SOL_SOCKET, SO_LINGER, &setting, &size);
    return setting;
  });
  EXPECT_EQ(after.value.l_onoff, 1);
  EXPECT_EQ(after.value.l_linger, 60);
}

TEST_F(Ending, CloseOfTheParkedNumberAfterTheCallRefuses) {
  called(client_);
  close_in(*server_, {offered_.fd_server});
  EXPECT_ERRNO(
      EAGAIN,
      server_->call([link = link_.in_server] { return system_tests::receive_offer(link, MSG_DONTWAIT); }).value);
  EXPECT_ERRNO(ECONNABORTED, outcome(client_));
}

TEST_F(Ending, CancelBeforeTheOfferIsRead) {
  EXPECT_STEP(offer(client_));
  EXPECT_EQ(cancel().value, 0);
  // The offer lies before its cancellation.
  EXPECT_STEP(receive_offer());
  EXPECT_ERRNO(ECANCELED, answer());
  close_in(*server_, {offered_.fd_server});
}

TEST_F(Ending, CancelBeforeTheAnswer) {
  offered(client_);
  EXPECT_EQ(cancel().value, 0);
  EXPECT_ERRNO(ECANCELED, answer());
  close_in(*server_, {offered_.fd_server});
}

TEST_F(Ending, CancelBeforeTheCall) {
  stopped(client_);
  EXPECT_EQ(cancel().value, 0);
  EXPECT_ERRNO(ECANCELED, take());
  EXPECT_ERRNO(ECANCELED, call(client_));
  close_in(*server_, {offered_.fd_server});
  EXPECT_EQ(statistics(*listener_).cancelled, 1U);
}

TEST_F(Ending, CancelAfterTheCallIsForTheServerToDecide) {
  called(client_);
  const auto asked = cancel();
  EXPECT_EQ(asked.value, -1);
  EXPECT_EQ(asked.error, EINPROGRESS);
  EXPECT_ERRNO(ECANCELED, take());
  EXPECT_ERRNO(ECANCELED, outcome(client_));
  close_in(*server_, {offered_.fd_server});
  EXPECT_EQ(statistics(*listener_).given_back, 1U);
}

TEST_F(Ending, CancelOfWhatIsInNoMove) {
  const auto none = cancel();
  EXPECT_EQ(none.value, -1);
  EXPECT_EQ(none.error, ENOENT);
}

TEST_F(Ending, NoAnswerInTime) {
  set_move_timeout(*listener_, link_.in_listener, 50);
  EXPECT_STEP(offer(client_));
  EXPECT_ERRNO(ETIMEDOUT, await_answer(client_));
  EXPECT_ERRNO(ECANCELED, await_answer(client_));
  EXPECT_STEP(receive_offer());
  EXPECT_ERRNO(ECANCELED, answer());
  close_in(*server_, {offered_.fd_server});
  set_move_timeout(*listener_, link_.in_listener, 0);
}

TEST_F(Ending, NoOutcomeInTimeLeavesTheMoveInDoubt) {
  set_move_timeout(*listener_, link_.in_listener, 50);
  called(client_);
  EXPECT_ERRNO(ETIMEDOUT, outcome(client_));
  EXPECT_EQ(statistics(*listener_).in_doubt, 1U);
  set_move_timeout(*listener_, link_.in_listener, 0);
  EXPECT_ERRNO(ECANCELED, take());
  EXPECT_ERRNO(ECANCELED, outcome(client_));
  EXPECT_EQ(statistics(*listener_).in_doubt, 0U);
  close_in(*server_, {offered_.fd_server});
}

TEST_F(Ending, NoCallInTime) {
  set_move_timeout(*server_, link_.in_server, 50);
  stopped(client_);
  EXPECT_ERRNO(ETIMEDOUT, take());
  set_move_timeout(*server_, link_.in_server, 0);
  EXPECT_EQ(cancel().value, 0);
  EXPECT_ERRNO(ECANCELED, take());
  close_in(*server_, {offered_.fd_server});
}

TEST_F(Ending, NoOfferInTime) {
  set_move_timeout(*server_, link_.in_server, 50);
  EXPECT_ERRNO(ETIMEDOUT, receive_offer());
  set_move_timeout(*server_, link_.in_server, 0);
}

TEST_F(Ending, AbandonLetsGoWithoutKnowing) {
  const Connection lost = connect_client();
  called(lost);
  EXPECT_EQ(listener_->call([link = link_.in_listener] { return soc_abandon(link, 0); }).value, 1);
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  expect_serves(*server_, taken.header.fd_server, lost);
  EXPECT_EQ(statistics(*listener_).abandoned, 1U);
  close_in(*listener_, {lost.number});
  close_in(*server_, {taken.header.fd_server});
  expect_end(lost);
}

/// The link ends behind a refusal, and one look reads both.
class Refused : public Parties {
 protected:
  template <class Leave>
  void expect_reason(Leave leave) {
    const Connection client = connect_client();
    offered(client);
    EXPECT_STEP(answer(REDBIND_BUSY));
    leave();
    const auto seen = listener_->call([link = link_.in_listener] {
      pollfd entry{link, POLLIN, 0};
      return soc_poll_ms(&entry, 1, -1) == 1 && (entry.revents & POLLHUP) != 0;
    });
    EXPECT_TRUE(seen.value);
    const Step refused = await_answer(client);
    EXPECT_TRUE(refused.ok()) << refused.text;
    EXPECT_EQ(refused.header.bind_ok, REDBIND_BUSY);
    expect_serves(*listener_, client.number, client);
    EXPECT_ERRNO(ECONNRESET, offer(client));
  }
};

TEST_F(Refused, BeforeTheLinkWasClosed) {
  expect_reason([this] { close_in(*server_, {offered_.fd_server, link_.in_server}); });
}

TEST_F(Refused, BeforeTheServerDied) {
  expect_reason([this] { server_->kill(); });
}

}  // namespace
}  // namespace baton::system_tests
