// SPDX-License-Identifier: MIT
#include "handoff/listener_machine.hpp"

namespace baton::handoff {

bool ListenerMachine::ended() const noexcept {
  switch (state_) {
    case ListenerState::Offered:
    case ListenerState::Stopped:
    case ListenerState::Held:
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
      return false;
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return true;
  }
  return true;
}

ListenerStep ListenerMachine::answer(bool accepted) noexcept {
  switch (state_) {
    case ListenerState::Offered:
      if (accepted) return end(ListenerState::Stopped, ListenerStep::StopData);
      return end(ListenerState::Returned, ListenerStep::KeepEndPoint);
    case ListenerState::Stopped:
    case ListenerState::Held:
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
      return ListenerStep::Violation;
    case ListenerState::Moved:
    case ListenerState::Returned:  // an answer that crossed our CANCEL
    case ListenerState::Abandoned:
      return ListenerStep::None;
  }
  return ListenerStep::None;
}

ListenerStep ListenerMachine::called() noexcept {
  switch (state_) {
    case ListenerState::Stopped:
      return end(ListenerState::InDoubt, ListenerStep::None);
    case ListenerState::Offered:
    case ListenerState::Held:
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return ListenerStep::Violation;
  }
  return ListenerStep::Violation;
}

ListenerStep ListenerMachine::taken(TakeOutcome outcome) noexcept {
  switch (state_) {
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
      if (outcome == TakeOutcome::Taken) return end(ListenerState::Moved, ListenerStep::LetGo);
      return end(ListenerState::Returned, ListenerStep::Verify);
    case ListenerState::Held:
      if (outcome == TakeOutcome::Taken) return ListenerStep::Violation;
      return end(ListenerState::Returned, ListenerStep::Verify);
    case ListenerState::Offered:
    case ListenerState::Stopped:
      return ListenerStep::Violation;
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return ListenerStep::None;
  }
  return ListenerStep::None;
}

ListenerStep ListenerMachine::cancelled() noexcept {
  switch (state_) {
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
      return end(ListenerState::Returned, ListenerStep::Verify);
    case ListenerState::Offered:
    case ListenerState::Stopped:
    case ListenerState::Held:
      return ListenerStep::Violation;
    case ListenerState::Moved:
    case ListenerState::Returned:  // the ordinary end of a move cancelled before its call
    case ListenerState::Abandoned:
      return ListenerStep::None;
  }
  return ListenerStep::None;
}

ListenerStep ListenerMachine::link_ended() noexcept {
  switch (state_) {
    case ListenerState::Offered:
      return end(ListenerState::Returned, ListenerStep::KeepEndPoint);
    case ListenerState::Stopped:
      return end(ListenerState::Returned, ListenerStep::LiftStop);
    case ListenerState::Held:
      return end(ListenerState::Returned, ListenerStep::Verify);
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return ListenerStep::None;
  }
  return ListenerStep::None;
}

ListenerStep ListenerMachine::server_gone() noexcept {
  switch (state_) {
    case ListenerState::Offered:
      return end(ListenerState::Returned, ListenerStep::KeepEndPoint);
    case ListenerState::Stopped:
      return end(ListenerState::Returned, ListenerStep::LiftStop);
    case ListenerState::Held:
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
      return end(ListenerState::Returned, ListenerStep::Verify);
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return ListenerStep::None;
  }
  return ListenerStep::None;
}

ListenerStep ListenerMachine::cancel() noexcept {
  switch (state_) {
    case ListenerState::Offered:
    case ListenerState::Stopped:
      return end(ListenerState::Returned, ListenerStep::SendCancel);
    case ListenerState::InDoubt:
      return end(ListenerState::Cancelling, ListenerStep::SendCancel);
    case ListenerState::Held:  // of a group none is called off alone
    case ListenerState::Cancelling:
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return ListenerStep::None;
  }
  return ListenerStep::None;
}

ListenerStep ListenerMachine::committed() noexcept {
  switch (state_) {
    case ListenerState::Held:
      return end(ListenerState::InDoubt, ListenerStep::None);
    case ListenerState::Offered:
    case ListenerState::Stopped:
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return ListenerStep::Violation;
  }
  return ListenerStep::Violation;
}

ListenerStep ListenerMachine::aborted() noexcept {
  switch (state_) {
    case ListenerState::Held:
      return end(ListenerState::Returned, ListenerStep::Verify);
    case ListenerState::Offered:
    case ListenerState::Stopped:
    case ListenerState::InDoubt:  // committed: S decides, or its death
    case ListenerState::Cancelling:
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return ListenerStep::None;
  }
  return ListenerStep::None;
}

ListenerStep ListenerMachine::group_refused() noexcept {
  switch (state_) {
    case ListenerState::Held:
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
      return end(ListenerState::Returned, ListenerStep::Verify);
    case ListenerState::Offered:
    case ListenerState::Stopped:
      return ListenerStep::Violation;
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return ListenerStep::None;
  }
  return ListenerStep::None;
}

ListenerStep ListenerMachine::abandon() noexcept {
  switch (state_) {
    case ListenerState::InDoubt:
    case ListenerState::Cancelling:
      return end(ListenerState::Abandoned, ListenerStep::LetGo);
    case ListenerState::Offered:
    case ListenerState::Stopped:
    case ListenerState::Held:
    case ListenerState::Moved:
    case ListenerState::Returned:
    case ListenerState::Abandoned:
      return ListenerStep::None;
  }
  return ListenerStep::None;
}

const char* name_of(ListenerState state) noexcept {
  switch (state) {
    case ListenerState::Offered:
      return "offered";
    case ListenerState::Stopped:
      return "stopped";
    case ListenerState::Held:
      return "held";
    case ListenerState::InDoubt:
      return "in doubt";
    case ListenerState::Cancelling:
      return "cancelling";
    case ListenerState::Moved:
      return "moved";
    case ListenerState::Returned:
      return "returned";
    case ListenerState::Abandoned:
      return "abandoned";
  }
  return "?";
}

}  // namespace baton::handoff
