// SPDX-License-Identifier: MIT
#include "invariants.hpp"

#include <algorithm>

namespace baton::sim {
namespace {

using handoff::ListenerState;

/// L's library has taken it over, and its CALL waits for room.
bool waits_to_be_held(const Setup& setup, const Side& side, Id connection) {
  const Sending& sending = side.sending;
  if (sending.group == none || sending.type != handoff::FrameType::Call) return false;
  for (std::size_t i = 0; i < sending.count; ++i)
    if (setup.plans[sending.first + i].connection == connection) return true;
  return false;
}

/// Descriptors of a connection that a process can account for.
unsigned accounted(const Setup& setup, const World& world, Id process, Id connection) {
  unsigned count = world.processes[process].numbers[connection] == Number::Real ? 1 : 0;
  for (Id link = 0; link < world.links.size(); ++link)
    for (Id at = 0; at < 2; ++at) {
      if (process_at(setup, {link, at}) != process) continue;
      const Side& side = end_of(world, Port{link, at}).side;
      for (const Given& given : side.given) count += given.connection == connection && given.real ? 1U : 0U;
      for (const Awaited& awaited : side.awaited)
        count += awaited.arrived && awaited.item.connection == connection ? 1U : 0U;
      for (const Arrival& arrival : side.arrived) count += arrival.item.connection == connection ? 1U : 0U;
      count += waits_to_be_held(setup, side, connection) ? 1U : 0U;
    }
  return count;
}

bool exists(const World& world, Id connection) {
  const auto& held = world.connections[connection].held;
  return std::ranges::any_of(held, [](std::uint8_t each) { return each > 0; }) || in_flight(world, connection) > 0;
}

/// The other process no longer has the link, but a forked child of it does: no end is seen, and nobody speaks.
bool only_a_child_is_there(const World& world, Port port) {
  const End& there = end_of(world, other(port));
  return !there.open && there.child;
}
/// S's program closed the link behind the library's back: nobody can tell L, whose move ends with S's process.
bool excusably_in_doubt(const World& world, Port port, const Given& given) {
  return given.machine.in_doubt() && world.attempts[given.move].unheard &&
         (end_of(world, port).side.ended || only_a_child_is_there(world, port));
}

std::string broken_side_at_rest(const Setup& setup, const World& world, Port port) {
  const Side& side = end_of(world, port).side;
  const bool peer_is_dead = world.processes[process_at(setup, other(port))].life == Life::Dead;
  const bool held_by_a_child = only_a_child_is_there(world, port);
  for (const Given& given : side.given) {
    if (excusably_in_doubt(world, port, given)) continue;
    // L serves on, or its call waits. Whom it has an answer of is known, and its death ends the move.
    if (held_by_a_child && !given.machine.in_doubt() && !(peer_is_dead && given.server_known)) continue;
    return std::string{"a move of L has not ended: "} + handoff::name_of(given.machine.state());
  }
  // The program there closed the link behind the library's back: nothing will come, and nobody makes room.
  if (held_by_a_child && !peer_is_dead) return {};
  if (side.sending.group != none) return "a call of L for its group waits for ever";
  if (side.given_group) return "a group of L has not ended";
  if (side.taken_group) return "a group of S has not ended";
  if (!side.arrived.empty()) return "what has arrived is never taken";
  if (side.awaited.empty()) return {};
  return std::string{"a move of S has not ended: "} + handoff::name_of(side.awaited.front().machine.state());
}

bool in_excusable_doubt(const Setup& setup, const World& world, Id process, Id connection) {
  for (Id link = 0; link < world.links.size(); ++link)
    for (Id at = 0; at < 2; ++at) {
      const Port port{link, at};
      if (process_at(setup, port) != process) continue;
      for (const Given& given : end_of(world, port).side.given)
        if (given.connection == connection &&
            (excusably_in_doubt(world, port, given) ||
             ((given.machine.state() == ListenerState::Stopped || given.machine.state() == ListenerState::Held) &&
              only_a_child_is_there(world, port))))
          return true;
      if (!only_a_child_is_there(world, port)) continue;
      // Of a group that nobody goes on with: L's call for it waits, S waits for what comes next.
      const Side& side = end_of(world, port).side;
      if (waits_to_be_held(setup, side, connection)) return true;
      for (const Awaited& awaited : side.awaited)
        if (awaited.machine.state() == handoff::ServerState::Held && awaited.item.connection == connection) return true;
    }
  return false;
}

}  // namespace

std::string broken_in(const Setup& setup, const World& world) {
  if (!world.broken.empty()) return world.broken;
  for (Id each = 0; each < world.connections.size(); ++each) {
    const Connection& connection = world.connections[each];
    const Right& right = connection.right;
    for (Id process = 0; process < world.processes.size(); ++process) {
      const bool usable = world.processes[process].numbers[each] == Number::Real;
      if (usable && (right.owner != process || right.called_to != none || right.by_move != none))
        return "a process can use an end point that it does not own";
      if (usable && connection.torn && !connection.reset) return "a torn stream is served";
    }
    for (Id process = 0; process < world.processes.size(); ++process) {
      const unsigned known = accounted(setup, world, process, each);
      if (connection.held[process] > known) return "a descriptor without an owner";
      if (connection.held[process] < known) return "a descriptor is missing";
    }
    if (right.owner == none || right.excused || connection.reset) continue;
    if (world.processes[right.owner].life != Life::Alive) continue;  // dying: the books follow its pidfd
    if (connection.held[right.owner] == 0 && !coming_to(setup, world, right.owner, each))
      return exists(world, each) ? "its owner has lost the end point" : "the connection is lost, and its owner lives";
  }
  return {};
}

std::string broken_at_rest(const Setup& setup, const World& world) {
  for (Id link = 0; link < world.links.size(); ++link)
    for (Id at = 0; at < 2; ++at) {
      const Port port{link, at};
      if (world.processes[process_at(setup, port)].life != Life::Alive) continue;
      if (std::string why = broken_side_at_rest(setup, world, port); !why.empty()) return why;
    }
  const bool any_child = std::ranges::any_of(world.links, [](const Link& link) {
    return std::ranges::any_of(link.ends, [](const End& end) { return end.child; });
  });
  for (Id each = 0; each < world.connections.size(); ++each) {
    const Connection& connection = world.connections[each];
    const Right& right = connection.right;
    // A child that holds a link may keep what is queued there.
    if (right.owner == none && !right.excused && !any_child && exists(world, each))
      return "at rest, nobody owns the connection, and its client sees no end";
    for (Id process = 0; process < world.processes.size(); ++process) {
      const bool alive = world.processes[process].life == Life::Alive;
      if (!alive || in_excusable_doubt(setup, world, process, each)) continue;
      const bool usable = world.processes[process].numbers[each] == Number::Real;
      if (right.owner == process && !usable && !right.excused && !connection.reset)
        return "at rest, and its owner cannot use the end point";
      if (right.owner != process && connection.held[process] > 0) return "at rest, and a stranger holds the end point";
    }
  }
  return {};
}

}  // namespace baton::sim
