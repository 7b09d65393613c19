// SPDX-License-Identifier: MIT
// baton: handoff/listener_machine.hpp: the listener's half of one move.
//
// Sans-I/O: events in, the one thing to do next out. The caller owns the descriptor and does what it is told.
// Invariant: L owns the end point in every state but Moved and Abandoned.
//            From Stopped on no new call of L reaches the stream.
// Failure:   every end but Moved, Abandoned leaves the end point with L; once S may have held it (after the call),
//            only after L has found the stream untouched.
// Threads:   distinct objects are independent; one object, one thread at a time.
//
//   (offer)            answer accepted            called
//     |  Offered -------------------> Stopped ------------> InDoubt -----------------+
//     |     |                            |                    | cancel (SendCancel)  |
//     |     | answer refused             | cancel             v                      | taken: LetGo
//     |     | cancel (SendCancel)        | (SendCancel)    Cancelling ---------------+-----------> Moved
//     |     | link ended                 | link ended         |                      |
//     |     v                            v                    | refused, cancelled,  | refused, cancelled,
//     +-> Returned <---------------------+                    | server gone: Verify  | server gone: Verify
//              ^ (KeepEndPoint, LiftStop)                     |                      |
//              +----------------------------------------------+----------------------+
//   express moves begin in InDoubt. InDoubt, Cancelling -- abandon: LetGo --> Abandoned.
//   InDoubt, Cancelling -- S gives its group up (group_refused): Verify --> Returned.
//
//   held moves begin in Held: S may have a descriptor, and L owns the end point until the commit of its group.
//      Held -- COMMIT queued (committed) --> InDoubt, and on as above
//      Held -- aborted, refused, group_refused, link ended, server gone: Verify --> Returned
//      Held -- TAKEN: Violation: S may not take before the commit
//   In doubt, the end of the link alone decides nothing: a forked child of S may hold it, or S may have taken before.
#pragma once

#include "handoff/frames.hpp"

namespace baton::handoff {

enum class ListenerState { Offered, Stopped, Held, InDoubt, Cancelling, Moved, Returned, Abandoned };

/// What the caller does next.
enum class ListenerStep {
  None,
  StopData,      // the data stop begins: park the descriptor
  KeepEndPoint,  // the move is off; the end point was never stopped
  LiftStop,      // the move is off; nobody else ever held the end point: put it back
  SendCancel,    // before the call the move is off as well (see state()); in doubt its outcome is still to come
  Verify,        // the end point is ours again if its stream is untouched
  LetGo,         // close every duplicate
  Violation,     // the peer sent what it may not send now; nothing changes
};

class ListenerMachine {
 public:
  enum class Manner { Seed, Express, Held };
  explicit ListenerMachine(Manner manner) noexcept
      : state_{manner == Manner::Seed   ? ListenerState::Offered
               : manner == Manner::Held ? ListenerState::Held
                                        : ListenerState::InDoubt} {}

  [[nodiscard]] ListenerState state() const noexcept { return state_; }
  /// Nothing can happen any more.
  [[nodiscard]] bool ended() const noexcept;
  /// Called, outcome unknown: L keeps a duplicate.
  [[nodiscard]] bool in_doubt() const noexcept {
    return state_ == ListenerState::InDoubt || state_ == ListenerState::Cancelling;
  }

  /// ANSWER of S.
  [[nodiscard]] ListenerStep answer(bool accepted) noexcept;
  /// The CALL has been queued on the link.
  [[nodiscard]] ListenerStep called() noexcept;
  /// TAKEN of S.
  [[nodiscard]] ListenerStep taken(TakeOutcome outcome) noexcept;
  /// CANCELLED of S.
  [[nodiscard]] ListenerStep cancelled() noexcept;
  /// The link has been read to its end.
  [[nodiscard]] ListenerStep link_ended() noexcept;
  /// S's process is dead and the link holds no more frames.
  [[nodiscard]] ListenerStep server_gone() noexcept;
  /// L wants the end point back. Before the call: SendCancel, and the caller lifts the stop if there was one.
  [[nodiscard]] ListenerStep cancel() noexcept;
  /// The COMMIT of its group has been queued on the link: what CALL is to a move of its own.
  [[nodiscard]] ListenerStep committed() noexcept;
  /// Its group is off before the commit: L has it back without asking, for S owns nothing of it.
  [[nodiscard]] ListenerStep aborted() noexcept;
  /// ABORT of S, which may have crossed the COMMIT: S keeps nothing of the group.
  [[nodiscard]] ListenerStep group_refused() noexcept;
  /// L lets go without knowing.
  [[nodiscard]] ListenerStep abandon() noexcept;

 private:
  ListenerStep end(ListenerState state, ListenerStep step) noexcept {
    state_ = state;
    return step;
  }

  ListenerState state_;
};

[[nodiscard]] const char* name_of(ListenerState state) noexcept;

}  // namespace baton::handoff
