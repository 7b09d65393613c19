// SPDX-License-Identifier: MIT
// baton: sim/events.hpp: everything that can happen next in a world.
//
// Two kinds. *Progress* happens by itself, in some order, as long as the parties run: a frame is read, a program does
// the next thing it wants. The rest may never happen and is bounded by the world's budget: a death, a timeout, an
// octet. Threads: pure functions.
#pragma once

#include <string>
#include <vector>

#include "driver.hpp"
#include "world.hpp"

namespace baton::sim {

enum class Happening : std::uint8_t {
  // Progress.
  Receive,
  Flush,
  NoticeDeath,
  NoticeLoss,
  PidfdTells,
  Offer,
  Give,
  ReadAnswer,
  Call,
  Accept,
  Refuse,
  BeginToTake,
  Take,
  Announce,
  Hold,
  Complete,
  Commit,
  BeginToSend,
  SendAtLast,
  Park,
  SayReady,
  TakeGroup,
  BeginToTakeArrivals,
  TakeArrivals,
  // What need not happen.
  ReceiveTableFull,
  Cancel,
  Abort,
  Abandon,
  GiveUp,
  TimeOut,
  CloseNumber,
  Close,
  ClosePlainly,
  Fork,
  ChildExits,
  Kill,
  LateRead,
  StrayRead,
  ClientSends,
  ClientHalfCloses,
  ClientResets,
  Read,
  Write,
};

inline constexpr std::size_t happenings = static_cast<std::size_t>(Happening::Write) + 1;

struct Event {
  Happening what = Happening::Receive;
  Port port;          // of the process that acts; port.link alone for none of them
  Id subject = none;  // place in a list, plan, connection or process, as the happening has it; Abort: 0 of L, 1 of S
  Id count = 0;
};

[[nodiscard]] inline bool is_progress(Happening what) { return what <= Happening::TakeArrivals; }

/// All that can happen, always in the same order for equal worlds.
void enumerate(const Setup& setup, World& world, std::vector<Event>& events);
void happen(const Setup& setup, World& world, const Event& event);
/// One line for a reader. `world` is the one before the event.
[[nodiscard]] std::string describe(const Setup& setup, World& world, const Event& event);

}  // namespace baton::sim
