// SPDX-License-Identifier: MIT
// The server's side: endpoint/taking.cpp.
#include <algorithm>

#include "driver.hpp"

namespace baton::sim {

using handoff::FrameType;
using handoff::ServerState;
using handoff::ServerStep;
using handoff::TakeOutcome;

bool Driver::can_answer(std::size_t at) const {
  return side().awaited[at].machine.state() == ServerState::Offered && usable() && has_room();
}

void Driver::answer(std::size_t at, bool accept) {
  Awaited& awaited = side().awaited[at];
  Frame frame;
  frame.type = FrameType::Answer;
  frame.move = awaited.move;
  frame.accepted = accept;
  if (send(frame) != Sent::Queued) return not_sent();
  world_.require(awaited.machine.answer(accept) == ServerStep::SendAnswer, "the machine of S refuses the answer");
  awaited.placeholder = accept;
  if (!accept) forget(at);
}

/// L can still take the end point back. Its process lives, and what is said now can be read.
bool Driver::listener_hears() const {
  if (mutated(Mutant::CancelBeatsDeadListener)) return true;
  const bool lives = world_.processes[peer()].life != Life::Dead;
  return lives && (mutated(Mutant::ObeysUnhearing) || !hung_up(world_, port_));
}

void Driver::receive_call(const Frame& frame, Table table) {
  End& mine = end();
  if (!frame.express)
    for (std::size_t at = 0; at < mine.side.awaited.size(); ++at)
      if (mine.side.awaited[at].move == frame.move && mine.side.awaited[at].machine.state() == ServerState::Accepted)
        return receive_seed_call(at, frame, table);
  Side& kept = mine.side;
  const std::size_t room = static_cast<std::size_t>(kept.promised) + kept.placeholders;
  const std::size_t granted = frame.express ? std::min(frame.items.size(), room) : 0;
  const std::size_t freed = granted - std::min<std::size_t>(granted, kept.promised);
  kept.promised = static_cast<std::uint8_t>(kept.promised - (granted - freed));
  kept.placeholders = static_cast<std::uint8_t>(kept.placeholders - freed);
  if (frame.express && !listener_hears()) {
    kept.out_of_room = table == Table::Full && granted > 0;
    if (kept.out_of_room && mutated(Mutant::RefusesDeadListener)) kept.out_of_room = false;
    if (kept.out_of_room) {
      if (!mutated(Mutant::ForgetsPromisedCredit)) kept.promised = static_cast<std::uint8_t>(kept.promised + granted);
      return;
    }
  }
  mine.queue.erase(mine.queue.begin());
  on_call(frame, granted, table == Table::Full ? 0 : granted);
}

void Driver::arrive_at(Id connection) { open_descriptor(world_, process(), connection); }

void Driver::receive_seed_call(std::size_t at, const Frame& frame, Table table) {
  Side& mine = side();
  Awaited& awaited = mine.awaited[at];
  const bool full = table == Table::Full;
  // The placeholder is freed where the descriptor does not fit otherwise; Full: not even then.
  awaited.no_descriptor = full && !listener_hears() && !mutated(Mutant::RefusesDeadListener);
  mine.out_of_room = awaited.no_descriptor;
  awaited.placeholder = false;
  if (awaited.no_descriptor) return;
  const Item item = frame.items.front();
  end().queue.erase(end().queue.begin());
  world_.require(awaited.machine.call() == ServerStep::None, "the machine of S refuses a rightful CALL");
  awaited.item = item;
  if (!full) {
    awaited.arrived = true;
    return arrive_at(item.connection);
  }
  world_.require(awaited.machine.fail() == ServerStep::SendTaken, "the machine of S does not fail");
  reply_taken(awaited.move, TakeOutcome::NoDescriptor);
  forget(at);
}

void Driver::on_call(const Frame& frame, std::size_t granted, std::size_t fitting) {
  if (!mutated(Mutant::StaysOutOfRoom)) side().out_of_room = false;
  if (frame.group != none && !admit_held(frame)) return;
  const std::size_t waiting = side().arrived.size();
  for (std::size_t i = 0; i < frame.items.size(); ++i) {
    const Item& item = frame.items[i];
    if (!frame.express) {
      reply_taken(item.move, TakeOutcome::UnknownMove);
    } else if (i >= granted) {
      reply_taken(item.move, TakeOutcome::NoCredit);
    } else if (i >= fitting) {
      reply_taken(item.move, TakeOutcome::NoDescriptor);
    } else {
      arrive_at(item.connection);
      side().arrived.push_back({item, false, frame.group});
    }
  }
  if (frame.group != none && side().arrived.size() < waiting + frame.items.size()) refuse_group();
}

void Driver::say_cancelled(Id move) {
  Frame frame;
  frame.type = FrameType::Cancelled;
  frame.move = move;
  books_given_back(world_, process(), move, !side().ended);
  reply(frame);
}

void Driver::on_cancel(Id move) {
  Side& mine = side();
  const auto arrival =
      std::ranges::find_if(mine.arrived, [move](const Arrival& each) { return each.item.move == move; });
  if (arrival != mine.arrived.end()) {
    if (arrival->group != none || !listener_hears() || arrival->taking)
      return;  // the CALL was the commit; or TAKEN is being said
    if (mutated(Mutant::TakesBehindOwnCancelled)) return say_cancelled(move);
    if (!mutated(Mutant::KeepsAfterCancelled)) close_descriptor(world_, process(), arrival->item.connection);
    mine.arrived.erase(arrival);
    return say_cancelled(move);
  }
  const auto found = std::ranges::find(mine.awaited, move, &Awaited::move);
  if (found == mine.awaited.end()) return;
  if (found->taking) {
    found->cancel_seen = true;
    return;
  }
  if (mutated(Mutant::TakesBehindOwnCancelled) && found->arrived) return say_cancelled(move);
  if (found->machine.cancel(listener_hears()) != ServerStep::SendCancelled) return;
  say_cancelled(move);
  if (found->arrived && !mutated(Mutant::KeepsAfterCancelled))
    close_descriptor(world_, process(), found->item.connection);
  found->arrived = false;
  forget(static_cast<std::size_t>(found - mine.awaited.begin()));
}

TakeOutcome Driver::check(const Item& item) const {
  const Connection& connection = world_.connections[item.connection];
  if (item.cookie != item.connection) return TakeOutcome::WrongCookie;
  if (mutated(Mutant::TakesUnchecked)) return TakeOutcome::Taken;
  return connection.reset || connection.listening || connection.position == item.position ? TakeOutcome::Taken
                                                                                          : TakeOutcome::Touched;
}

bool Driver::can_begin_to_take(std::size_t at) const {
  const Awaited& awaited = side().awaited[at];
  return awaited.machine.state() == ServerState::Called && awaited.group == none && !awaited.taking && !has_room() &&
         side().number && check(awaited.item) == TakeOutcome::Taken;
}

void Driver::begin_to_take(std::size_t at) {
  side().awaited[at].taking = true;
  if (mutated(Mutant::UsesBeforeTaken)) settle(side().awaited[at].item);
}

bool Driver::can_take(std::size_t at) const {
  const Awaited& awaited = side().awaited[at];
  return awaited.machine.state() == ServerState::Called && awaited.group == none && has_room() && side().number &&
         !side().lost;
}

void Driver::take(std::size_t at) {
  Awaited& awaited = side().awaited[at];
  const TakeOutcome outcome = check(awaited.item);
  if (outcome != TakeOutcome::Taken) {
    world_.require(awaited.machine.fail() == ServerStep::SendTaken, "the machine of S does not fail");
    close_descriptor(world_, process(), awaited.item.connection);
    awaited.arrived = false;
    reply_taken(awaited.move, outcome);
    return forget(at);
  }
  if (mutated(Mutant::UsesBeforeTaken) && !awaited.taking) {
    awaited.taking = true;
    return settle(awaited.item);
  }
  Frame frame;
  frame.type = FrameType::Taken;
  frame.items.push_back({awaited.move, none, none, {}, TakeOutcome::Taken});
  const Sent sent = send(frame);
  if (sent == Sent::Full) return;
  const Item item = awaited.item;
  if (sent == Sent::Broken) books_taken_unheard(world_, process(), item.connection);  // the CALL was the commit
  world_.require(awaited.machine.take() == ServerStep::SendTaken, "the machine of S refuses to take");
  forget(at);
  settle(item);
}

void Driver::settle(const Item& item) { world_.processes[process()].numbers[item.connection] = Number::Real; }

void Driver::time_out(std::size_t at) {
  Awaited& awaited = side().awaited[at];
  awaited.taking = false;
  if (awaited.cancel_seen) on_cancel(awaited.move);
}

void Driver::reply_taken(Id move, TakeOutcome outcome) {
  Frame frame;
  frame.type = FrameType::Taken;
  frame.items.push_back({move, none, none, {}, outcome});
  books_given_back(world_, process(), move, !side().ended);
  reply(frame);
}

void Driver::forget(std::size_t at) { side().awaited.erase(side().awaited.begin() + static_cast<std::ptrdiff_t>(at)); }

void Driver::decline(std::size_t at) {
  Awaited& awaited = side().awaited[at];
  if (awaited.machine.state() == ServerState::Held) return abort_taken();  // of a group nothing is refused alone
  books_given_up(setup_, world_, process(), awaited.move);
  const Item item = awaited.item;
  const Id move = awaited.move;
  const bool arrived = awaited.arrived;
  const bool called = awaited.machine.state() == ServerState::Called;
  if (awaited.machine.give_up() == ServerStep::SendAnswer) {
    Frame frame;
    frame.type = FrameType::Answer;
    frame.move = move;
    reply(frame);
  }
  if (arrived) close_descriptor(world_, process(), item.connection);
  if (called && !mutated(Mutant::DropsUnansweredOnClose)) reply_taken(move, TakeOutcome::Declined);
  forget(at);
}

void Driver::give_up(std::size_t at) { decline(at); }

void Driver::announce_credit() {
  side().announced = true;
  top_up_credit();
}

bool Driver::lacks_credit() const {
  return side().placeholders + side().arrived.size() <= setup_.credit / 2U && listener_hears();
}

void Driver::top_up_credit() {
  if (!lacks_credit()) return;
  Side& mine = side();
  const std::size_t held = mine.placeholders + mine.arrived.size();
  const std::uint8_t more = static_cast<std::uint8_t>(setup_.credit - held);
  mine.placeholders = static_cast<std::uint8_t>(mine.placeholders + more);
  Frame frame;
  frame.type = FrameType::Credit;
  frame.more = more;
  reply(frame);
}

bool Driver::can_take_arrivals(std::size_t count) const {
  const auto& arrived = side().arrived;
  if (arrived.size() < count || count == 0 || !side().number || side().lost || !has_room()) return false;
  return std::ranges::none_of(arrived.begin(), arrived.begin() + static_cast<std::ptrdiff_t>(count),
                              [](const Arrival& each) { return each.group != none; });
}

void Driver::take_arrivals(std::size_t count) {
  Side& mine = side();
  if (mutated(Mutant::UsesBeforeTaken) && !mine.arrived.front().taking) {
    mine.arrived.front().taking = true;
    return settle(mine.arrived.front().item);
  }
  Frame frame;
  frame.type = FrameType::Taken;
  std::vector<Item> taken;
  for (std::size_t i = 0; i < count; ++i) {
    const Item& item = mine.arrived[i].item;
    const TakeOutcome outcome = check(item);
    frame.items.push_back({item.move, none, none, {}, outcome});
    if (outcome == TakeOutcome::Taken) {
      taken.push_back(item);
    } else {
      books_given_back(world_, process(), item.move, !mine.ended);
      close_descriptor(world_, process(), item.connection);
    }
  }
  mine.arrived.erase(mine.arrived.begin(), mine.arrived.begin() + static_cast<std::ptrdiff_t>(count));
  if (send(frame) == Sent::Broken)
    for (const Item& item : taken) books_taken_unheard(world_, process(), item.connection);
  for (const Item& item : taken) settle(item);
  top_up_credit();
}

}  // namespace baton::sim
