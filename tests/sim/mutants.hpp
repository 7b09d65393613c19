// SPDX-License-Identifier: MIT
// baton: sim/mutants.hpp: bugs that can be planted into the drivers; the search has to find each.
#pragma once

#include <array>
#include <cstdint>

namespace baton::sim {

enum class Mutant : std::uint8_t {
  None,
  // Of L.
  ClosesBeforeTaken,      // its duplicate, as soon as the CALL is queued
  TakesBackOnLinkEnd,     // the end of the link alone decides
  TimeoutDecides,         // takes back instead of asking with CANCEL
  IgnoresTakenOfTheDead,  // takes back at S's death without reading the link to its end
  TakesBackUnverified,    // no comparison of the position
  ServesDuringDataStop,   // reads after the answer
  // Of S.
  UsesBeforeTaken,          // the end point is under its number before TAKEN is queued
  TakesBehindOwnCancelled,  // answers CANCELLED, and takes all the same
  KeepsAfterCancelled,      // answers CANCELLED, and forgets the descriptor
  CancelBeatsDeadListener,  // CANCEL behind the CALL of a dead L is obeyed
  RefusesDeadListener,      // no room for the descriptor of a dead L's CALL: refused, not tried again
  DropsUnansweredOnClose,   // the link is closed without a word on what was called
  LinkEndBeforeCall,        // a dead L's link counts as ended before it is read to its end
  TakesUnchecked,           // no comparison of the position
  // Found by this simulator in earlier versions of src/endpoint.
  DeafWhileInDoubt,         // closing a link that also takes: refuses the messages that its moves in doubt wait for
  ObeysUnhearing,           // answers a CANCEL, or refuses, where nobody can hear it any more: L is just dying
  ForgetsPromisedCredit,    // express, L dead, table full: the second try finds no credit
  BlockedLinkCountsAsRead,  // a CALL without room hides the TAKEN behind it: taken back
  DropsRepliesOnClose,      // closing a link forgets the replies that found no room in it
  WaitsForTheDead,          // TAKEN waits for room in a full link that only a child of the dead L holds
  StaysOutOfRoom,           // a CALL that found no room and was given up still counts as waiting
  // Of groups: L.
  ClosesHeldAtOnce,        // its duplicate, as soon as the held CALL is queued
  LetsGoAtCommit,          // ... as soon as COMMIT is queued
  CommitsUnready,          // without having heard HELD
  AbortsCommitted,         // takes the group back after COMMIT
  ForgetsAbortOfListener,  // takes the group back, and does not say so
  KeepsTheRest,            // one is refused: only that comes back
  HeldWaitsForDeath,       // the end of the link before COMMIT decides nothing
  // Of groups: S.
  UsesBeforeCommit,      // end points are under their numbers once HELD is queued
  ReadyTooEarly,         // HELD counts what has arrived, not what is parked
  TakesBehindOwnAbort,   // calls the group off, and takes it all the same when COMMIT comes
  ForgetsAbortOfServer,  // drops the group, and does not say so
  DeathBeforeCommit,     // a dead L's group counts as uncommitted before the link is read to its end
  TakesGroupUnchecked,   // no second comparison of the position
  // Of groups, found here or on the way here in earlier versions of src/endpoint.
  KeepsEmptyGroup,  // a committed group of which the program has closed each number stands in the way of the next
  LeavesLateCall,   // L: a first CALL that waited for room while its group went off opens it at S for ever
};

struct MutantName {
  Mutant mutant;
  const char* name;
};
inline constexpr std::array mutant_names{
    MutantName{Mutant::ClosesBeforeTaken, "L closes its duplicate before TAKEN"},
    MutantName{Mutant::TakesBackOnLinkEnd, "L takes back on the link's end alone"},
    MutantName{Mutant::TimeoutDecides, "L takes back on a timeout"},
    MutantName{Mutant::IgnoresTakenOfTheDead, "L ignores the TAKEN of a dead S"},
    MutantName{Mutant::TakesBackUnverified, "L takes back without looking at the position"},
    MutantName{Mutant::ServesDuringDataStop, "L reads during the data stop"},
    MutantName{Mutant::UsesBeforeTaken, "S uses before TAKEN is queued"},
    MutantName{Mutant::TakesBehindOwnCancelled, "S takes behind a CANCEL that it has answered"},
    MutantName{Mutant::KeepsAfterCancelled, "S answers CANCELLED and keeps the descriptor"},
    MutantName{Mutant::CancelBeatsDeadListener, "S obeys the CANCEL of a dead L"},
    MutantName{Mutant::RefusesDeadListener, "S refuses a dead L for want of a descriptor"},
    MutantName{Mutant::DropsUnansweredOnClose, "S closes the link without a word on what was called"},
    MutantName{Mutant::LinkEndBeforeCall, "S takes L's death for the end of the link before the CALL in it"},
    MutantName{Mutant::TakesUnchecked, "S takes without looking at the position"},
    MutantName{Mutant::DeafWhileInDoubt, "L refuses the messages that its moves in doubt wait for"},
    MutantName{Mutant::ObeysUnhearing, "S answers a CANCEL that nobody hears"},
    MutantName{Mutant::ForgetsPromisedCredit, "S forgets the credit of a dead L at the second try"},
    MutantName{Mutant::BlockedLinkCountsAsRead, "L takes a blocked link for one read to its end"},
    MutantName{Mutant::DropsRepliesOnClose, "S closes a full link and forgets its replies"},
    MutantName{Mutant::WaitsForTheDead, "S waits for a dead L to make room for TAKEN"},
    MutantName{Mutant::StaysOutOfRoom, "S counts a CALL as waiting that it has given up"},
    MutantName{Mutant::ClosesHeldAtOnce, "L closes its duplicate of a held end point"},
    MutantName{Mutant::LetsGoAtCommit, "L closes its duplicates at COMMIT"},
    MutantName{Mutant::CommitsUnready, "L commits before HELD"},
    MutantName{Mutant::AbortsCommitted, "L takes a group back after COMMIT"},
    MutantName{Mutant::ForgetsAbortOfListener, "L takes a group back without ABORT"},
    MutantName{Mutant::KeepsTheRest, "L goes on with a group of which one was refused"},
    MutantName{Mutant::HeldWaitsForDeath, "L keeps a group held at the end of the link"},
    MutantName{Mutant::UsesBeforeCommit, "S uses a group before COMMIT"},
    MutantName{Mutant::ReadyTooEarly, "S says HELD of what it has not parked"},
    MutantName{Mutant::TakesBehindOwnAbort, "S takes a group that it has called off"},
    MutantName{Mutant::ForgetsAbortOfServer, "S drops a group without ABORT"},
    MutantName{Mutant::DeathBeforeCommit, "S takes L's death for the end of the group before the COMMIT in the link"},
    MutantName{Mutant::TakesGroupUnchecked, "S takes a group without looking at the positions again"},
    MutantName{Mutant::KeepsEmptyGroup, "S keeps a group of which it has declined each move"},
    MutantName{Mutant::LeavesLateCall, "L leaves a CALL at S whose group went off while it waited for room"},
};

}  // namespace baton::sim
