// SPDX-License-Identifier: MIT
#include "world.hpp"

#include <algorithm>

#include "codec.hpp"

namespace baton::sim {
namespace {

using handoff::FrameType;
using handoff::TakeOutcome;

/// The CALL of a move has been queued for `taker`.
void books_called(const Setup& setup, World& world, Id giver, Id taker, const Item& item) {
  Right& right = world.connections[item.connection].right;
  world.require(right.owner == giver && right.called_to == none && right.by_move == none,
                "called by a process that does not own the end point");
  world.require(setup.plans[item.move].connection == item.connection, "another end point than was offered is called");
  if (world.processes[taker].life != Life::Alive) return;  // a child holds its link: nobody will read it
  right.called_to = taker;
  right.by_move = item.move;
  right.stopped = item.position;
}

/// A held CALL: S gets a descriptor, and L goes on owning.
void books_held(const Setup& setup, World& world, Id giver, Id group, const Item& item) {
  const Right& right = world.connections[item.connection].right;
  world.require(right.owner == giver && right.called_to == none && right.by_move == none,
                "held by a process that does not own the end point");
  world.require(setup.plans[item.move].connection == item.connection, "another end point than was held is called");
  Attempt& attempt = world.attempts[item.move];
  attempt.group = group;
  attempt.stopped = item.position;
}

/// COMMIT is to all that was held what CALL is to one move. Of a group that is called off already it says nothing.
void books_committed(const Setup& setup, World& world, Id giver, Id taker, const Frame& frame) {
  // A child holds its link: nobody will read it. L may know that by now, and have all back.
  if (world.processes[taker].life != Life::Alive) return;
  std::size_t count = 0;
  for (Id move = 0; move < world.attempts.size(); ++move) {
    const Attempt& attempt = world.attempts[move];
    if (attempt.group != frame.move || attempt.called_off) continue;
    ++count;
    const Id connection = setup.plans[move].connection;
    world.require(world.processes[giver].numbers[connection] == Number::None, "what is committed is in use");
    books_called(setup, world, giver, taker, {move, connection, connection, attempt.stopped, TakeOutcome::Taken});
  }
  world.require(count == 0 || count == frame.more, "COMMIT of another number than was held");
}

/// `taker` owns from now on, and goes on where the CALL says.
void books_owner(World& world, Connection& connection, Id taker) {
  Right& right = connection.right;
  world.require(connection.reset || connection.listening || connection.position == right.stopped,
                "S goes on from a stream that was read");
  right.owner = taker;
  right.called_to = none;
  right.by_move = none;
  right.stopped = {};
}

void books_taken(const Setup& setup, World& world, Id taker, Id move) {
  Connection& connection = world.connections[setup.plans[move].connection];
  const Right& right = connection.right;
  const bool called = right.by_move == move && (right.called_to == taker || right.owner == taker);
  world.require(called, "TAKEN of what was never called, or was given back");
  books_owner(world, connection, taker);
}

/// The owner died, and the connection with it.
void end_right(Right& right) {
  const bool excused = right.excused;
  right = Right{};
  right.excused = excused;
}

/// L is gone, the CALL is the commit: S owns. It need not take what its program has given up, or what L has spoilt.
void commit(const World& world, Connection& connection) {
  Right& right = connection.right;
  right.owner = right.called_to;
  right.called_to = none;
  right.excused = right.excused || world.attempts[right.by_move].given_up || connection.touched;
}

/// Nobody is called any more: it is the giver's, if that one lives.
void return_right(const World& world, Right& right) {
  right.called_to = none;
  right.by_move = none;
  right.stopped = {};
  if (right.owner != none && world.processes[right.owner].life != Life::Alive) end_right(right);
}

/// What a queued frame means for ownership. Refusals and CANCELLED are in the books since S decided.
void books_queued(const Setup& setup, World& world, Port from, const Frame& frame) {
  const Id sender = process_at(setup, from);
  const Id receiver = process_at(setup, other(from));
  if (frame.type == FrameType::Call)
    for (const Item& item : frame.items) {
      if (frame.group == none)
        books_called(setup, world, sender, receiver, item);
      else
        books_held(setup, world, sender, frame.group, item);
    }
  if (frame.type == FrameType::Commit) books_committed(setup, world, sender, receiver, frame);
  if (frame.type == FrameType::Abort) books_called_off(world, frame.move);
  if (frame.type == FrameType::Taken)
    for (const Item& item : frame.items)
      if (item.outcome == TakeOutcome::Taken) books_taken(setup, world, sender, item.move);
}

/// The end of a link that the giver of the connection's open CALL has.
bool giver_can_be_heard(const Setup& setup, const World& world, const Right& right) {
  const Plan& plan = setup.plans[right.by_move];
  return end_of(world, Port{plan.link, plan.giver_end}).held();
}

}  // namespace

World::World(const Setup& setup)
    : processes(setup.processes),
      connections(setup.homes.size()),
      links(setup.links.size()),
      attempts(setup.plans.size()),
      budget{setup.budget} {
  for (Process& process : processes) process.numbers.resize(setup.homes.size());
  for (std::size_t i = 0; i < setup.homes.size(); ++i) {
    const Id home = setup.homes[i];
    processes[home].numbers[i] = Number::Real;
    connections[i].held[home] = 1;
    connections[i].right.owner = home;
    connections[i].sent = setup.octets;
    connections[i].listening = is_listening(setup, static_cast<Id>(i));
  }
}

Id process_at(const Setup& setup, Port port) {
  return port.end == 0 ? setup.links[port.link].first : setup.links[port.link].second;
}

Sent send(const Setup& setup, World& world, Port from, const Frame& frame) {
  End& peer = end_of(world, other(from));
  if (!peer.held() || peer.deaf) return Sent::Broken;
  if (peer.queue.size() >= setup.capacity) return Sent::Full;
  peer.queue.push_back(frame);
  if (setup.codec) world.require(travel(peer.queue.back()), "a frame does not survive the codec");
  books_queued(setup, world, from, frame);
  return Sent::Queued;
}

bool hung_up(const World& world, Port port) { return !end_of(world, other(port)).held(); }

bool at_end(const World& world, Port port) {
  const End& end = end_of(world, port);
  return end.queue.empty() && (end.deaf || hung_up(world, port));
}

void close_end(World& world, Port port) {
  End& end = end_of(world, port);
  end.open = false;
  if (!end.held()) end.queue.clear();
}

void kill(const Setup& setup, World& world, Id process) {
  Process& dying = world.processes[process];
  dying.life = Life::Dying;
  std::ranges::fill(dying.numbers, Number::None);
  for (Id link = 0; link < world.links.size(); ++link)
    for (Id end = 0; end < 2; ++end) {
      const Port port{link, end};
      if (process_at(setup, port) != process) continue;
      close_end(world, port);
      end_of(world, port).side = Side{};
    }
  for (Connection& connection : world.connections) {
    connection.held[process] = 0;
    Right& right = connection.right;
    if (right.owner == process && right.called_to == none) {
      end_right(right);
    } else if (right.owner == process && !giver_can_be_heard(setup, world, right)) {
      commit(world, connection);
    } else if (right.called_to == process) {
      return_right(world, right);
    }
  }
}

void pidfd_tells(const Setup&, World& world, Id process) {
  world.processes[process].life = Life::Dead;
  for (Connection& connection : world.connections) {
    Right& right = connection.right;
    if (right.owner != process) continue;
    if (right.called_to == none)
      end_right(right);
    else
      commit(world, connection);
  }
}

void books_called_off(World& world, Id group) {
  for (Attempt& attempt : world.attempts) attempt.called_off = attempt.called_off || attempt.group == group;
}

void books_given_back(World& world, Id process, Id move, bool said) {
  for (Connection& connection : world.connections) {
    Right& right = connection.right;
    if (right.by_move != move) continue;
    if (right.called_to == process) {
      if (said) return_right(world, right);
    } else if (right.owner == process && connection.touched) {
      right.excused = true;  // L is dead, and has spoilt it
    }
  }
}

void books_given_up(const Setup& setup, World& world, Id process, Id move) {
  world.attempts[move].given_up = true;
  Right& right = world.connections[setup.plans[move].connection].right;
  if (right.by_move == move && right.owner == process) right.excused = true;
}

void books_abandoned(World& world, Id process, Id connection, Id move) {
  // It may have been taken, and be on its way back or here again already.
  if (world.processes[process].numbers[connection] == Number::Real) return;
  Connection& abandoned = world.connections[connection];
  Right& right = abandoned.right;
  if (right.owner != process || (right.by_move != none && right.by_move != move)) return;
  right.excused = true;
  if (right.called_to == none)
    end_right(right);
  else
    commit(world, abandoned);
}

void books_taken_unheard(World& world, Id process, Id connection) {
  const Right& right = world.connections[connection].right;
  world.require(right.by_move != none && (right.called_to == process || right.owner == process),
                "taken, though never called or given back");
  books_owner(world, world.connections[connection], process);
}

void use(World& world, Id process, Id connection, bool write) {
  Connection& used = world.connections[connection];
  const Right& right = used.right;
  world.require(right.owner == process && right.called_to == none && right.by_move == none,
                "an end point is used by a process that does not own it");
  if (write)
    ++used.position.written;
  else
    ++used.position.consumed;
}

void open_descriptor(World& world, Id process, Id connection) { ++world.connections[connection].held[process]; }

void close_descriptor(World& world, Id process, Id connection) {
  std::uint8_t& held = world.connections[connection].held[process];
  world.require(held > 0, "a descriptor is closed that is not there");
  if (held > 0) --held;
}

unsigned in_flight(const World& world, Id connection) {
  unsigned count = 0;
  for (const Link& link : world.links)
    for (const End& end : link.ends)
      for (const Frame& frame : end.queue)
        for (const Item& item : frame.items) count += item.connection == connection ? 1U : 0U;
  return count;
}

bool coming_to(const Setup& setup, const World& world, Id process, Id connection) {
  for (Id link = 0; link < world.links.size(); ++link)
    for (Id at = 0; at < 2; ++at) {
      const End& end = end_of(world, Port{link, at});
      if (process_at(setup, Port{link, at}) != process || !end.open) continue;
      for (const Frame& frame : end.queue)
        for (const Item& item : frame.items)
          if (item.connection == connection) return true;
    }
  return false;
}

}  // namespace baton::sim
