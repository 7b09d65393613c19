// SPDX-License-Identifier: MIT
// baton: endpoint/unread_request.hpp: a TCP connection whose CR nobody has read, given to whoever has bound the TSAP.
//
// So several processes share one port: whoever has it looks who is called, and gives the connection on. The taker's
// program finds it in its accept, as if it had come to a port of its own.
//
//   giver                                                     listener of the TSAP
//   connects to its name ------------------------------------> backlog
//   express CALL of one item, Kind::UnreadConnectRequest ----> checked as every end point that comes
//   outcome() <------------------------------------ TAKEN, or not and why
//                                                              taken: reads the CR (iso_port.hpp)
//
// No CR and no HELLO go ahead: it is one question and one answer. Who owns the connection: the giver until TAKEN has
// been sent. A giver that has waited enough shuts its receiving side, after which no TAKEN can be sent, and looks once
// more whether one had been: so both always agree. A listener that dies before TAKEN leaves the connection with the
// giver.
#pragma once

#include <optional>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "endpoint/fault.hpp"
#include "handoff/unread.hpp"
#include "os/ancillary.hpp"
#include "tsap/selector.hpp"

namespace baton::endpoint {

/// The giver's side. Threads: distinct objects are independent.
class UnreadRequest {
 public:
  /// `connection` stays the caller's, who leaves it alone until there is an outcome. Never waits.
  /// ECONNREFUSED: nobody has bound the TSAP. EACCES: its user is not admitted here. EAGAIN: its backlog is full.
  /// Others: of socket(2), sendmsg(2), and where the connection has no position: it is over.
  static os::Result<UnreadRequest> give(const tsap::Selector& called, FdRef connection);

  /// Readable when there is an outcome.
  [[nodiscard]] FdRef descriptor() const noexcept { return link_.ref(); }
  /// Taken: the connection is the other process's; its last use here is close(2). NoCredit: it has no room for one
  /// more. Declined: it has ended, or closed the name, without taking it. Nothing: not yet.
  [[nodiscard]] std::optional<handoff::TakeOutcome> outcome();
  /// Waits no longer: Declined, or Taken if it had just been.
  [[nodiscard]] handoff::TakeOutcome give_up();
  /// Not taken: whether the stream is where it was. If not, the other process has used what was not its own, and the
  /// connection is best reset.
  [[nodiscard]] bool is_untouched(FdRef connection) const noexcept;

 private:
  UnreadRequest(UniqueFd link, const handoff::Position& position) noexcept
      : link_{std::move(link)}, position_{position} {}
  UniqueFd link_;
  handoff::UnreadGiver machine_;
  handoff::Position position_;
};

/// The listener's side: such a message has come, with what `received` holds, from a peer that connected to the name.
/// Answers; gives the connection if it is ours now, in blocking mode. `has_room`: for one more request.
[[nodiscard]] UniqueFd take_unread_request(FdRef from, const handoff::UnreadCall& call, os::Received& received,
                                           bool has_room);

}  // namespace baton::endpoint
