// SPDX-License-Identifier: MIT
// baton: system/groups.hpp: groups from L to S on a link of their own, step by step.
//
// Threads: as system/agent.hpp.
#pragma once

#include "group_calls.hpp"
#include "hostile.hpp"

namespace baton::system_tests {

/// For what has to come.
inline constexpr int limit_ms = 20'000;

class Groups : public Hostile {
 protected:
  void SetUp() override {
    Hostile::SetUp();
    at_ = open_link(*listener_, *server_, listening_);
    EXPECT_EQ(server_->call([link = at_.in_server] { return soc_credit(link, 16); }).value, 16);
  }
  void TearDown() override {
    close_in(*listener_, {at_.in_listener});
    close_in(*server_, {at_.in_server});
    Hostile::TearDown();
  }
  Told hold(const Connection& one) {
    return listener_->call([link = at_.in_listener, number = one.number] { return hold_one(link, number); }).value;
  }
  Told give(int number) {
    return listener_->call([link = at_.in_listener, number] { return give_one(link, number); }).value;
  }
  Told take(int timeout_ms = limit_ms) {
    return server_->call([link = at_.in_server, timeout_ms] { return take_one(link, timeout_ms); }).value;
  }
  Reply<int> ready(int timeout_ms = limit_ms) {
    return server_->call([link = at_.in_server, timeout_ms] { return soc_ready(link, timeout_ms); });
  }
  Reply<int> commit(int timeout_ms = limit_ms) {
    return listener_->call([link = at_.in_listener, timeout_ms] { return soc_commit(link, timeout_ms); });
  }
  /// The next outcome at L.
  Told next_outcome() {
    return listener_->call([link = at_.in_listener] { return outcome_one(link, limit_ms); }).value;
  }
  void expect_back(const Connection& one, int error) {
    const Told told = next_outcome();
    EXPECT_EQ(told.value, 1);
    EXPECT_EQ(told.error, error);
    EXPECT_EQ(told.number, one.number);
    expect_serves(*listener_, one.number, one);
  }
  /// Up to HELD, which S has said; its number for the end point.
  int ready_for(const Connection& one) {
    EXPECT_EQ(hold(one).value, 1);
    return ready_for_held();
  }
  int ready_for_held() {
    EXPECT_EQ(commit(0).error, EWOULDBLOCK);
    const Told held = take();
    EXPECT_EQ(held.flags, SOC_HELD);
    EXPECT_EQ(take().flags, SOC_GROUP_END);
    EXPECT_EQ(ready(0).error, EWOULDBLOCK);
    return held.number;
  }
  /// A whole group of one, from L to S.
  void expect_moves(const Connection& one) { expect_commits(one, ready_for(one)); }
  void expect_commits(const Connection& one, int number) {
    EXPECT_EQ(commit().value, 0);
    EXPECT_EQ(ready().value, 1);
    EXPECT_EQ(next_outcome().error, 0);
    expect_serves(*server_, number, one);
    close_in(*server_, {number});
  }

  LinkNumbers at_;  // on which S takes groups
};

}  // namespace baton::system_tests
