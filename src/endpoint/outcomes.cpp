// SPDX-License-Identifier: MIT
// The listener's side of moves on a link: how they end.
#include <algorithm>

#include "base/fault_point.hpp"
#include "endpoint/link.hpp"
#include "endpoint/outcome_reader.hpp"
#include "endpoint/position.hpp"
#include "endpoint/statistics.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {

Result<void> Link::await_outcome(Lock& lock, const std::shared_ptr<GivenMove>& move, const Waiting& waiting) {
  for (;;) {
    if (move->machine.ended()) {
      move->collected = true;
      if (move->machine.state() == handoff::ListenerState::Moved) return {};
      return std::unexpected{move->failure};
    }
    if (!move->machine.in_doubt()) return fail(Fault::OutOfOrder);
    BATON_FAULT_POINT(outcome_awaited);
    const Pumped pumped = pump(lock);
    if (pumped == Pumped::Progress || move->machine.ended()) continue;
    // What stands in front may be of a child that the server has left behind.
    if (pumped == Pumped::Full && !detect_deaths()) return fail(Fault::FrameExpected);
    if (pumped == Pumped::Full) continue;
    renew_parked(lock, move);
    auto waited = pause(lock, waiting, POLLIN);
    if (waited) continue;
    if (waited.error().fault == Fault::TimedOut) act(move, move->machine.cancel());
    if (!move->machine.ended()) return waited;
  }
}

Result<std::shared_ptr<GivenMove>> Link::outcome_move(const Lock& lock, int number) {
  if (number >= 0) {
    if (auto move = given_by_number(lock, number)) return move;
    if (const auto done = finished_.find(number); done != finished_.end()) return done->second;
    return fail(Fault::NoSuchMove);
  }
  std::shared_ptr<GivenMove> only;
  for (const auto& [id, move] : given_) {
    if (move->express || !move->machine.in_doubt()) continue;
    if (only) return fail(Fault::Argument);
    only = move;
  }
  if (!only) return fail(Fault::NoSuchMove);
  return only;
}

bool GivenMove::out_of_reach() const {
  const auto lock = link->lock();
  return express ? !machine.ended() && !undone : stopping || parked_cookie != 0;
}

bool GivenMove::stands_in(int of) const { return out_of_reach() && (express || of == number); }

Result<void> Link::cancel(const Lock& lock, const std::shared_ptr<GivenMove>& move) {
  pump_all(lock);
  if (move->sending) return fail(Fault::InDoubt);
  const bool before_call = !move->machine.in_doubt() && !move->machine.ended();
  act(move, move->machine.cancel());
  if (before_call) return {};
  if (move->machine.state() == handoff::ListenerState::Moved) return fail(Fault::Moved);
  return move->machine.ended() ? Result<void>{} : fail(Fault::InDoubt);
}

std::size_t Link::recall(const Lock& lock, handoff::MoveId id) {
  pump_all(lock);  // a TAKEN that is here already comes first
  std::size_t asked = 0;
  for (const auto& [each, move] : given_) {
    // Half of it: what fills the outbox stops the reading, and S, whose own is full of answers, would wait for us.
    if (ended_ || broken_ || send_broken_ || outbox_.size() >= max_outbox / 2) break;
    const bool in_doubt = move->machine.state() == handoff::ListenerState::InDoubt;
    if (!in_doubt || !move->express || move->held || move->sending || (id != 0 && id != each)) continue;
    act(move, move->machine.cancel());
    ++asked;
  }
  return asked;
}

std::size_t Link::abandon(const Lock&, handoff::MoveId id) {
  std::vector<std::shared_ptr<GivenMove>> chosen;
  // Of a group not: the next one could begin while S has not taken this one.
  for (const auto& [each, move] : given_)
    if (move->machine.in_doubt() && !move->held && (id == 0 || id == each)) chosen.push_back(move);
  return let_go_unknowing(chosen);
}

std::size_t Link::let_go_unknowing(std::span<const std::shared_ptr<GivenMove>> moves) {
  for (const auto& move : moves) {
    move->failure = {Fault::Cancelled, {}};
    act(move, move->machine.abandon());
  }
  return moves.size();
}

void Link::send_cancel(handoff::MoveId id) {
  std::array<std::byte, handoff::small_frame> room;
  BATON_FAULT_POINT(cancel_before);
  if (!ended_ && !broken_) reply(handoff::encode(room, id, handoff::Cancel{}));
  trace(id, 'L', "CANCEL");
  BATON_FAULT_POINT(cancel_queued);
}

void Link::give_up_number(const Lock& lock, const std::shared_ptr<GivenMove>& move) {
  move->number_gone = true;
  if (const auto done = finished_.find(move->number); done != finished_.end() && done->second == move)
    finished_.erase(done);
  if (move->machine.in_doubt()) {
    // The outcome may be in the link already; else someone has to listen for it, for the program may never come back.
    pump_all(lock);
    if (move->machine.in_doubt()) watch_outcomes();
    return;
  }
  if (move->sending) return;  // the call that sends it will see
  // Before the call, closing the end point is what the program means: the move is off and the client sees the close.
  if (!move->machine.ended()) act(move, move->machine.cancel());
}

bool GivenMove::intact() const noexcept {
  if (item.kind == handoff::Kind::ListeningSocket) return true;  // it has no stream
  if (item.image.position == handoff::Position{} && iso) return true;
  return untouched(real.ref(), position);
}

void GivenMove::number_lost() noexcept {
  auto lock = link->lock();
  link->give_up_number(lock, shared_from_object<GivenMove>());
}

Result<std::vector<std::shared_ptr<GivenMove>>> Link::await_outcomes(Lock& lock, std::size_t most,
                                                                     const Waiting& waiting) {
  if (credit_has_come(lock)) wanted_credit_ = 0;  // who hears of outcomes has been told
  while (outcomes_.empty()) {
    if (in_doubt_ == 0 && !given_group_) return fail(Fault::NoSuchMove);
    BATON_FAULT_POINT(outcomes_awaited);
    const Pumped pumped = pump(lock);
    if (pumped == Pumped::Progress || !outcomes_.empty()) continue;
    if (pumped == Pumped::Full && !detect_deaths()) return fail(Fault::FrameExpected);
    if (pumped == Pumped::Full) continue;
    if (auto waited = pause(lock, waiting, POLLIN); !waited) return std::unexpected{waited.error()};
  }
  std::vector<std::shared_ptr<GivenMove>> ended;
  while (!outcomes_.empty() && ended.size() < most) {
    ended.push_back(std::move(outcomes_.front()));
    outcomes_.pop_front();
  }
  return ended;
}

}  // namespace baton::endpoint
