// SPDX-License-Identifier: MIT
// baton: handoff/server_machine.hpp: the server's half of one move.
//
// Sans-I/O: events in, the one thing to do next out.
// Invariant: S owns the end point in Taken only. In Called it holds a descriptor that it neither reads nor writes.
// Commit:    CALL commits for L's death: a dead L cannot take the end point back, so S takes it, also behind a CANCEL
//            that S has not answered. While L lives, what S does first wins: TAKEN or CANCELLED.
// Threads:   distinct objects are independent; one object, one thread at a time.
//
//   (OFFER read)        accept: SendAnswer          CALL                take: SendTaken
//      Offered ----------------------> Accepted ----------> Called -------------------> Taken
//         | refuse: SendAnswer            |                   | fail: SendTaken (not taken)
//         +--------------> Refused <------|-------------------+
//         | CANCEL: SendCancelled         | CANCEL            | CANCEL while L lives: SendCancelled,
//         |                               |                   |                       drop the descriptor
//         +--------------> Cancelled <----+-------------------+
//         | link ended                    | link ended
//         +--------------> Ended <--------+                     (Called: the link's end changes nothing)
//   Offered, Accepted, Called -- give up: SendAnswer, None, SendTaken (not taken) --> Refused
//   express moves begin in Called.
//
//   held moves begin in Held: checked and parked, and L's until the COMMIT of their group has been read.
//      Held -- COMMIT (committed) --> Called, and on as above
//      Held -- fail: SendTaken (not taken) --> Refused;  give up: SendAbort, for the whole group --> Refused
//      Held -- ABORT (aborted) --> Cancelled;  link ended, L dead --> Ended: drop the descriptor
#pragma once

#include "handoff/frames.hpp"

namespace baton::handoff {

enum class ServerState { Offered, Accepted, Held, Called, Taken, Refused, Cancelled, Ended };

enum class ServerStep {
  None,
  SendAnswer,
  SendTaken,      // with the outcome
  SendCancelled,  // and drop the descriptor if there is one
  SendAbort,      // the group of the move is off
  Violation,      // the peer sent what it may not send now; what came with it is closed
};

class ServerMachine {
 public:
  enum class Manner { Seed, Express, Held };
  explicit ServerMachine(Manner manner) noexcept
      : state_{manner == Manner::Seed   ? ServerState::Offered
               : manner == Manner::Held ? ServerState::Held
                                        : ServerState::Called} {}

  [[nodiscard]] ServerState state() const noexcept { return state_; }
  [[nodiscard]] bool ended() const noexcept;

  /// S answers the OFFER. Violation: there is none to answer any more.
  [[nodiscard]] ServerStep answer(bool accept) noexcept;
  /// CALL of L.
  [[nodiscard]] ServerStep call() noexcept;
  /// CANCEL of L. `listener_alive`: L's process has not ended.
  [[nodiscard]] ServerStep cancel(bool listener_alive) noexcept;
  /// S takes the end point: TAKEN is to be queued, then the descriptor put in place.
  [[nodiscard]] ServerStep take() noexcept;
  /// S cannot or will not take what was called.
  [[nodiscard]] ServerStep fail() noexcept;
  /// S no longer wants it. An OFFER is refused, a CALL declined; between the two nothing can be said: the CALL, when it
  /// comes, finds no move.
  [[nodiscard]] ServerStep give_up() noexcept;
  /// COMMIT of L for the move's group: what CALL is to a move of its own.
  [[nodiscard]] ServerStep committed() noexcept;
  /// The group of the move is off. Nothing is to be said: L has it back.
  void aborted() noexcept;
  /// The link has been read to its end.
  void link_ended() noexcept;

 private:
  ServerState state_;
};

[[nodiscard]] const char* name_of(ServerState state) noexcept;

}  // namespace baton::handoff
