// SPDX-License-Identifier: MIT
#include "handoff/server_machine.hpp"

namespace baton::handoff {

bool ServerMachine::ended() const noexcept {
  switch (state_) {
    case ServerState::Offered:
    case ServerState::Accepted:
    case ServerState::Held:
    case ServerState::Called:
      return false;
    case ServerState::Taken:
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return true;
  }
  return true;
}

ServerStep ServerMachine::answer(bool accept) noexcept {
  switch (state_) {
    case ServerState::Offered:
      state_ = accept ? ServerState::Accepted : ServerState::Refused;
      return ServerStep::SendAnswer;
    case ServerState::Accepted:
    case ServerState::Called:
    case ServerState::Taken:
    case ServerState::Held:
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return ServerStep::Violation;
  }
  return ServerStep::Violation;
}

ServerStep ServerMachine::call() noexcept {
  switch (state_) {
    case ServerState::Accepted:
      state_ = ServerState::Called;
      return ServerStep::None;
    case ServerState::Offered:
    case ServerState::Called:
    case ServerState::Taken:
    case ServerState::Held:
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return ServerStep::Violation;
  }
  return ServerStep::Violation;
}

ServerStep ServerMachine::cancel(bool listener_alive) noexcept {
  switch (state_) {
    case ServerState::Called:
      if (!listener_alive) return ServerStep::None;
      [[fallthrough]];
    case ServerState::Offered:
    case ServerState::Accepted:
      state_ = ServerState::Cancelled;
      return ServerStep::SendCancelled;
    case ServerState::Held:  // of a group none is called off alone
    case ServerState::Taken:
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return ServerStep::None;  // our TAKEN or ANSWER is on its way and decides
  }
  return ServerStep::None;
}

ServerStep ServerMachine::take() noexcept {
  switch (state_) {
    case ServerState::Called:
      state_ = ServerState::Taken;
      return ServerStep::SendTaken;
    case ServerState::Offered:
    case ServerState::Accepted:
    case ServerState::Taken:
    case ServerState::Held:
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return ServerStep::Violation;
  }
  return ServerStep::Violation;
}

ServerStep ServerMachine::fail() noexcept {
  switch (state_) {
    case ServerState::Held:
    case ServerState::Called:
      state_ = ServerState::Refused;
      return ServerStep::SendTaken;
    case ServerState::Offered:
    case ServerState::Accepted:
    case ServerState::Taken:
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return ServerStep::Violation;
  }
  return ServerStep::Violation;
}

ServerStep ServerMachine::give_up() noexcept {
  switch (state_) {
    case ServerState::Offered:
      state_ = ServerState::Refused;
      return ServerStep::SendAnswer;
    case ServerState::Accepted:
      state_ = ServerState::Refused;
      return ServerStep::None;
    case ServerState::Held:
      state_ = ServerState::Refused;
      return ServerStep::SendAbort;
    case ServerState::Called:
      state_ = ServerState::Refused;
      return ServerStep::SendTaken;
    case ServerState::Taken:
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return ServerStep::None;
  }
  return ServerStep::None;
}

ServerStep ServerMachine::committed() noexcept {
  switch (state_) {
    case ServerState::Held:
      state_ = ServerState::Called;
      return ServerStep::None;
    case ServerState::Offered:
    case ServerState::Accepted:
    case ServerState::Called:
    case ServerState::Taken:
      return ServerStep::Violation;
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return ServerStep::None;  // our ABORT is on its way and decides
  }
  return ServerStep::Violation;
}

void ServerMachine::aborted() noexcept {
  switch (state_) {
    case ServerState::Held:
      state_ = ServerState::Cancelled;
      return;
    case ServerState::Offered:
    case ServerState::Accepted:
    case ServerState::Called:
    case ServerState::Taken:
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return;
  }
}

void ServerMachine::link_ended() noexcept {
  switch (state_) {
    case ServerState::Offered:
    case ServerState::Accepted:
    case ServerState::Held:
      state_ = ServerState::Ended;
      return;
    case ServerState::Called:
    case ServerState::Taken:
    case ServerState::Refused:
    case ServerState::Cancelled:
    case ServerState::Ended:
      return;
  }
}

const char* name_of(ServerState state) noexcept {
  switch (state) {
    case ServerState::Offered:
      return "offered";
    case ServerState::Accepted:
      return "accepted";
    case ServerState::Held:
      return "held";
    case ServerState::Called:
      return "called";
    case ServerState::Taken:
      return "taken";
    case ServerState::Refused:
      return "refused";
    case ServerState::Cancelled:
      return "cancelled";
    case ServerState::Ended:
      return "ended";
  }
  return "?";
}

}  // namespace baton::handoff
