// SPDX-License-Identifier: MIT
// Groups of held moves, both sides: endpoint/giving_group.cpp and taking_group.cpp.
#include <algorithm>
#include <utility>

#include "driver.hpp"

namespace baton::sim {

using handoff::FrameType;
using handoff::GroupState;
using handoff::ListenerState;
using handoff::ListenerStep;
using handoff::ServerMachine;
using handoff::ServerState;
using handoff::ServerStep;
using handoff::TakeOutcome;

// --- The listener's side --------------------------------------------------------------------------------------------

bool Driver::may_hold(Id first, std::size_t count) const {
  const Side& mine = side();
  if (mine.sending.group != none || !are_ready(first, count, Manner::Held)) return false;
  if (mine.given_group) return mine.given_group->state() == GroupState::Open;
  // One at a time: the one before has not ended for each of its moves.
  return std::ranges::none_of(mine.given, [](const Given& given) { return given.group != none; });
}

void Driver::begin_to_hold(Id first, std::size_t count) {
  Side& mine = side();
  if (!mine.given_group) mine.given_group.emplace(first);
  mine.sending = {static_cast<Id>(mine.given_group->id()), FrameType::Call, first, static_cast<std::uint8_t>(count)};
  // Spent before it waits for room: another thread may give meanwhile.
  mine.credit = static_cast<std::uint8_t>(mine.credit - count);
  for (std::size_t i = 0; i < count; ++i) {
    const Id move = static_cast<Id>(first + i);
    world_.attempts[move].used = true;
    world_.processes[process()].numbers[connection_of(move)] = Number::None;  // the library's now
  }
}

bool Driver::may_complete() const {
  const Side& mine = side();
  return mine.sending.group == none && mine.given_group && mine.given_group->state() == GroupState::Open && usable();
}

void Driver::begin_to_complete() {
  const handoff::Group& group = *side().given_group;
  side().sending = {static_cast<Id>(group.id()), FrameType::Complete, 0, static_cast<std::uint8_t>(group.size())};
}

bool Driver::may_commit() const {
  const Side& mine = side();
  if (mine.sending.group != none || !mine.given_group || !usable()) return false;
  return mine.given_group->state() == GroupState::Ready ||
         (mutated(Mutant::CommitsUnready) && mine.given_group->state() == GroupState::Complete);
}

void Driver::begin_to_commit() {
  handoff::Group& group = *side().given_group;
  if (group.state() == GroupState::Complete) (void)group.ready(group.size());
  side().sending = {static_cast<Id>(group.id()), FrameType::Commit, 0, static_cast<std::uint8_t>(group.size())};
}

void Driver::number_back(Id first, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    world_.processes[process()].numbers[connection_of(static_cast<Id>(first + i))] = Number::Real;
}

/// There is room, or there never will be. The group may be off by now: then S drops what comes for it.
void Driver::send_for_group() {
  Side& mine = side();
  const Sending what = std::exchange(mine.sending, {});
  Frame frame;
  if (what.type == FrameType::Call) {
    frame = call_of(what.first, what.count, what.group);
  } else {
    frame.type = what.type;
    frame.move = what.group;
    frame.more = what.count;
  }
  const bool queued = send(frame) == Sent::Queued;
  const bool off = !mine.given_group;
  if (what.type == FrameType::Call) {
    if (!queued) mine.credit = static_cast<std::uint8_t>(mine.credit + what.count);
    if (queued && !off) {
      world_.require(mine.given_group->add(what.count), "the group of L is complete already");
      return keep_given(frame);
    }
    number_back(what.first, what.count);
    // It was the first of its group, perhaps: S heard of the end before the beginning.
    if (queued && !mutated(Mutant::LeavesLateCall)) send_abort(what.group);
    if (!off && mine.given_group->size() == 0) mine.given_group.reset();
  } else if (queued && !off && what.type == FrameType::Complete) {
    world_.require(mine.given_group->complete(frame.more), "the group of L cannot be completed");
  } else if (queued && !off) {
    world_.require(mine.given_group->commit(frame.more), "the group of L cannot be committed");
    mine.given_group.reset();
    for (Given& given : mine.given) {
      if (given.machine.state() != ListenerState::Held) continue;
      world_.require(given.machine.committed() == ListenerStep::None, "the machine of L refuses the commit");
      if (mutated(Mutant::LetsGoAtCommit)) drop_real(given);
    }
  }
  if (!queued) not_sent();
}

/// The call has no more time.
void Driver::stop_sending() {
  Side& mine = side();
  const Sending what = std::exchange(mine.sending, {});
  if (what.type != FrameType::Call) return;
  mine.credit = static_cast<std::uint8_t>(mine.credit + what.count);
  number_back(what.first, what.count);
  if (mine.given_group && mine.given_group->size() == 0) mine.given_group.reset();
}

void Driver::send_abort(Id group) {
  Frame frame;
  frame.type = FrameType::Abort;
  frame.move = group;
  reply(frame);
}

bool Driver::can_abort_given() const {
  if (!side().number || side().lost) return false;
  if (mutated(Mutant::AbortsCommitted) && std::ranges::any_of(side().given, [](const Given& given) {
        return given.group != none && given.machine.in_doubt();
      }))
    return true;
  return side().given_group.has_value();
}

void Driver::abort_given() {
  if (!side().given_group) {  // Mutant::AbortsCommitted
    for (std::size_t at = side().given.size(); at-- > 0;)
      if (side().given[at].group != none) act(at, side().given[at].machine.group_refused());
    return;
  }
  if (!mutated(Mutant::ForgetsAbortOfListener)) send_abort(static_cast<Id>(side().given_group->id()));
  group_off();
}

void Driver::group_off() {
  Side& mine = side();
  if (!mine.given_group || !mine.given_group->off()) return;
  mine.given_group.reset();
  for (std::size_t at = mine.given.size(); at-- > 0;)
    if (mine.given[at].machine.state() == ListenerState::Held) act(at, mine.given[at].machine.aborted());
}

void Driver::on_held(const Frame& frame) {
  Side& mine = side();
  if (!mine.given_group || mine.given_group->id() != frame.move) return;  // of one that is off by now
  world_.require(mine.given_group->ready(frame.more), "S is ready for another group than was held");
}

void Driver::on_abort(Id group) {
  Side& mine = side();
  if (mine.taken_group && mine.taken_group->id() == group) {
    if (awaits_commit()) drop_group();
    return;
  }
  if (mutated(Mutant::KeepsTheRest)) return;
  if (mine.given_group && mine.given_group->id() == group) return group_off();
  // It crossed our COMMIT: S had given the group up before it read that.
  for (std::size_t at = mine.given.size(); at-- > 0;)
    if (mine.given[at].group == group) act(at, mine.given[at].machine.group_refused());
}

// --- The server's side ----------------------------------------------------------------------------------------------

/// Whether the CALL belongs to the group that is open.
bool Driver::admit_held(const Frame& frame) {
  Side& mine = side();
  if (frame.move == frame.group) {
    // One that is committed, and of which the program has closed each number, is over.
    const bool over = mine.taken_group && !awaits_commit() && !mutated(Mutant::KeepsEmptyGroup) &&
                      std::ranges::none_of(mine.awaited, [](const Awaited& each) { return each.group != none; });
    world_.require(!mine.taken_group || over, "a second group begins before the first has ended");
    mine.taken_group.emplace(frame.group);
  }
  if (!mine.taken_group || mine.taken_group->id() != frame.group) return false;  // of one that is given up
  world_.require(mine.taken_group->add(frame.items.size()), "a held CALL behind COMPLETE");
  return true;
}

void Driver::on_complete(const Frame& frame) {
  Side& mine = side();
  if (!mine.taken_group || mine.taken_group->id() != frame.move) return;
  world_.require(mine.taken_group->complete(frame.more), "COMPLETE of another number than was held");
}

void Driver::on_commit(const Frame& frame) {
  Side& mine = side();
  if (!mine.taken_group || mine.taken_group->id() != frame.move) return;  // our ABORT is on its way
  world_.require(mine.taken_group->commit(frame.more), "COMMIT before HELD, or of another number");
  for (Awaited& awaited : mine.awaited)
    if (awaited.group != none)
      world_.require(awaited.machine.committed() == ServerStep::None, "the machine of S refuses the commit");
}

bool Driver::can_park() const {
  return side().number && !side().lost && !side().arrived.empty() && side().arrived.front().group != none;
}

void Driver::park() {
  Side& mine = side();
  const Arrival arrival = mine.arrived.front();
  if (const TakeOutcome outcome = check(arrival.item); outcome != TakeOutcome::Taken) {
    reply_taken(arrival.item.move, outcome);
    return refuse_group();
  }
  mine.arrived.erase(mine.arrived.begin());
  Awaited& awaited = mine.awaited.emplace_back();
  awaited.move = arrival.item.move;
  awaited.group = arrival.group;
  awaited.machine = ServerMachine{ServerMachine::Manner::Held};
  awaited.arrived = true;
  awaited.item = arrival.item;
  top_up_credit();
}

bool Driver::can_say_ready() const {
  const Side& mine = side();
  if (!mine.taken_group || mine.taken_group->state() != GroupState::Complete || !mine.number || mine.lost) return false;
  const bool all_parked =
      std::ranges::none_of(mine.arrived, [](const Arrival& arrival) { return arrival.group != none; });
  return (all_parked || mutated(Mutant::ReadyTooEarly)) && has_room();
}

void Driver::say_ready() {
  Side& mine = side();
  Frame frame;
  frame.type = FrameType::Held;
  frame.move = static_cast<Id>(mine.taken_group->id());
  frame.more = static_cast<std::uint8_t>(mine.taken_group->size());
  if (send(frame) != Sent::Queued) return drop_group();  // L is gone: it has not committed
  (void)mine.taken_group->ready(frame.more);
  if (mutated(Mutant::UsesBeforeCommit))
    for (const Awaited& awaited : mine.awaited)
      if (awaited.group != none) settle(awaited.item);
}

bool Driver::can_take_group() const {
  const Side& mine = side();
  return mine.taken_group && mine.taken_group->state() == GroupState::Committed && mine.number && !mine.lost &&
         has_room();
}

void Driver::take_group(std::size_t count) {
  Side& mine = side();
  Frame frame;
  frame.type = FrameType::Taken;
  std::vector<Item> taken;
  for (auto awaited = mine.awaited.begin(); awaited != mine.awaited.end() && frame.items.size() < count;) {
    if (awaited->group == none || awaited->machine.state() != ServerState::Called) {
      ++awaited;
      continue;
    }
    const Item item = awaited->item;
    // Once more: it has been L's since it was parked.
    const TakeOutcome outcome = mutated(Mutant::TakesGroupUnchecked) ? TakeOutcome::Taken : check(item);
    frame.items.push_back({item.move, none, none, {}, outcome});
    if (outcome == TakeOutcome::Taken) {
      world_.require(awaited->machine.take() == ServerStep::SendTaken, "the machine of S refuses to take");
      taken.push_back(item);
    } else {
      world_.require(awaited->machine.fail() == ServerStep::SendTaken, "the machine of S does not fail");
      books_given_back(world_, process(), item.move, !mine.ended);
      close_descriptor(world_, process(), item.connection);
    }
    awaited = mine.awaited.erase(awaited);
  }
  if (!frame.items.empty() && send(frame) == Sent::Broken)
    for (const Item& item : taken) books_taken_unheard(world_, process(), item.connection);
  for (const Item& item : taken) settle(item);
  if (std::ranges::any_of(mine.awaited, [](const Awaited& awaited) { return awaited.group != none; })) return;
  mine.taken_group.reset();
  top_up_credit();
}

void Driver::drop_group() {
  Side& mine = side();
  if (!mine.taken_group || !mine.taken_group->off()) return;
  mine.taken_group.reset();
  std::erase_if(mine.awaited, [&](Awaited& awaited) {
    if (awaited.group == none) return false;
    awaited.machine.aborted();
    close_descriptor(world_, process(), awaited.item.connection);
    return true;
  });
  std::erase_if(mine.arrived, [&](const Arrival& arrival) {
    if (arrival.group == none) return false;
    close_descriptor(world_, process(), arrival.item.connection);
    return true;
  });
}

void Driver::refuse_group() {
  if (!awaits_commit()) return;
  const Id group = static_cast<Id>(side().taken_group->id());
  books_called_off(world_, group);
  for (Id move = 0; move < world_.attempts.size(); ++move)
    if (world_.attempts[move].group == group) books_given_back(world_, process(), move, !side().ended);
  if (!mutated(Mutant::ForgetsAbortOfServer)) send_abort(group);
  if (mutated(Mutant::TakesBehindOwnAbort) && side().taken_group->state() == GroupState::Ready) return;
  drop_group();
}

bool Driver::can_abort_taken() const { return side().number && !side().lost && awaits_commit(); }

void Driver::abort_taken() {
  const Id group = static_cast<Id>(side().taken_group->id());
  for (Id move = 0; move < world_.attempts.size(); ++move)
    if (world_.attempts[move].group == group) books_given_up(setup_, world_, process(), move);
  refuse_group();
}

void Driver::give_up_group() {
  if (!side().taken_group) return;
  if (awaits_commit()) return abort_taken();
  while (std::ranges::any_of(side().awaited, [](const Awaited& awaited) { return awaited.group != none; }))
    decline(static_cast<std::size_t>(
        std::ranges::find_if(side().awaited, [](const Awaited& each) { return each.group != none; }) -
        side().awaited.begin()));
  side().taken_group.reset();
}

}  // namespace baton::sim
