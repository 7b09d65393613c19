// SPDX-License-Identifier: MIT
#include "handoff/listener_machine.hpp"

#include <gtest/gtest.h>

#include <array>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::handoff {

static void PrintTo(ListenerState state, std::ostream* out) { *out << name_of(state); }

namespace {

using enum ListenerState;
using enum ListenerStep;

constexpr std::array states{Offered, Stopped, InDoubt, Cancelling, Moved, Returned, Abandoned, Held};

enum class Event {
  Accepted,
  AnswerRefused,
  Called,
  Taken,
  NotTaken,
  Cancelled,
  LinkEnded,
  ServerGone,
  Cancel,
  Abandon,
  Committed,
  Aborted,
  GroupRefused,
};

struct Cell {
  ListenerStep step;
  ListenerState next;
};
struct Row {
  Event event;
  std::string_view name;
  std::array<Cell, states.size()> cells;  // in the order of `states`
};

// The diagram of listener_machine.hpp, and sections 3 and 6 of the protocol. Where the diagram has no arrow: a frame
// that the peer could not send yet is a violation, one that crossed ours on its way is nothing.
constexpr Cell violates(ListenerState state) { return {Violation, state}; }
constexpr Cell ignored(ListenerState state) { return {None, state}; }
constexpr Cell lifts{LiftStop, Returned};
constexpr Cell keeps{KeepEndPoint, Returned};
constexpr Cell verifies{Verify, Returned};
constexpr Cell moves{LetGo, Moved};
constexpr Cell abandons{LetGo, Abandoned};

constexpr Row table[] = {
    {Event::Accepted,
     "answer accepted",
     {{{StopData, Stopped},
       violates(Stopped),
       violates(InDoubt),
       violates(Cancelling),
       ignored(Moved),
       ignored(Returned),
       ignored(Abandoned),
       violates(Held)}}},
    {Event::AnswerRefused,
     "answer refused",
     {{keeps, violates(Stopped), violates(InDoubt), violates(Cancelling), ignored(Moved), ignored(Returned),
       ignored(Abandoned), violates(Held)}}},
    {Event::Called,
     "called",
     {{violates(Offered),
       {None, InDoubt},
       violates(InDoubt),
       violates(Cancelling),
       violates(Moved),
       violates(Returned),
       violates(Abandoned),
       violates(Held)}}},
    {Event::Taken,
     "taken",
     {{violates(Offered), violates(Stopped), moves, moves, ignored(Moved), ignored(Returned), ignored(Abandoned),
       violates(Held)}}},
    {Event::NotTaken,
     "not taken",
     {{violates(Offered), violates(Stopped), verifies, verifies, ignored(Moved), ignored(Returned), ignored(Abandoned),
       verifies}}},
    {Event::Cancelled,
     "cancelled",
     {{violates(Offered), violates(Stopped), verifies, verifies, ignored(Moved), ignored(Returned), ignored(Abandoned),
       violates(Held)}}},
    {Event::LinkEnded,
     "link ended",
     {{keeps, lifts, ignored(InDoubt), ignored(Cancelling), ignored(Moved), ignored(Returned), ignored(Abandoned),
       verifies}}},
    {Event::ServerGone,
     "server gone",
     {{keeps, lifts, verifies, verifies, ignored(Moved), ignored(Returned), ignored(Abandoned), verifies}}},
    {Event::Cancel,
     "cancel",
     {{{SendCancel, Returned},
       {SendCancel, Returned},
       {SendCancel, Cancelling},
       ignored(Cancelling),
       ignored(Moved),
       ignored(Returned),
       ignored(Abandoned),
       ignored(Held)}}},
    {Event::Abandon,
     "abandon",
     {{ignored(Offered), ignored(Stopped), abandons, abandons, ignored(Moved), ignored(Returned), ignored(Abandoned),
       ignored(Held)}}},
    {Event::Committed,
     "COMMIT queued",
     {{violates(Offered),
       violates(Stopped),
       violates(InDoubt),
       violates(Cancelling),
       violates(Moved),
       violates(Returned),
       violates(Abandoned),
       {None, InDoubt}}}},
    {Event::Aborted,
     "group called off",
     {{ignored(Offered), ignored(Stopped), ignored(InDoubt), ignored(Cancelling), ignored(Moved), ignored(Returned),
       ignored(Abandoned), verifies}}},
    {Event::GroupRefused,
     "ABORT of S",
     {{violates(Offered), violates(Stopped), verifies, verifies, ignored(Moved), ignored(Returned), ignored(Abandoned),
       verifies}}},
};

ListenerStep apply(ListenerMachine& machine, Event event, TakeOutcome refusal = TakeOutcome::Declined) {
  switch (event) {
    case Event::Accepted:
      return machine.answer(true);
    case Event::AnswerRefused:
      return machine.answer(false);
    case Event::Called:
      return machine.called();
    case Event::Taken:
      return machine.taken(TakeOutcome::Taken);
    case Event::NotTaken:
      return machine.taken(refusal);
    case Event::Cancelled:
      return machine.cancelled();
    case Event::LinkEnded:
      return machine.link_ended();
    case Event::ServerGone:
      return machine.server_gone();
    case Event::Cancel:
      return machine.cancel();
    case Event::Abandon:
      return machine.abandon();
    case Event::Committed:
      return machine.committed();
    case Event::Aborted:
      return machine.aborted();
    case Event::GroupRefused:
      return machine.group_refused();
  }
  return None;
}

/// A machine of the seed's manner that has come to `state`; Held only those of groups know.
ListenerMachine machine_in(ListenerState state) {
  if (state == Held) return ListenerMachine{ListenerMachine::Manner::Held};
  ListenerMachine machine{ListenerMachine::Manner::Seed};
  const auto through = [&](std::initializer_list<Event> events) {
    for (const Event event : events) (void)apply(machine, event);
  };
  switch (state) {
    case Offered:
    case Held:
      break;
    case Stopped:
      through({Event::Accepted});
      break;
    case InDoubt:
      through({Event::Accepted, Event::Called});
      break;
    case Cancelling:
      through({Event::Accepted, Event::Called, Event::Cancel});
      break;
    case Moved:
      through({Event::Accepted, Event::Called, Event::Taken});
      break;
    case Returned:
      through({Event::AnswerRefused});
      break;
    case Abandoned:
      through({Event::Accepted, Event::Called, Event::Abandon});
      break;
  }
  return machine;
}

TEST(ListenerMachine, DoesInEveryStateWhatTheDiagramSaysOfEveryEvent) {
  static_assert(std::size(table) == static_cast<std::size_t>(Event::GroupRefused) + 1);
  for (const Row& row : table)
    for (std::size_t column = 0; column < states.size(); ++column) {
      SCOPED_TRACE(std::string{name_of(states[column])} + ", " + std::string{row.name});
      ListenerMachine machine = machine_in(states[column]);
      ASSERT_EQ(machine.state(), states[column]);
      EXPECT_EQ(apply(machine, row.event), row.cells[column].step);
      EXPECT_EQ(machine.state(), row.cells[column].next);
    }
}

TEST(ListenerMachine, TakesEveryOutcomeButTakenForARefusal) {
  for (int value = 1; value < 256; ++value)
    for (const ListenerState state : {InDoubt, Cancelling, Held}) {
      ListenerMachine machine = machine_in(state);
      EXPECT_EQ(apply(machine, Event::NotTaken, static_cast<TakeOutcome>(value)), Verify) << value;
      EXPECT_EQ(machine.state(), Returned) << value;
    }
}

TEST(ListenerMachine, BeginsOfferedInTheSeedsMannerInDoubtInExpressAndHeldInAGroup) {
  EXPECT_EQ(ListenerMachine{ListenerMachine::Manner::Seed}.state(), Offered);
  EXPECT_EQ(ListenerMachine{ListenerMachine::Manner::Express}.state(), InDoubt);
  EXPECT_EQ(ListenerMachine{ListenerMachine::Manner::Held}.state(), Held);
}

TEST(ListenerMachine, KnowsWhichStatesAreInDoubtAndWhichAreEnds) {
  for (const ListenerState state : states) {
    const ListenerMachine machine = machine_in(state);
    EXPECT_EQ(machine.in_doubt(), state == InDoubt || state == Cancelling) << name_of(state);
    EXPECT_EQ(machine.ended(), state == Moved || state == Returned || state == Abandoned) << name_of(state);
  }
}

TEST(ListenerMachine, HasANameForEveryState) {
  std::set<std::string> names;
  for (const ListenerState state : states) names.insert(name_of(state));
  EXPECT_EQ(names.size(), states.size());
  EXPECT_FALSE(names.contains("?"));
}

}  // namespace
}  // namespace baton::handoff
