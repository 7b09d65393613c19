// SPDX-License-Identifier: MIT
// The listener's side of a group of held moves: complete, commit, abort.
#include <algorithm>
#include <array>

#include "base/fault_point.hpp"
#include "endpoint/iso_socket.hpp"
#include "endpoint/link.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {

Result<std::size_t> Link::hold(Lock& lock, std::span<const std::shared_ptr<GivenMove>> moves, Bytes user_data,
                               const Waiting& waiting) {
  if (given_group_over_) return std::unexpected{*given_group_over_};
  if (group_sending_) return fail(Fault::Busy);
  if (given_group_ && given_group_->state() != handoff::GroupState::Open) return fail(Fault::OutOfOrder);
  // One at a time: the one before has not ended for each of its moves.
  if (!given_group_ && std::ranges::any_of(given_, [](const auto& entry) { return entry.second->held; }))
    return fail(Fault::InDoubt);
  return give(lock, moves, user_data, waiting);
}

Result<void> Link::commit_group(Lock& lock, const Waiting& waiting) {
  std::array<std::byte, handoff::small_frame> room;
  const auto say = [&](auto frame) {
    group_sending_ = true;
    auto sent = send_frame(lock, handoff::encode(room, given_group_->id(), frame), waiting);
    group_sending_ = false;
    return sent;
  };
  if (group_sending_) return fail(Fault::Busy);
  const handoff::MoveId id = given_group_ ? given_group_->id() : 0;
  for (;;) {
    if (given_group_over_) return std::unexpected{*std::exchange(given_group_over_, std::nullopt)};
    if (!given_group_ || given_group_->id() != id) return fail(Fault::NoSuchMove);
    const std::uint32_t size = given_group_->size();
    switch (given_group_->state()) {
      case handoff::GroupState::Open: {
        BATON_FAULT_POINT(complete_before);
        const auto sent = say(handoff::Complete{size});
        if (!given_group_) continue;
        if (!sent) return sent;
        (void)given_group_->complete(size);
        trace(id, 'L', "COMPLETE");
        BATON_FAULT_POINT(complete_queued);
        continue;
      }
      case handoff::GroupState::Complete: {
        BATON_FAULT_POINT(held_awaited);
        const Pumped pumped = pump(lock);
        if (pumped == Pumped::Progress) continue;
        if (pumped == Pumped::Ended) group_off(end_failure());
        if (pumped == Pumped::Ended) continue;
        if (pumped == Pumped::Full && !detect_deaths()) return fail(Fault::FrameExpected);
        if (pumped == Pumped::Full) continue;
        if (auto waited = pause(lock, waiting, POLLIN); !waited) return waited;
        continue;
      }
      case handoff::GroupState::Ready: {
        pump_all(lock);  // an ABORT that is here already comes first
        if (!given_group_) continue;
        // Of S's death the pidfd tells: it is there before anything is S's.
        if (auto known = ensure_pidfd(*group_server_); !known) {
          if (known.error().fault != Fault::LinkEnded) return known;
          group_off(known.error());
          continue;
        }
        BATON_FAULT_POINT(commit_before);
        const auto sent = say(handoff::Commit{size});
        // Off while it waited for room: what S was told before comes first for it too.
        if (!given_group_) continue;
        if (!sent) return sent;
        BATON_FAULT_POINT(commit_queued);
        (void)given_group_->commit(size);
        for (const auto& [each, move] : given_) {
          if (move->group != id || move->machine.state() != handoff::ListenerState::Held) continue;
          (void)move->machine.committed();
          move->server = group_server_;
          begin_doubt(move);
        }
        given_group_.reset();
        trace(id, 'L', "COMMIT");
        gate_.open();
        return {};
      }
      case handoff::GroupState::Committed:
      case handoff::GroupState::Off:
        return fail(Fault::NoSuchMove);
    }
  }
}

Result<void> Link::abort_group(const Lock&) {
  if (std::exchange(given_group_over_, std::nullopt)) return {};
  if (!given_group_) return fail(Fault::NoSuchMove);
  send_abort(given_group_->id());
  group_off({Fault::Cancelled, {}});
  given_group_over_.reset();
  return {};
}

void Link::send_abort(handoff::MoveId group) {
  std::array<std::byte, handoff::small_frame> room;
  BATON_FAULT_POINT(abort_before);
  if (!ended_ && !broken_) reply(handoff::encode(room, group, handoff::Abort{}));
  trace(group, '-', "ABORT");
  BATON_FAULT_POINT(abort_queued);
}

void Link::group_off(Failure why) {
  if (!given_group_ || !given_group_->off()) return;
  given_group_.reset();
  group_server_.reset();
  given_group_over_ = why;
  std::vector<std::shared_ptr<GivenMove>> held;
  for (const auto& [id, move] : given_)
    if (move->machine.state() == handoff::ListenerState::Held) held.push_back(move);
  for (const auto& move : held) {
    move->failure = why;
    act(move, move->machine.aborted());
  }
  gate_.open();
}

void Link::on_held(handoff::MoveId group, std::uint32_t count, os::Received& received) {
  if (!given_group_ || given_group_->id() != group) return;  // of one that is off by now
  BATON_FAULT_POINT(held_arrived);
  group_server_ = process_of(received);
  if (given_group_->ready(count)) return gate_.open();
  // It does not hold what we gave.
  os::TraceLine{cookie_, group, 'L', "violation"};
  send_abort(group);
  group_off({Fault::Protocol, {}});
}

void Link::on_abort(handoff::MoveId group, os::Received& received) {
  BATON_FAULT_POINT(abort_arrived);
  if (taken_group_ && taken_group_->machine.id() == group) {
    if (awaits_commit()) drop_group();
    return;
  }
  std::vector<std::shared_ptr<GivenMove>> refused;
  const auto sender = process_of(received);
  for (const auto& [id, move] : given_)
    if (move->held && move->group == group && is_from_server(*move, *sender)) refused.push_back(move);
  if (refused.empty()) return;
  if (given_group_ && given_group_->id() == group) return group_off({Fault::Cancelled, {}});
  // It crossed our COMMIT: S had given the group up before it read that.
  for (const auto& move : refused) {
    move->failure = {Fault::RefusedMove, {}};
    act(move, move->machine.group_refused());
  }
}

void Link::return_number(GivenMove& move) {
  if (!move.real.valid()) return;
  const int number = move.real.release().release();
  if (move.iso) insert(number, move.real_cookie, move.iso);
}

}  // namespace baton::endpoint
