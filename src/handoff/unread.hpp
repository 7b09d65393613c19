// SPDX-License-Identifier: MIT
// baton: handoff/unread.hpp: who decides what when a connection whose CR nobody has read is given to a listener.
//
// Sans-I/O: endpoint/unread_request.hpp has the course of it, and makes the system calls.
// Invariant: the connection is the giver's until TAKEN has been sent, and the listener's from then on. No time decides:
//            a giver that has waited enough makes itself deaf first.
//
//   giver:  Asking --message, or end, read-----------------------> its outcome
//              | receiving side shut
//              v
//            Deaf --message, or end, or that there is none, read--> its outcome
// Threads: distinct objects are independent; one object, one thread at a time.
#pragma once

#include <optional>

#include "handoff/frames.hpp"

namespace baton::handoff {

class UnreadGiver {
 public:
  /// The receiving side is shut, after which no TAKEN can be sent. What had been sent is still to be read.
  void shut() noexcept { deaf_ = true; }
  /// A message has been read: what the listener says. Whatever is no answer declines.
  [[nodiscard]] static TakeOutcome said(Bytes message) noexcept;
  /// The listener has ended, or has closed its name, without a word.
  [[nodiscard]] static TakeOutcome ended() noexcept { return TakeOutcome::Declined; }
  /// There is nothing to read. Nothing: it may still come.
  [[nodiscard]] std::optional<TakeOutcome> silent() const noexcept;

 private:
  bool deaf_ = false;
};

/// A CALL that gives such a connection.
struct UnreadCall {
  MoveId move = 0;
  CallItem item;
};
/// `room`: at least small_frame.
[[nodiscard]] Bytes encode_unread_call(MutableBytes room, CallItem item);
/// The listener's side: what a message that came to a TSAP's name says; nothing: it is something else.
[[nodiscard]] std::optional<UnreadCall> unread_call_in(Bytes message) noexcept;

struct UnreadArrival {
  std::size_t descriptors = 0;  // that came with the message
  bool known = false;           // the descriptor is an end point of this process already
  bool has_room = false;        // for one more request
};
/// Why the listener does not take it; nothing: what the CALL says of the connection decides.
[[nodiscard]] std::optional<TakeOutcome> refusal_of(const UnreadArrival& arrival) noexcept;
/// The answer is due: the connection is the listener's if `answered`, which says that it could be sent.
[[nodiscard]] Bytes encode_unread_answer(MutableBytes room, const UnreadCall& call, TakeOutcome outcome);
[[nodiscard]] constexpr bool is_taken(TakeOutcome outcome, bool answered) noexcept {
  return answered && outcome == TakeOutcome::Taken;
}

}  // namespace baton::handoff
