// SPDX-License-Identifier: MIT
// baton: capi/moving.hpp: from a number of the program to the move of its end point.
//
// Threads: any.
#pragma once

#include "capi/resolve.hpp"

namespace baton::capi {

/// Ids for moves of this end of the link, `count` in a row, as one CALL has them: the first. Unique on every link, and
/// the same in the traces of both processes: the process in the upper half, in the lower the end of the link, for in
/// two namespaces both processes may have one number, and a counter.
[[nodiscard]] handoff::MoveId next_ids(const endpoint::Link& link, std::size_t count);

/// Checks that `number` names an end point that can be moved, and describes it. Nothing has happened to it yet.
/// BadDescriptor; NotStream, OtherFamily, Listening (AF_ISO), NotConnected, UpperLayer, Urgent, Busy,
/// AlreadyMoving, OtherProcess. For an express move the number is taken over, and the position read.
[[nodiscard]] endpoint::Result<std::shared_ptr<endpoint::GivenMove>> make_move(
    const std::shared_ptr<endpoint::Link>& link, int number, handoff::ListenerMachine::Manner manner,
    handoff::MoveId id);

/// Undoes a move that was not sent, or an express one that came back: the number, where it was taken over, is the
/// program's again. Takes the link's lock.
void unmake_move(endpoint::GivenMove& move);

}  // namespace baton::capi
