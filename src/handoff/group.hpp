// SPDX-License-Identifier: MIT
// baton: handoff/group.hpp: how far a group of held moves is, on either side of its link.
//
// Sans-I/O. The end points have machines of their own; this is what they have in common.
// Invariant: before Committed all of it is L's, after it each move goes its own way. Nothing decides but frames, deaths
//            and the link's end: no time.
//
//   L:  Open --COMPLETE queued--> Complete --HELD read--> Ready --COMMIT queued--> Committed
//   S:  Open --COMPLETE read----> Complete --HELD queued--> Ready --COMMIT read--> Committed
//   both: Open, Complete, Ready -- ABORT of either side, a refusal, link ended, other side dead --> Off
// Threads: distinct objects are independent; one object, one thread at a time.
#pragma once

#include "handoff/frames.hpp"

namespace baton::handoff {

enum class GroupState { Open, Complete, Ready, Committed, Off };

class Group {
 public:
  explicit Group(MoveId id) noexcept : id_{id} {}
  /// Of its first move.
  [[nodiscard]] MoveId id() const noexcept { return id_; }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] GroupState state() const noexcept { return state_; }
  /// The commit has not been and may still come.
  [[nodiscard]] bool pending() const noexcept { return state_ < GroupState::Committed; }

  /// `count` more have gone or come. False: it is complete already.
  [[nodiscard]] bool add(std::size_t count) noexcept;
  /// COMPLETE has gone, or has come and says `count`. False: it may not now, or does not agree.
  [[nodiscard]] bool complete(std::uint32_t count) noexcept {
    return step(GroupState::Open, GroupState::Complete, count);
  }
  /// HELD has come, or has gone.
  [[nodiscard]] bool ready(std::uint32_t count) noexcept {
    return step(GroupState::Complete, GroupState::Ready, count);
  }
  /// COMMIT has gone, or has come.
  [[nodiscard]] bool commit(std::uint32_t count) noexcept {
    return step(GroupState::Ready, GroupState::Committed, count);
  }
  /// False: it is committed, and no longer to be called off.
  bool off() noexcept;

 private:
  bool step(GroupState from, GroupState to, std::uint32_t count) noexcept;

  MoveId id_;
  std::uint32_t size_ = 0;
  GroupState state_ = GroupState::Open;
};

}  // namespace baton::handoff
