// SPDX-License-Identifier: MIT
#include "events.hpp"

#include <algorithm>

namespace baton::sim {
namespace {

using handoff::ListenerState;
using handoff::ServerState;

void add_giving(const Setup& setup, const World& world, const Driver& driver, Port port, std::vector<Event>& events) {
  const Side& side = driver.side();
  if (side.number && !side.lost) {
    for (Id plan = 0; plan < setup.plans.size(); ++plan) {
      if (driver.can_offer(plan)) events.push_back({Happening::Offer, port, plan});
      if (setup.plans[plan].manner != Manner::Express) continue;
      for (std::size_t count = 1; driver.can_give(plan, count); ++count)
        events.push_back({Happening::Give, port, plan, static_cast<Id>(count)});
    }
    if (!side.inbox.empty()) events.push_back({Happening::ReadAnswer, port});
  }
  for (std::size_t at = 0; at < side.given.size(); ++at) {
    const Given& given = side.given[at];
    const Id place = static_cast<Id>(at);
    const bool waiting = given.machine.state() != ListenerState::Cancelling && !side.lost;
    if (driver.can_call(at)) events.push_back({Happening::Call, port, place});
    if (world.budget.cancels > 0 && waiting && given.group == none) events.push_back({Happening::Cancel, port, place});
    if (world.budget.abandons > 0 && given.machine.in_doubt() && given.group == none)
      events.push_back({Happening::Abandon, port, place});
    if (world.budget.closed_numbers > 0 && !given.express && !given.number_gone)
      events.push_back({Happening::CloseNumber, port, place});
  }
}

/// Either side of a group. A call for which there is no room waits, and what it sends goes out at last.
void add_groups(const Setup& setup, const World& world, const Driver& driver, Port port, std::vector<Event>& events) {
  const Side& side = driver.side();
  if (!side.number || side.lost) return;
  const bool room = driver.has_room();
  const auto add = [&](Happening what, Id subject = none, Id count = 0) {
    events.push_back({room ? what : Happening::BeginToSend, port, subject, count});
  };
  for (Id plan = 0; plan < setup.plans.size(); ++plan)
    for (std::size_t count = 1; driver.may_hold(plan, count); ++count)
      add(Happening::Hold, plan, static_cast<Id>(count));
  if (driver.may_complete()) add(Happening::Complete);
  if (driver.may_commit()) add(Happening::Commit);
  if (side.sending.group != none && room) events.push_back({Happening::SendAtLast, port});
  if (side.sending.group != none && world.budget.timeouts > 0) events.push_back({Happening::TimeOut, port});
  if (driver.can_park()) events.push_back({Happening::Park, port});
  if (driver.can_say_ready()) events.push_back({Happening::SayReady, port});
  if (driver.can_take_group()) {
    events.push_back({Happening::TakeGroup, port, none, 1});
    if (side.taken_group->size() > 1) events.push_back({Happening::TakeGroup, port, none, none});
  }
  if (world.budget.cancels > 0 && driver.can_abort_given()) events.push_back({Happening::Abort, port, 0});
  if (world.budget.give_ups > 0 && driver.can_abort_taken()) events.push_back({Happening::Abort, port, 1});
}

/// What is given in this manner over the link's other end.
bool expects(const Setup& setup, Port port, Manner manner) {
  return std::ranges::any_of(setup.plans, [&](const Plan& plan) {
    return plan.manner == manner && plan.link == port.link && plan.giver_end != port.end;
  });
}

/// A program announces once. What it holds of a group that goes off costs it credit: then it does again.
bool may_announce(const Setup& setup, const Driver& driver, Port port) {
  const Side& side = driver.side();
  if (setup.credit == 0 || !side.number || side.lost) return false;
  const bool held = expects(setup, port, Manner::Held);
  return side.announced ? held && driver.lacks_credit() : held || expects(setup, port, Manner::Express);
}

void add_taking(const Setup& setup, const World& world, const Driver& driver, Port port, std::vector<Event>& events) {
  const Side& side = driver.side();
  for (std::size_t at = 0; at < side.awaited.size(); ++at) {
    const Id place = static_cast<Id>(at);
    if (driver.can_answer(at)) {
      events.push_back({Happening::Accept, port, place});
      if (setup.refusals) events.push_back({Happening::Refuse, port, place});
    }
    if (driver.can_begin_to_take(at)) events.push_back({Happening::BeginToTake, port, place});
    if (driver.can_take(at)) events.push_back({Happening::Take, port, place});
    if (world.budget.timeouts > 0 && side.awaited[at].taking) events.push_back({Happening::TimeOut, port, place});
    const bool held = side.awaited[at].machine.state() == ServerState::Held;  // add_groups()
    if (world.budget.give_ups > 0 && side.number && !side.lost && !side.awaited[at].taking && !held)
      events.push_back({Happening::GiveUp, port, place});
  }
  if (may_announce(setup, driver, port)) events.push_back({Happening::Announce, port});
  if (!side.arrived.empty() && side.arrived.front().group == none && side.number && !side.lost) {
    if (!driver.has_room() && !side.arrived.front().taking) events.push_back({Happening::BeginToTakeArrivals, port});
    if (driver.can_take_arrivals(1)) events.push_back({Happening::TakeArrivals, port, none, 1});
    const std::size_t all = side.arrived.size();
    if (all > 1 && driver.can_take_arrivals(all))
      events.push_back({Happening::TakeArrivals, port, none, static_cast<Id>(all)});
  }
}

void add_link(const World& world, const Driver& driver, Port port, std::vector<Event>& events) {
  const Side& side = driver.side();
  const End& end = driver.end();
  if (driver.can_receive()) {
    events.push_back({Happening::Receive, port});
    if (world.budget.shortages > 0 && driver.next_brings_descriptors())
      events.push_back({Happening::ReceiveTableFull, port});
  }
  if (driver.can_flush()) events.push_back({Happening::Flush, port});
  if (driver.can_notice_death()) events.push_back({Happening::NoticeDeath, port});
  if (side.lost) events.push_back({Happening::NoticeLoss, port});
  if (side.number && !side.lost && end.open) {
    if (world.budget.closes > 0) events.push_back({Happening::Close, port});
    if (world.budget.plain_closes > 0) events.push_back({Happening::ClosePlainly, port});
  }
  if (world.budget.forks > 0 && end.open && !end.child) events.push_back({Happening::Fork, port});
}

/// There is something to read, and no owner reads: of a group that L has called off S still has descriptors until it
/// hears of that, and what it does with them then shows to nobody.
bool can_stray(const World& world, Id each) {
  const Connection& connection = world.connections[each];
  return !connection.listening && connection.sent > connection.position.consumed &&
         std::ranges::none_of(world.processes,
                              [each](const Process& process) { return process.numbers[each] == Number::Real; });
}

/// Calls of L's that were inside the kernel at the data stop may come back until S has looked; an S that has only been
/// called may misbehave, and die.
void add_strays(const Setup& setup, const World& world, std::vector<Event>& events) {
  if (world.budget.late_reads == 0) return;
  for (Id link = 0; link < world.links.size(); ++link)
    for (Id at = 0; at < 2; ++at) {
      const Port port{link, at};
      const End& end = end_of(world, port);
      for (const Given& given : end.side.given) {
        const Connection& connection = world.connections[given.connection];
        const bool unseen = given.machine.state() == ListenerState::Stopped ||
                            given.machine.state() == ListenerState::Held ||
                            (given.machine.in_doubt() && connection.right.called_to != none);
        const Port there = other(port);
        const auto& awaited = end_of(world, there).side.awaited;
        const bool looked =
            std::ranges::any_of(awaited, [&](const Awaited& each) { return each.move == given.move && each.taking; });
        const bool its_own = given.express && given.group == none;
        if (unseen && !looked && !its_own && !connection.listening && connection.sent > connection.position.consumed)
          events.push_back({Happening::LateRead, port, given.connection});
      }
      if (world.budget.deaths == 0 || !is_mortal(setup, process_at(setup, port))) continue;
      for (const Awaited& awaited : end.side.awaited)
        if (awaited.arrived && can_stray(world, awaited.item.connection))
          events.push_back({Happening::StrayRead, port, awaited.item.connection});
    }
}

void add_use(const Setup& setup, const World& world, std::vector<Event>& events) {
  for (Id process = 0; process < world.processes.size(); ++process)
    for (Id each = 0; each < world.connections.size(); ++each) {
      const Connection& connection = world.connections[each];
      if (world.budget.uses == 0 || connection.reset) continue;
      bool reaches = world.processes[process].numbers[each] == Number::Real;
      if (setup.mutant == Mutant::ServesDuringDataStop)
        for (const Link& link : world.links)
          for (Id at = 0; at < 2; ++at)
            for (const Given& given : link.ends[at].side.given)
              reaches = reaches || (given.connection == each && given.real && given.machine.in_doubt() &&
                                    process_at(setup, {static_cast<Id>(&link - world.links.data()), at}) == process);
      if (!reaches) continue;
      const Port nowhere{none, process};
      if (connection.sent > connection.position.consumed) events.push_back({Happening::Read, nowhere, each});
      if (!connection.listening) events.push_back({Happening::Write, nowhere, each});
    }
}

}  // namespace

void enumerate(const Setup& setup, World& world, std::vector<Event>& events) {
  events.clear();
  for (Id process = 0; process < world.processes.size(); ++process)
    if (world.processes[process].life == Life::Dying)
      events.push_back({Happening::PidfdTells, {none, process}, process});
  for (Id link = 0; link < world.links.size(); ++link)
    for (Id at = 0; at < 2; ++at) {
      const Port port{link, at};
      if (end_of(world, port).child) events.push_back({Happening::ChildExits, port});
      if (world.processes[process_at(setup, port)].life != Life::Alive) continue;
      const Driver driver{setup, world, port};
      add_link(world, driver, port, events);
      add_giving(setup, world, driver, port, events);
      add_groups(setup, world, driver, port, events);
      add_taking(setup, world, driver, port, events);
    }
  add_use(setup, world, events);
  add_strays(setup, world, events);
  if (world.budget.deaths > 0)
    for (Id process = 0; process < world.processes.size(); ++process)
      if (world.processes[process].life == Life::Alive && is_mortal(setup, process)) {
        events.push_back({Happening::Kill, {none, process}, process});
        if (setup.together) break;
      }
  for (Id each = 0; each < world.connections.size(); ++each) {
    const Connection& connection = world.connections[each];
    if (connection.reset) continue;
    if (world.budget.client_octets > 0 && !connection.half_closed)
      events.push_back({Happening::ClientSends, {none, none}, each});
    if (world.budget.client_ends == 0 || connection.listening) continue;
    if (!connection.half_closed) events.push_back({Happening::ClientHalfCloses, {none, none}, each});
    events.push_back({Happening::ClientResets, {none, none}, each});
  }
}

namespace {

void happen_to_client(World& world, const Event& event) {
  Connection& connection = world.connections[event.subject];
  if (event.what == Happening::ClientSends) {
    --world.budget.client_octets;
    ++connection.sent;
    return;
  }
  --world.budget.client_ends;
  if (event.what == Happening::ClientHalfCloses)
    connection.half_closed = true;
  else
    connection.reset = true;
}

void begin_to_send(Driver& driver, const Event& event) {
  if (event.subject != none) return driver.begin_to_hold(event.subject, event.count);
  if (driver.may_complete()) return driver.begin_to_complete();
  driver.begin_to_commit();
}

void abort_group(World& world, Driver& driver, const Event& event) {
  --(event.subject == 0 ? world.budget.cancels : world.budget.give_ups);
  return event.subject == 0 ? driver.abort_given() : driver.abort_taken();
}

void kill_one_or_all(const Setup& setup, World& world, Id chosen) {
  for (Id process = 0; process < world.processes.size(); ++process)
    if (process == chosen || (setup.together && is_mortal(setup, process))) kill(setup, world, process);
}

void happen_behind_the_library(const Setup& setup, World& world, const Event& event) {
  switch (event.what) {
    case Happening::PidfdTells:
      return pidfd_tells(setup, world, event.subject);
    case Happening::Kill:
      --world.budget.deaths;
      return kill_one_or_all(setup, world, event.subject);
    case Happening::LateRead:
      --world.budget.late_reads;
      world.connections[event.subject].touched = true;
      ++world.connections[event.subject].position.consumed;
      return;
    case Happening::StrayRead:
      --world.budget.late_reads;
      --world.budget.deaths;
      world.connections[event.subject].torn = true;
      ++world.connections[event.subject].position.consumed;
      return kill(setup, world, process_at(setup, event.port));
    case Happening::Read:
    case Happening::Write:
      --world.budget.uses;
      return use(world, event.port.end, event.subject, event.what == Happening::Write);
    case Happening::Fork:
      --world.budget.forks;
      end_of(world, event.port).child = true;
      return;
    case Happening::ChildExits: {
      End& end = end_of(world, event.port);
      end.child = false;
      if (!end.held()) end.queue.clear();
      return;
    }
    case Happening::ClientSends:
    case Happening::ClientHalfCloses:
    case Happening::ClientResets:
      return happen_to_client(world, event);
    case Happening::Receive:
    case Happening::Flush:
    case Happening::NoticeDeath:
    case Happening::NoticeLoss:
    case Happening::Offer:
    case Happening::Give:
    case Happening::ReadAnswer:
    case Happening::Call:
    case Happening::Accept:
    case Happening::Refuse:
    case Happening::BeginToTake:
    case Happening::Take:
    case Happening::Announce:
    case Happening::Hold:
    case Happening::Complete:
    case Happening::Commit:
    case Happening::BeginToSend:
    case Happening::SendAtLast:
    case Happening::Park:
    case Happening::SayReady:
    case Happening::TakeGroup:
    case Happening::BeginToTakeArrivals:
    case Happening::TakeArrivals:
    case Happening::ReceiveTableFull:
    case Happening::Cancel:
    case Happening::Abort:
    case Happening::Abandon:
    case Happening::GiveUp:
    case Happening::TimeOut:
    case Happening::CloseNumber:
    case Happening::Close:
    case Happening::ClosePlainly:
      return;  // of a link: happen()
  }
}

}  // namespace

void happen(const Setup& setup, World& world, const Event& event) {
  if (event.port.link == none) return happen_behind_the_library(setup, world, event);
  Driver driver{setup, world, event.port};
  switch (event.what) {
    case Happening::Receive:
      return driver.receive(Table::Room);
    case Happening::ReceiveTableFull:
      --world.budget.shortages;
      return driver.receive(Table::Full);
    case Happening::Flush:
      return driver.flush_waiting();
    case Happening::NoticeDeath:
      return driver.notice_death();
    case Happening::NoticeLoss:
      return driver.notice_loss();
    case Happening::Offer:
      return driver.offer(event.subject);
    case Happening::Give:
      return driver.give(event.subject, event.count);
    case Happening::ReadAnswer:
      return driver.read_answer();
    case Happening::Call:
      return driver.call(event.subject);
    case Happening::Accept:
    case Happening::Refuse:
      return driver.answer(event.subject, event.what == Happening::Accept);
    case Happening::BeginToTake:
      return driver.begin_to_take(event.subject);
    case Happening::Take:
      return driver.take(event.subject);
    case Happening::Announce:
      return driver.announce_credit();
    case Happening::BeginToTakeArrivals:
      driver.side().arrived.front().taking = true;
      return;
    case Happening::TakeArrivals:
      return driver.take_arrivals(event.count);
    case Happening::Cancel:
      --world.budget.cancels;
      return driver.cancel(event.subject);
    case Happening::Abandon:
      --world.budget.abandons;
      return driver.abandon(event.subject);
    case Happening::GiveUp:
      --world.budget.give_ups;
      return driver.give_up(event.subject);
    case Happening::TimeOut:
      --world.budget.timeouts;
      return event.subject == none ? driver.stop_sending() : driver.time_out(event.subject);
    case Happening::Hold:
    case Happening::Complete:
    case Happening::Commit:
      begin_to_send(driver, event);
      return driver.send_for_group();
    case Happening::BeginToSend:
      return begin_to_send(driver, event);
    case Happening::SendAtLast:
      return driver.send_for_group();
    case Happening::Park:
      return driver.park();
    case Happening::SayReady:
      return driver.say_ready();
    case Happening::TakeGroup:
      return driver.take_group(event.count);
    case Happening::Abort:
      return abort_group(world, driver, event);
    case Happening::CloseNumber:
      --world.budget.closed_numbers;
      return driver.close_number(event.subject);
    case Happening::Close:
      --world.budget.closes;
      return driver.close();
    case Happening::ClosePlainly:
      --world.budget.plain_closes;
      return driver.close_plainly();
    case Happening::PidfdTells:
    case Happening::Fork:
    case Happening::ChildExits:
    case Happening::Kill:
    case Happening::LateRead:
    case Happening::StrayRead:
    case Happening::ClientSends:
    case Happening::ClientHalfCloses:
    case Happening::ClientResets:
    case Happening::Read:
    case Happening::Write:
      return happen_behind_the_library(setup, world, event);
  }
}

}  // namespace baton::sim
