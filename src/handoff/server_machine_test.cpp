// SPDX-License-Identifier: MIT
#include "handoff/server_machine.hpp"

#include <gtest/gtest.h>

#include <array>
#include <initializer_list>
#include <ostream>
#include <set>
#include <string>
#include <string_view>

namespace baton::handoff {

static void PrintTo(ServerState state, std::ostream* out) { *out << name_of(state); }

namespace {

using enum ServerState;
using enum ServerStep;

constexpr std::array states{Offered, Accepted, Called, Taken, Refused, Cancelled, Ended, Held};

enum class Event {
  Accept,
  Refuse,
  Call,
  CancelOfTheLiving,
  CancelOfTheDead,
  Take,
  Fail,
  GiveUp,
  LinkEnded,
  Committed,
  Aborted
};

struct Cell {
  ServerStep step;
  ServerState next;
};
struct Row {
  Event event;
  std::string_view name;
  std::array<Cell, states.size()> cells;  // in the order of `states`
};

// The diagram of server_machine.hpp, and sections 2, 3 and 6 of the protocol. Where the diagram has no arrow: a frame
// or a call of S that has no place there is a violation; a CANCEL that crossed what S has already said is nothing.
constexpr Cell violates(ServerState state) { return {Violation, state}; }
constexpr Cell ignored(ServerState state) { return {None, state}; }
constexpr Cell cancels{SendCancelled, Cancelled};
constexpr Cell ends{None, Ended};

constexpr Row table[] = {
    {Event::Accept,
     "accept",
     {{{SendAnswer, Accepted},
       violates(Accepted),
       violates(Called),
       violates(Taken),
       violates(Refused),
       violates(Cancelled),
       violates(Ended),
       violates(Held)}}},
    {Event::Refuse,
     "refuse",
     {{{SendAnswer, Refused},
       violates(Accepted),
       violates(Called),
       violates(Taken),
       violates(Refused),
       violates(Cancelled),
       violates(Ended),
       violates(Held)}}},
    {Event::Call,
     "CALL",
     {{violates(Offered),
       {None, Called},
       violates(Called),
       violates(Taken),
       violates(Refused),
       violates(Cancelled),
       violates(Ended),
       violates(Held)}}},
    {Event::CancelOfTheLiving,
     "CANCEL while L lives",
     {{cancels, cancels, cancels, ignored(Taken), ignored(Refused), ignored(Cancelled), ignored(Ended),
       ignored(Held)}}},
    // The CALL was the commit: only a move that was never called is still off.
    {Event::CancelOfTheDead,
     "CANCEL of a dead L",
     {{cancels, cancels, ignored(Called), ignored(Taken), ignored(Refused), ignored(Cancelled), ignored(Ended),
       ignored(Held)}}},
    {Event::Take,
     "take",
     {{violates(Offered),
       violates(Accepted),
       {SendTaken, Taken},
       violates(Taken),
       violates(Refused),
       violates(Cancelled),
       violates(Ended),
       violates(Held)}}},
    {Event::Fail,
     "fail",
     {{violates(Offered),
       violates(Accepted),
       {SendTaken, Refused},
       violates(Taken),
       violates(Refused),
       violates(Cancelled),
       violates(Ended),
       {SendTaken, Refused}}}},
    {Event::GiveUp,
     "give up",
     {{{SendAnswer, Refused},
       {None, Refused},
       {SendTaken, Refused},
       ignored(Taken),
       ignored(Refused),
       ignored(Cancelled),
       ignored(Ended),
       {SendAbort, Refused}}}},
    {Event::LinkEnded,
     "link ended",
     {{ends, ends, ignored(Called), ignored(Taken), ignored(Refused), ignored(Cancelled), ignored(Ended), ends}}},
    {Event::Committed,
     "COMMIT",
     {{violates(Offered),
       violates(Accepted),
       violates(Called),
       violates(Taken),
       ignored(Refused),
       ignored(Cancelled),
       ignored(Ended),
       {None, Called}}}},
    {Event::Aborted,
     "group called off",
     {{ignored(Offered),
       ignored(Accepted),
       ignored(Called),
       ignored(Taken),
       ignored(Refused),
       ignored(Cancelled),
       ignored(Ended),
       {None, Cancelled}}}},
};

ServerStep apply(ServerMachine& machine, Event event) {
  switch (event) {
    case Event::Accept:
      return machine.answer(true);
    case Event::Refuse:
      return machine.answer(false);
    case Event::Call:
      return machine.call();
    case Event::CancelOfTheLiving:
      return machine.cancel(true);
    case Event::CancelOfTheDead:
      return machine.cancel(false);
    case Event::Take:
      return machine.take();
    case Event::Fail:
      return machine.fail();
    case Event::GiveUp:
      return machine.give_up();
    case Event::LinkEnded:
      machine.link_ended();
      return None;
    case Event::Committed:
      return machine.committed();
    case Event::Aborted:
      machine.aborted();
      return None;
  }
  return None;
}

/// A machine of the seed's manner that has come to `state`.
ServerMachine machine_in(ServerState state) {
  if (state == Held) return ServerMachine{ServerMachine::Manner::Held};
  ServerMachine machine{ServerMachine::Manner::Seed};
  const auto through = [&](std::initializer_list<Event> events) {
    for (const Event event : events) (void)apply(machine, event);
  };
  switch (state) {
    case Offered:
    case Held:
      break;
    case Accepted:
      through({Event::Accept});
      break;
    case Called:
      through({Event::Accept, Event::Call});
      break;
    case Taken:
      through({Event::Accept, Event::Call, Event::Take});
      break;
    case Refused:
      through({Event::Refuse});
      break;
    case Cancelled:
      through({Event::CancelOfTheLiving});
      break;
    case Ended:
      through({Event::LinkEnded});
      break;
  }
  return machine;
}

TEST(ServerMachine, DoesInEveryStateWhatTheDiagramSaysOfEveryEvent) {
  static_assert(std::size(table) == static_cast<std::size_t>(Event::Aborted) + 1);
  for (const Row& row : table)
    for (std::size_t column = 0; column < states.size(); ++column) {
      SCOPED_TRACE(std::string{name_of(states[column])} + ", " + std::string{row.name});
      ServerMachine machine = machine_in(states[column]);
      ASSERT_EQ(machine.state(), states[column]);
      EXPECT_EQ(apply(machine, row.event), row.cells[column].step);
      EXPECT_EQ(machine.state(), row.cells[column].next);
    }
}

TEST(ServerMachine, TakesAfterTheDeathOfTheListenerAlsoBehindItsCancel) {
  ServerMachine machine{ServerMachine::Manner::Express};
  machine.link_ended();
  EXPECT_EQ(machine.cancel(false), None);
  EXPECT_EQ(machine.take(), SendTaken);
  EXPECT_EQ(machine.state(), Taken);
}

TEST(ServerMachine, BeginsOfferedInTheSeedsMannerCalledInExpressAndHeldInAGroup) {
  EXPECT_EQ(ServerMachine{ServerMachine::Manner::Seed}.state(), Offered);
  EXPECT_EQ(ServerMachine{ServerMachine::Manner::Express}.state(), Called);
  EXPECT_EQ(ServerMachine{ServerMachine::Manner::Held}.state(), Held);
}

TEST(ServerMachine, KnowsWhichStatesAreEnds) {
  for (const ServerState state : states)
    EXPECT_EQ(machine_in(state).ended(), state != Offered && state != Accepted && state != Called && state != Held)
        << name_of(state);
}

TEST(ServerMachine, HasANameForEveryState) {
  std::set<std::string> names;
  for (const ServerState state : states) names.insert(name_of(state));
  EXPECT_EQ(names.size(), states.size());
  EXPECT_FALSE(names.contains("?"));
}

}  // namespace
}  // namespace baton::handoff
