// SPDX-License-Identifier: MIT
#include "handoff/unread.hpp"

#include <gtest/gtest.h>

#include <array>

namespace baton::handoff {
namespace {

CallItem item_of(Family family) {
  CallItem item;
  item.image = {.position = {.consumed = 3, .written = 0, .tcp_state = 1}, .cookie = 77};
  item.family = family;
  item.descriptor = 9;
  return item;
}

TEST(Unread, IsReadAsItWasWritten) {
  std::array<std::byte, small_frame> room;
  for (const Family family : {Family::Inet, Family::Inet6}) {
    const auto call = unread_call_in(encode_unread_call(room, item_of(family)));
    ASSERT_TRUE(call);
    EXPECT_EQ(call->item.kind, Kind::UnreadConnectRequest);
    EXPECT_EQ(call->item.family, family);
    EXPECT_EQ(call->item.image, item_of(family).image);
  }
}

TEST(Unread, NoOtherMessageIsOne) {
  std::array<std::byte, small_frame> room;
  EXPECT_FALSE(unread_call_in({}));
  EXPECT_FALSE(unread_call_in(encode_unread_call(room, item_of(Family::Iso))));
  CallItem item = item_of(Family::Inet);
  EXPECT_FALSE(unread_call_in(encode_call(room, 1, true, {&item, 1}, {}, 0)));  // a connection, not this kind
  item.kind = Kind::UnreadConnectRequest;
  EXPECT_FALSE(unread_call_in(encode_call(room, 1, false, {&item, 1}, {}, 0)));
  const std::array two{item, item};
  EXPECT_FALSE(unread_call_in(encode_call(room, 1, true, two, {}, 0)));
  const TakenItem taken{1, TakeOutcome::Taken, 9};
  EXPECT_FALSE(unread_call_in(encode(room, std::span{&taken, 1})));
}

TEST(Unread, TheGiverBelievesTheAnswer) {
  std::array<std::byte, small_frame> room;
  const UnreadCall call{1, item_of(Family::Inet)};
  for (const auto outcome : {TakeOutcome::Taken, TakeOutcome::NoCredit, TakeOutcome::Touched})
    EXPECT_EQ(UnreadGiver::said(encode_unread_answer(room, call, outcome)), outcome);
  EXPECT_EQ(UnreadGiver::said({}), TakeOutcome::Declined);
  EXPECT_EQ(UnreadGiver::said(encode_unread_call(room, call.item)), TakeOutcome::Declined);
  const std::array two{TakenItem{1, TakeOutcome::Taken, 9}, TakenItem{2, TakeOutcome::Taken, 9}};
  EXPECT_EQ(UnreadGiver::said(encode(room, two)), TakeOutcome::Declined);
}

TEST(Unread, SilenceDecidesOnlyOnceNothingCanBeSaid) {
  UnreadGiver giver;
  EXPECT_EQ(giver.silent(), std::nullopt);
  giver.shut();
  EXPECT_EQ(giver.silent(), TakeOutcome::Declined);
  EXPECT_EQ(UnreadGiver::ended(), TakeOutcome::Declined);
}

TEST(Unread, IsRefusedWithoutADescriptorASecondTimeAndWithoutRoom) {
  EXPECT_EQ(refusal_of({.descriptors = 0, .has_room = true}), TakeOutcome::NoDescriptor);
  EXPECT_EQ(refusal_of({.descriptors = 2, .has_room = true}), TakeOutcome::NoDescriptor);
  EXPECT_EQ(refusal_of({.descriptors = 1, .known = true, .has_room = true}), TakeOutcome::WrongCookie);
  EXPECT_EQ(refusal_of({.descriptors = 1}), TakeOutcome::NoCredit);
  EXPECT_EQ(refusal_of({.descriptors = 1, .has_room = true}), std::nullopt);
}

TEST(Unread, IsTakenOnlyIfTheAnswerCouldBeSent) {
  EXPECT_TRUE(is_taken(TakeOutcome::Taken, true));
  EXPECT_FALSE(is_taken(TakeOutcome::Taken, false));
  EXPECT_FALSE(is_taken(TakeOutcome::NoCredit, true));
}

}  // namespace
}  // namespace baton::handoff
