// SPDX-License-Identifier: MIT
// Steps out of order, and units of the wrong kind. After each failure L serves its client and nothing leaked.
#include "parties.hpp"

namespace baton::system_tests {
namespace {

class Order : public Parties {
 protected:
  void SetUp() override {
    Parties::SetUp();
    remember_descriptors();
    client_ = connect_client();
  }
  /// The client is with L: it serves it, moves it, and nothing is left over.
  void TearDown() override {
    if (!finished_) {
      expect_serves(*listener_, client_.number, client_);
      finish(moved(client_));
    }
    expect_unharmed();
  }
  void finish(int number) {
    expect_serves(*server_, number, client_);
    close_in(*listener_, {client_.number});
    close_in(*server_, {number});
    finished_ = true;
  }
  /// From the answer on: L calls, S takes.
  void go_on_from_answer() {
    EXPECT_STEP(await_answer(client_));
    go_on_from_stop();
  }
  void go_on_from_stop() {
    EXPECT_STEP(call(client_));
    go_on_from_call();
  }
  void go_on_from_call() {
    const Step taken = take();
    EXPECT_TRUE(taken.ok()) << taken.text;
    EXPECT_STEP(outcome(client_));
    finish(taken.header.fd_server);
  }
  Connection client_;
  bool finished_ = false;
};

TEST_F(Order, NothingButTheOfferComesFirstAtTheListener) {
  EXPECT_ERRNO(ENOENT, await_answer(client_));
  EXPECT_ERRNO(ENOENT, call(client_));
  EXPECT_ERRNO(ENOENT, outcome(client_));
  EXPECT_ERRNO(ENOENT,
               listener_->call([link = link_.in_listener] { return system_tests::await_answer(link, -1, 0); }).value);
  EXPECT_ERRNO(ENOENT, listener_->call([link = link_.in_listener] { return system_tests::call(link, -1, 0); }).value);
  EXPECT_ERRNO(
      EOPNOTSUPP,
      listener_->call([number = client_.number] { return system_tests::call(number, number, AF_INET); }).value);
}

TEST_F(Order, TheCallDoesNotComeBeforeTheAnswer) {
  EXPECT_STEP(offer(client_));
  EXPECT_ERRNO(EPROTO, call(client_));
  EXPECT_ERRNO(EPROTO, outcome(client_));
  EXPECT_ERRNO(
      EPROTO, listener_->call([number = client_.number] { return system_tests::call(number, number, AF_INET); }).value);
  EXPECT_STEP(receive_offer());
  EXPECT_ERRNO(EPROTO, call(client_));
  EXPECT_STEP(answer());
  EXPECT_ERRNO(EPROTO, call(client_));
  go_on_from_answer();
}

TEST_F(Order, TheAnswerIsReadOnce) {
  stopped(client_);
  EXPECT_ERRNO(EPROTO, await_answer(client_));
  EXPECT_ERRNO(EPROTO, outcome(client_));
  EXPECT_ERRNO(EALREADY, offer(client_));
  go_on_from_stop();
}

TEST_F(Order, TheCallIsMadeOnce) {
  called(client_);
  EXPECT_ERRNO(EPROTO, call(client_));
  EXPECT_ERRNO(EPROTO, await_answer(client_));
  EXPECT_ERRNO(EALREADY, offer(client_));
  go_on_from_call();
}

TEST_F(Order, NothingComesAfterTheEnd) {
  const int number = moved(client_);
  EXPECT_ERRNO(ENOENT, call(client_));
  EXPECT_ERRNO(ENOENT, take());
  finish(number);
}

TEST_F(Order, TheServerAnswersOnlyWhatItWasOffered) {
  offered_ = make_header(TPOPT_REDI_BDOK, AF_INET, 5'000);
  offered_.fd_server = 5'000;
  EXPECT_ERRNO(ENOENT, answer());
  offered_.fd_server = -1;
  EXPECT_ERRNO(ENOENT, answer());
  offered_.fd_server = static_cast<short>(listening_);
  EXPECT_ERRNO(ENOENT, answer());
  EXPECT_ERRNO(ENOENT, take());
}

TEST_F(Order, TheServerTakesOnlyWhatItAccepted) {
  offered(client_);
  EXPECT_ERRNO(EPROTO, take());
  EXPECT_STEP(answer());
  EXPECT_ERRNO(EPROTO, answer());
  EXPECT_ERRNO(EPROTO, answer(REDBIND_REFUSED));
  go_on_from_answer();
}

TEST_F(Order, TheServerAnswersWithTheFamilyItWasTold) {
  offered(client_);
  const cmsg_redhdr right = offered_;
  offered_.domain = AF_INET6;
  EXPECT_ERRNO(EAFNOSUPPORT, answer());
  offered_ = right;
  EXPECT_ERRNO(EINVAL, answer(REDBIND_OK + 1));
  EXPECT_STEP(answer());
  offered_.domain = AF_INET6;
  EXPECT_ERRNO(EAFNOSUPPORT, take());
  offered_ = right;
  go_on_from_answer();
}

TEST_F(Order, TheListenerNamesTheFamilyInEachStep) {
  answered(client_);
  Connection wrong{{}, client_.number, AF_INET6};
  EXPECT_ERRNO(EAFNOSUPPORT, await_answer(wrong));
  EXPECT_STEP(await_answer(client_));
  EXPECT_ERRNO(EAFNOSUPPORT, call(wrong));
  go_on_from_stop();
}

TEST_F(Order, AnAnswerOverAnotherLinkFindsNoMove) {
  const LinkNumbers second = open_link(*listener_, *server_, listening_);
  offered(client_);
  EXPECT_ERRNO(
      ENOENT,
      server_->call([link = second.in_server, offered = offered_] { return system_tests::answer(link, offered, 0); })
          .value);
  EXPECT_ERRNO(ENOENT, listener_
                           ->call([link = second.in_listener, number = client_.number] {
                             return system_tests::await_answer(link, number, AF_INET);
                           })
                           .value);
  EXPECT_STEP(answer());
  close_in(*listener_, {second.in_listener});
  close_in(*server_, {second.in_server});
  go_on_from_answer();
}

TEST_F(Order, UserDataWhereAFrameIsExpectedAndTheReverse) {
  EXPECT_EQ(listener_->call([link = link_.in_listener] { return soc_send(link, "text", 4, 0); }).value, 4);
  EXPECT_STEP(offer(client_));
  EXPECT_ERRNO(ENOMSG, receive_offer());
  const auto read_text = [](Agent& agent, int link) {
    return agent.call([=] {
      char text[8];
      return soc_read(link, text, sizeof text);
    });
  };
  EXPECT_EQ(read_text(*server_, link_.in_server).value, 4);
  const auto in_front = read_text(*server_, link_.in_server);
  EXPECT_EQ(in_front.value, -1);
  EXPECT_EQ(in_front.error, EIO);
  EXPECT_STEP(receive_offer());
  EXPECT_EQ(server_->call([link = link_.in_server] { return soc_send(link, "other", 5, 0); }).value, 5);
  EXPECT_STEP(answer());
  EXPECT_ERRNO(ENOMSG, await_answer(client_));
  EXPECT_EQ(read_text(*listener_, link_.in_listener).value, 5);
  const auto answer_in_front = read_text(*listener_, link_.in_listener);
  EXPECT_EQ(answer_in_front.value, -1);
  EXPECT_EQ(answer_in_front.error, EIO);
  go_on_from_answer();
}

TEST_F(Order, WhereSeveralAreStoppedTheCallHasToNameOne) {
  const Connection second = connect_client();
  stopped(client_);
  const cmsg_redhdr first_offer = offered_;
  stopped(second);
  const auto call_nobody = [this] {
    return listener_->call([link = link_.in_listener] { return system_tests::call(link, -1, 0); }).value;
  };
  EXPECT_ERRNO(EINVAL, call_nobody());
  EXPECT_STEP(call(second));
  const Step taken = take();
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_STEP(outcome(second));
  expect_serves(*server_, taken.header.fd_server, second);
  // Now there is only one.
  EXPECT_STEP(call_nobody());
  offered_ = first_offer;
  close_in(*listener_, {second.number});
  close_in(*server_, {taken.header.fd_server});
  go_on_from_call();
}

}  // namespace
}  // namespace baton::system_tests
