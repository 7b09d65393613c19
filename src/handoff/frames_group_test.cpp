// SPDX-License-Identifier: MIT
// Frames of groups, and blobs in a CALL.
#include "handoff/frames.hpp"

#include <gtest/gtest.h>

#include "handoff/frames_for_tests.hpp"

namespace baton::handoff {
namespace {

TEST(DecodeFrame, ReadsTheFramesOfAGroup) {
  const auto with_count = [](int type, Octets count) { return Builder{type, move}.field(count_tag, count).octets(); };
  EXPECT_EQ(decoded<Held>(with_count(held_type, hex("000007d1"))).count, 2001U);
  EXPECT_EQ(decoded<Commit>(with_count(commit_type, hex("000007d1"))).count, 2001U);
  EXPECT_EQ(decoded<Complete>(with_count(complete_type, hex("000007d1"))).count, 2001U);
  (void)decoded<Abort>(Builder{abort_type, move}.octets());
  for (const int type : {held_type, commit_type, complete_type}) {
    expect_error(with_count(type, hex("00000000")), FrameError::Field);  // no group is empty
    expect_error(with_count(type, hex("0007d1")), FrameError::Field);
    expect_error(Builder{type, move}.octets(), FrameError::Field);
  }
}

/// A CALL of a group: one blob in the frame, and a larger one in a memfd.
struct HeldCall {
  Octets first = first_item, second = first_item;
  Octets group = hex("0102030405060708"), memfds = hex("0001"), blobs = hex("b0b1b2");
  int flags = express | held;
  HeldCall() {
    const Octets start = copy(Bytes{first_item}.first(40));
    first = start + hex("00000000 00000000 00000003 00");
    second = start + hex("00000000 00000000 01000000 01");
  }
  [[nodiscard]] Octets octets() const {
    Builder frame{call_type, move, flags};
    if (!memfds.empty()) frame.field(memfds_tag, memfds);
    frame.field(call_tag, records_head(call_record, 2) + first + second);
    if (!group.empty()) frame.field(group_tag, group);
    return frame.field(blobs_tag, blobs).octets();
  }
};

TEST(DecodeFrame, ReadsACallOfAGroupWithBlobs) {
  const Octets octets = HeldCall{}.octets();
  const auto call = decoded<Call>(octets);
  EXPECT_EQ(call.group, move);
  EXPECT_EQ(call.memfds, 1U);
  EXPECT_EQ(copy(call.blobs), hex("b0b1b2"));
  EXPECT_EQ(call.items[0].blob, 3U);
  EXPECT_FALSE(call.items[0].blob_apart);
  EXPECT_EQ(call.items[1].blob, 16U * 1024 * 1024);
  EXPECT_TRUE(call.items[1].blob_apart);
}

TEST(DecodeFrame, RefusesACallWhoseBlobsOrGroupDoNotAgree) {
  const auto refused = [](auto change) {
    HeldCall call;
    change(call);
    expect_error(call.octets(), FrameError::Field);
  };
  refused([](HeldCall& call) { call.memfds = hex("0002"); });
  refused([](HeldCall& call) { call.memfds = {}; });
  refused([](HeldCall& call) { call.memfds = hex("ffff"); });
  refused([](HeldCall& call) { call.blobs = hex("b0b1"); });
  refused([](HeldCall& call) { call.blobs = hex("b0b1b2b3"); });
  refused([](HeldCall& call) { call.group = {}; });
  refused([](HeldCall& call) { call.group = hex("0000000000000000"); });
  refused([](HeldCall& call) { call.flags = express; });  // no group, and a field that names one
  refused([](HeldCall& call) { call.flags = held; });
  refused([](HeldCall& call) { call.second = first_item; });  // none comes apart
  // More than a memfd may bring.
  refused([](HeldCall& call) { call.second = copy(Bytes{call.second}.first(call_record - 5)) + hex("01000001 01"); });
}

}  // namespace
}  // namespace baton::handoff
