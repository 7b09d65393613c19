// SPDX-License-Identifier: MIT
// The listener's side: endpoint/giving.cpp and outcomes.cpp.
#include <algorithm>

#include "driver.hpp"

namespace baton::sim {

using handoff::FrameType;
using handoff::ListenerMachine;
using handoff::ListenerState;
using handoff::ListenerStep;
using handoff::TakeOutcome;

namespace {

/// The end point is in a move that has not been called: no other may begin.
bool is_offered(const Setup& setup, const World& world, Id process, Id connection) {
  for (Id link = 0; link < world.links.size(); ++link)
    for (Id end = 0; end < 2; ++end) {
      const Port port{link, end};
      if (process_at(setup, port) != process) continue;
      for (const Given& given : end_of(world, port).side.given)
        if (given.connection == connection && !given.machine.in_doubt()) return true;
    }
  return false;
}

}  // namespace

bool Driver::can_offer(Id plan) const {
  const Plan& wanted = setup_.plans[plan];
  return !world_.attempts[plan].used && wanted.manner == Manner::Seed && wanted.link == port_.link &&
         wanted.giver_end == port_.end && usable() &&
         world_.processes[process()].numbers[wanted.connection] == Number::Real &&
         !is_offered(setup_, world_, process(), wanted.connection) && has_room();
}

void Driver::offer(Id plan) {
  world_.attempts[plan].used = true;
  Frame frame;
  frame.type = FrameType::Offer;
  frame.move = plan;
  if (send(frame) != Sent::Queued) return;
  Given& given = side().given.emplace_back();
  given.move = plan;
  given.connection = connection_of(plan);
}

bool Driver::are_ready(Id first, std::size_t count, Manner manner) const {
  if (first + count > setup_.plans.size() || side().credit < count || !usable()) return false;
  for (std::size_t i = 0; i < count; ++i) {
    const Plan& wanted = setup_.plans[first + i];
    const bool ready = wanted.manner == manner && wanted.link == port_.link && wanted.giver_end == port_.end &&
                       !world_.attempts[first + i].used &&
                       world_.processes[process()].numbers[wanted.connection] == Number::Real &&
                       !is_offered(setup_, world_, process(), wanted.connection);
    if (!ready) return false;
    for (std::size_t before = 0; before < i; ++before)
      if (setup_.plans[first + before].connection == wanted.connection) return false;
  }
  return true;
}

bool Driver::can_give(Id first, std::size_t count) const {
  return are_ready(first, count, Manner::Express) && has_room();
}

Frame Driver::call_of(Id first, std::size_t count, Id group) const {
  Frame frame;
  frame.type = FrameType::Call;
  frame.move = first;
  frame.group = group;
  frame.express = true;
  for (std::size_t i = 0; i < count; ++i) {
    const Id move = static_cast<Id>(first + i);
    const Id connection = connection_of(move);
    frame.items.push_back({move, connection, connection, world_.connections[connection].position, TakeOutcome::Taken});
  }
  return frame;
}

void Driver::give(Id first, std::size_t count) {
  const Frame frame = call_of(first, count, none);
  for (const Item& item : frame.items) world_.attempts[item.move].used = true;
  if (send(frame) != Sent::Queued) return;
  side().credit = static_cast<std::uint8_t>(side().credit - count);
  keep_given(frame);
}

/// The CALL is queued: its end points are the library's.
void Driver::keep_given(const Frame& call) {
  Side& mine = side();
  for (const Item& item : call.items) {
    world_.processes[process()].numbers[item.connection] = Number::None;
    Given given;
    given.move = item.move;
    given.connection = item.connection;
    given.group = call.group;
    given.express = true;
    given.machine =
        ListenerMachine{call.group == none ? ListenerMachine::Manner::Express : ListenerMachine::Manner::Held};
    given.real = true;
    given.server_known = true;  // who announced the credit
    given.position = item.position;
    mine.given.push_back(given);
    if (mutated(call.group == none ? Mutant::ClosesBeforeTaken : Mutant::ClosesHeldAtOnce))
      drop_real(mine.given.back());
  }
}

void Driver::on_answer(const Frame& frame) {
  for (Given& given : side().given)
    if (given.move == frame.move && given.machine.state() == ListenerState::Offered && !given.server_known) {
      given.server_known = true;
      side().inbox.push_back({frame.move, frame.accepted});
    }
}

void Driver::read_answer() {
  const AnswerUnit unit = side().inbox.front();
  side().inbox.erase(side().inbox.begin());
  for (std::size_t at = 0; at < side().given.size(); ++at) {
    Given& given = side().given[at];
    if (given.move != unit.move) continue;
    const ListenerStep step = given.machine.answer(unit.accepted);
    if (step != ListenerStep::StopData) return act(at, step);
    given.real = true;  // from the number, which a parked socket takes, into the library
    given.position = world_.connections[given.connection].position;
    world_.processes[process()].numbers[given.connection] = Number::None;
    return;
  }
}

bool Driver::intact(const Given& given) const {
  const Connection& connection = world_.connections[given.connection];
  return connection.reset || connection.listening || connection.position == given.position;
}

bool Driver::can_call(std::size_t at) const {
  return side().given[at].machine.state() == ListenerState::Stopped && usable() && has_room();
}

void Driver::call(std::size_t at) {
  Given& given = side().given[at];
  if (!intact(given)) return act(at, given.machine.cancel());
  Frame frame;
  frame.type = FrameType::Call;
  frame.move = given.move;
  frame.items.push_back({given.move, given.connection, given.connection, given.position, TakeOutcome::Taken});
  if (send(frame) != Sent::Queued) return not_sent();
  world_.require(given.machine.called() == ListenerStep::None, "the machine of L refuses the call");
  if (mutated(Mutant::ClosesBeforeTaken)) drop_real(given);
}

void Driver::cancel(std::size_t at) {
  Given& given = side().given[at];
  if (mutated(Mutant::TimeoutDecides) && given.machine.in_doubt()) return act(at, given.machine.server_gone());
  act(at, given.machine.cancel());
}

void Driver::abandon(std::size_t at) {
  Given& given = side().given[at];
  books_abandoned(world_, process(), given.connection, given.move);
  act(at, given.machine.abandon());
}

void Driver::close_number(std::size_t at) {
  Given& given = side().given[at];
  world_.connections[given.connection].right.excused = true;
  given.number_gone = true;
  if (given.machine.state() == ListenerState::Offered) {  // the number is the end point
    world_.processes[process()].numbers[given.connection] = Number::None;
    close_descriptor(world_, process(), given.connection);
  }
  if (!given.machine.in_doubt()) act(at, given.machine.cancel());
}

void Driver::on_taken(const Frame& frame) {
  for (const Item& item : frame.items)
    for (std::size_t at = 0; at < side().given.size(); ++at) {
      Given& given = side().given[at];
      const bool held = given.machine.state() == ListenerState::Held;
      if (given.move != item.move || (!given.machine.in_doubt() && !held)) continue;
      const ListenerStep step = given.machine.taken(item.outcome);
      given.own_doing = item.outcome == TakeOutcome::Touched && step == ListenerStep::Verify;
      act(at, step);
      if (held && !mutated(Mutant::KeepsTheRest)) group_off();
      break;
    }
}

void Driver::on_cancelled(Id move) {
  for (std::size_t at = 0; at < side().given.size(); ++at)
    if (side().given[at].move == move && side().given[at].machine.in_doubt())
      return act(at, side().given[at].machine.cancelled());
}

void Driver::act(std::size_t at, ListenerStep step) {
  Given& given = side().given[at];
  switch (step) {
    case ListenerStep::None:
    case ListenerStep::StopData:
      return;
    case ListenerStep::Violation:
      return world_.require(false, "L calls a rightful frame a violation");
    case ListenerStep::SendCancel: {
      Frame frame;
      frame.type = FrameType::Cancel;
      frame.move = given.move;
      reply(frame);
      if (!given.machine.ended()) return;
      put_back(given, false);
      break;
    }
    case ListenerStep::KeepEndPoint:
    case ListenerStep::LiftStop:
      put_back(given, false);
      break;
    case ListenerStep::Verify:
      put_back(given, !given.own_doing && !mutated(Mutant::TakesBackUnverified));
      break;
    case ListenerStep::LetGo:
      if (given.real) drop_real(given);
      break;
  }
  side().given.erase(side().given.begin() + static_cast<std::ptrdiff_t>(at));
}

void Driver::drop_real(Given& given) {
  given.real = false;
  close_descriptor(world_, process(), given.connection);
}

void Driver::put_back(Given& given, bool verify) {
  if (!given.real) return;  // never stopped
  Connection& connection = world_.connections[given.connection];
  if (verify && !intact(given)) {
    world_.require(connection.touched || connection.torn || connection.right.owner == none,
                   "L resets a connection that nobody has touched");
    connection.reset = true;
    return drop_real(given);
  }
  const bool closed = given.group != none ? false : given.express ? !side().number : given.number_gone;
  if (closed) return drop_real(given);  // by the program: now the client sees it
  given.real = false;
  world_.processes[process()].numbers[given.connection] = Number::Real;
}

}  // namespace baton::sim
