// SPDX-License-Identifier: MIT
// The listener's side of moves on a link.
#include <algorithm>

#include "base/fault_point.hpp"
#include "endpoint/in_use.hpp"
#include "endpoint/iso_socket.hpp"
#include "endpoint/link.hpp"
#include "endpoint/outcome_reader.hpp"
#include "endpoint/position.hpp"
#include "endpoint/statistics.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/tcp_abort.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {
namespace {

// Where real end points are kept during a data stop: above the numbers that select(2) can name.
constexpr int hidden_from = 1024;

}  // namespace

Result<void> Link::offer(Lock& lock, const std::shared_ptr<GivenMove>& move, std::span<const iovec> user_data,
                         std::size_t user_data_length, const Waiting& waiting) {
  if (machine_.state() == transport::State::Indicated)
    if (auto confirmed = confirm(lock, {}); !confirmed) return confirmed;
  if (machine_.state() != transport::State::Open)
    return fail(machine_.state() == transport::State::AwaitingConfirm ? Fault::NotConfirmed : end_failure().fault);
  if (move->item.kind == handoff::Kind::ListeningSocket && peer_is_old()) return fail(Fault::PeerTooOld);
  say_hello();
  const auto unanswered = [this] {
    return std::ranges::count_if(given_, [](const auto& entry) {
      return entry.second->machine.state() == handoff::ListenerState::Offered && !entry.second->server;
    });
  };
  while (static_cast<std::size_t>(unanswered()) >= handoff::max_unanswered) {
    const Pumped pumped = pump(lock);
    if (pumped == Pumped::Progress) continue;
    if (pumped == Pumped::Ended) return std::unexpected{end_failure()};
    if (pumped == Pumped::Full) return fail(Fault::FrameExpected);
    if (auto waited = pause(lock, waiting, POLLIN); !waited) return waited;
  }
  std::array<std::byte, handoff::small_frame> room;
  const Bytes head = handoff::encode_head(room, move->id, move->description, user_data_length);
  if (head.empty()) return fail(Fault::TooLong);
  std::vector<iovec> parts{{const_cast<std::byte*>(head.data()), head.size()}};
  parts.insert(parts.end(), user_data.begin(), user_data.end());
  // Known before it is sent: the answer may be read by another call the moment after.
  given_[move->id] = move;
  // An ISO number goes on as what it is, which knows of its move.
  if (!move->iso) insert_alias(move->real_cookie, move);
  BATON_FAULT_POINT(offer_before);
  move->sending = true;
  const auto sent = send(lock, parts, {}, waiting);
  move->sending = false;
  if (!sent) {
    given_.erase(move->id);
    erase_alias(move->real_cookie, *move);
    if (move->iso) move->iso->end_move();
    return sent;
  }
  BATON_FAULT_POINT(offer_queued);
  statistics().offered.fetch_add(1, std::memory_order_relaxed);
  trace_begin(move->id, FdRef{move->number}, "OFFER");
  return {};
}

void Link::on_answer(const handoff::Frame& frame, const handoff::Answer& answer, os::Received& received) {
  const auto entry = given_.find(frame.move);
  if (entry == given_.end()) return;  // of a move that is cancelled by now, or of none
  if (entry->second->machine.state() != handoff::ListenerState::Offered || entry->second->server) {
    os::TraceLine{cookie_, frame.move, 'L', "violation"};
    return;
  }
  Unit unit;
  unit.kind = Unit::Kind::Answer;
  unit.move = frame.move;
  unit.answer = answer;
  entry->second->server = process_of(received);
  inbox_.push_back(std::move(unit));
  BATON_FAULT_POINT(answer_arrived);
}

bool Link::refusal_waits(const GivenMove& move) const {
  return std::ranges::any_of(inbox_, [&](const Unit& unit) {
    return unit.kind == Unit::Kind::Answer && unit.move == move.id && unit.answer.bind_ok != 1;
  });
}

void Link::end_given() {
  group_off(end_failure());
  for (auto it = given_.begin(); it != given_.end();) {
    const auto move = (it++)->second;
    if (!refusal_waits(*move)) act(move, move->machine.link_ended());
  }
}

Result<Link::AnswerSeen> Link::await_answer(Lock& lock, int number, const Waiting& waiting) {
  for (;;) {
    for (auto unit = inbox_.begin(); unit != inbox_.end(); ++unit) {
      if (unit->kind == Unit::Kind::UserData) return fail(Fault::FrameExpected);
      if (unit->kind != Unit::Kind::Answer) continue;
      const auto entry = given_.find(unit->move);
      if (entry == given_.end()) {  // cancelled meanwhile
        inbox_.erase(unit);
        fetched();
        return await_answer(lock, number, waiting);
      }
      const auto move = entry->second;
      if (number >= 0 && move->number != number) continue;
      const handoff::Answer answer = unit->answer;
      inbox_.erase(unit);
      fetched();
      move->bind_ok = answer.bind_ok;
      move->server_descriptor = answer.server_descriptor;
      move->transport_reference = answer.transport_reference;
      const bool accepted = answer.bind_ok == 1;
      // With the first answer at the latest it has said what it understands.
      if (accepted && move->item.kind == handoff::Kind::ListeningSocket && peer_is_old()) {
        move->failure = {Fault::PeerTooOld, {}};
        act(move, move->machine.cancel());
        return fail(Fault::PeerTooOld);
      }
      if (!accepted) move->failure = {Fault::RefusedMove, {}};
      const auto step = move->machine.answer(accepted);
      if (step == handoff::ListenerStep::StopData) {
        BATON_FAULT_POINT(stop_before);
        if (auto stopped = stop_data(move); !stopped) {
          move->failure = stopped.error();
          act(move, move->machine.cancel());
          return std::unexpected{stopped.error()};
        }
        trace(move->id, 'L', "data stop");
        BATON_FAULT_POINT(stop_done);
      } else {
        BATON_FAULT_POINT(refusal_read);
        act(move, step);
      }
      return AnswerSeen{move, answer.bind_ok};
    }
    if (number >= 0 && !given_by_number(lock, number)) {
      if (const auto done = finished_.find(number); done != finished_.end())
        return std::unexpected{done->second->failure};
      return fail(Fault::NoSuchMove);
    }
    const bool any_offered = std::ranges::any_of(
        given_, [](const auto& entry) { return entry.second->machine.state() == handoff::ListenerState::Offered; });
    if (number < 0 && !any_offered)
      return ended_ || broken_ ? std::unexpected{end_failure()}
                               : fail(given_.empty() ? Fault::NoSuchMove : Fault::OutOfOrder);
    if (number >= 0 && given_by_number(lock, number)->machine.state() != handoff::ListenerState::Offered)
      return fail(Fault::OutOfOrder);
    const Pumped pumped = pump(lock);
    if (pumped == Pumped::Progress) continue;
    if (pumped == Pumped::Ended) return std::unexpected{end_failure()};
    if (pumped == Pumped::Full) return fail(Fault::FrameExpected);
    if (auto waited = pause(lock, waiting, POLLIN); !waited) {
      if (waited.error().fault == Fault::TimedOut)
        if (const auto move = number >= 0 ? given_by_number(lock, number) : nullptr) act(move, move->machine.cancel());
      return std::unexpected{waited.error()};
    }
  }
}

std::shared_ptr<GivenMove> Link::given_by_number(const Lock&, int number) const {
  for (const auto& [id, move] : given_)
    if (move->number == number && !move->number_gone && !move->express) return move;
  return nullptr;
}

Result<std::shared_ptr<GivenMove>> Link::stopped_move(const Lock& lock, int number) {
  if (number >= 0) {
    auto move = given_by_number(lock, number);
    if (!move) {
      if (const auto done = finished_.find(number);
          done != finished_.end() && done->second->failure.fault != Fault::System)
        return std::unexpected{done->second->failure};
      return fail(Fault::NoSuchMove);
    }
    if (move->machine.state() != handoff::ListenerState::Stopped) return fail(Fault::OutOfOrder);
    return move;
  }
  std::shared_ptr<GivenMove> only;
  for (const auto& [id, move] : given_) {
    if (move->machine.state() != handoff::ListenerState::Stopped) continue;
    if (only) return fail(Fault::Argument);  // several: the caller has to say which
    only = move;
  }
  if (!only) return fail(given_.empty() ? Fault::NoSuchMove : Fault::OutOfOrder);
  return only;
}

Result<void> Link::stop_data(const std::shared_ptr<GivenMove>& move) {
  const int number = move->number;
  const auto cookie = os::cookie(FdRef{number});
  if (!cookie || *cookie != move->real_cookie) return fail(Fault::BadDescriptor);  // closed, and perhaps used again
  const auto flags = os::descriptor_flags(FdRef{number});
  if (!flags) return fail(flags.error());
  // From here on a call that looks the number up finds the move; one that was inside before is counted in uses().
  move->stopping = true;
  if (move->iso) insert_alias(move->real_cookie, move);
  auto stopped = uses(number) > 0 ? fail(Fault::Busy) : park(move, *flags);
  if (stopped) stopped = take_image(*move);
  if (!stopped) put_back(move, false);
  move->stopping = false;
  if (!stopped && move->iso && os::cookie(FdRef{number}) == move->real_cookie)
    insert(number, move->real_cookie, move->iso);
  return stopped;
}

/// Puts the parked socket under the number, and keeps the real end point.
Result<void> Link::park(const std::shared_ptr<GivenMove>& move, const os::DescriptorFlags& flags) {
  auto parked = os::parked_socket(flags.nonblocking, flags.close_on_exec);
  if (!parked) return fail(parked.error());
  const auto parked_cookie = os::cookie(parked->ref());
  if (!parked_cookie) return fail(parked_cookie.error());
  auto real = os::duplicate_high(FdRef{move->number}, hidden_from);
  if (!real) return fail(real.error());
  move->item.image.nonblocking = flags.nonblocking;
  move->item.image.cookie = move->real_cookie;
  move->real = HiddenFd{std::move(*real)};
  move->parked_cookie = *parked_cookie;
  // Both sockets stand for the move while the number changes from one to the other.
  insert_alias(*parked_cookie, move);
  if (auto replaced = os::replace(parked->ref(), move->number, flags.close_on_exec); !replaced) {
    endpoint::erase(*parked_cookie);
    move->parked_cookie = 0;
    move->real.reset();
    return fail(replaced.error());
  }
  insert(move->number, *parked_cookie, move);
  BATON_FAULT_POINT(number_parked);
  move->item.image.stopped_at = os::monotonic_now();
  return {};
}

/// What the kernel and the library know of the end point, now that no call reaches it.
Result<void> Link::take_image(GivenMove& move) {
  bool counted = true;  // by the kernel
  if (move.iso) {
    const auto connection = move.iso->connection_if_any();
    if (!connection) return fail(Fault::NotConnected);
    // The other lock is not waited for: two connections could move over each other.
    const auto held = connection->try_lock();
    if (!held.owns_lock()) return fail(Fault::Busy);
    auto image = connection->image(held);
    if (!image) return std::unexpected{image.error()};
    move.iso_image = std::move(*image);
    // Who waits for it in poll has to look again: it may be on its way.
    connection->gate().open();
    move.item.iso_image = static_cast<std::uint32_t>(move.iso_image.size());
    counted = connection->carrier() == handoff::Carrier::Tcp;
  }
  if (!counted || move.item.kind == handoff::Kind::ListeningSocket) return {};
  const auto position = os::read_position(move.real.ref());
  if (!position) return fail(position.error());
  if (os::urgent_pending(move.real.ref())) return fail(Fault::Urgent);
  move.position = *position;
  move.item.image.position = to_image(*position);
  move.linger_time = os::linger_time(move.real.ref());
  return {};
}

Result<void> Link::call(Lock& lock, const std::shared_ptr<GivenMove>& move, const Waiting& waiting) {
  if (move->sending) return fail(Fault::Busy);  // another thread is calling
  // A call that was inside the kernel when the data stop began shows here at the latest.
  if (!move->intact()) {
    move->failure = {Fault::Busy, {}};
    act(move, move->machine.cancel());
    return fail(Fault::Busy);
  }
  if (!move->number_gone) move->item.image.nonblocking = os::is_nonblocking(FdRef{move->number});
  std::vector<std::byte> room(handoff::call_size(1) + move->iso_image.size());
  const Bytes frame = handoff::encode_call(room, move->id, false, {&move->item, 1}, move->iso_image, 0);
  const iovec octets{const_cast<std::byte*>(frame.data()), frame.size()};
  // Of S's death the pidfd tells: it is there before S can have the end point.
  if (auto known = ensure_pidfd(*move->server); !known) {
    // Dead already, even if a child of it keeps the link: there is nobody to call.
    if (known.error().fault == Fault::LinkEnded) pump_all(lock);
    if (known.error().fault == Fault::LinkEnded && !move->machine.ended()) {
      move->failure = known.error();
      act(move, move->machine.cancel());
    }
    return known;
  }
  const int descriptor = move->real.ref().get();
  BATON_FAULT_POINT(call_before);
  move->sending = true;
  const auto sent = send(lock, {&octets, 1}, {&descriptor, 1}, waiting);
  move->sending = false;
  if (!sent) {
    // S is dead, and only a child of it keeps the full link.
    (void)detect_deaths();
    // Closed by another thread meanwhile, or out of time: the move is off.
    const bool off = sent.error().fault == Fault::TimedOut || move->number_gone;
    if (off && !move->machine.ended()) act(move, move->machine.cancel());
    return sent;
  }
  BATON_FAULT_POINT(call_queued);
  (void)move->machine.called();
  begin_doubt(move);
  trace(move->id, 'L', "CALL");
  if (move->number_gone) watch_outcomes();
  return {};
}

void Link::on_taken(const handoff::Taken& taken, os::Received& received) {
  std::shared_ptr<Process> sender;
  for (std::size_t i = 0; i < taken.items.size(); ++i) {
    const handoff::TakenItem item = taken.items[i];
    const auto entry = given_.find(item.move);
    if (entry == given_.end()) continue;
    const auto move = entry->second;
    const bool held = move->machine.state() == handoff::ListenerState::Held;
    if (!move->machine.in_doubt() && (!held || item.outcome == handoff::TakeOutcome::Taken)) {
      os::TraceLine{cookie_, item.move, 'L', "violation"};
      continue;
    }
    if (!sender) sender = process_of(received);
    if (!is_from_server(*move, *sender)) continue;
    move->server = sender;
    move->server_descriptor = item.server_descriptor;
    if (item.outcome != handoff::TakeOutcome::Taken)
      move->failure = {item.outcome == handoff::TakeOutcome::NoCredit ? Fault::NoCredit : Fault::RefusedMove, {}};
    if (os::trace_enabled())
      os::TraceLine{cookie_, item.move, 'L', "outcome"}.text("taken", handoff::name_of(item.outcome));
    const auto step = move->machine.taken(item.outcome);
    // Refused because the stream was touched: S has not had it, so it was a call of L's own, and L goes on from there.
    if (item.outcome == handoff::TakeOutcome::Touched && step == handoff::ListenerStep::Verify) move->own_doing = true;
    BATON_FAULT_POINT(outcome_arrived);
    act(move, step);
    if (held) group_off({Fault::Cancelled, {}});
    BATON_FAULT_POINT(outcome_done);
  }
}

bool Link::is_from_server(const GivenMove& move, const Process& sender) const {
  // A forked child of it has another number.
  if (!move.server || move.server->pid == sender.pid) return true;
  os::TraceLine{cookie_, move.id, 'L', "violation"}.number("sender", sender.pid);
  return false;
}

void Link::on_cancelled(handoff::MoveId id, os::Received& received) {
  const auto entry = given_.find(id);
  if (entry == given_.end() || !entry->second->machine.in_doubt()) return;
  if (!is_from_server(*entry->second, *process_of(received))) return;
  BATON_FAULT_POINT(cancelled_arrived);
  entry->second->failure = {Fault::Cancelled, {}};
  act(std::shared_ptr{entry->second}, entry->second->machine.cancelled());
}

void Link::act(const std::shared_ptr<GivenMove>& move, handoff::ListenerStep step) {
  switch (step) {
    case handoff::ListenerStep::None:
    case handoff::ListenerStep::StopData:
      return;
    case handoff::ListenerStep::Violation:
      os::TraceLine{cookie_, move->id, 'L', "violation"};
      return;
    case handoff::ListenerStep::SendCancel:
      send_cancel(move->id);
      if (!move->machine.ended()) return;
      if (move->failure.fault == Fault::System) move->failure = {Fault::Cancelled, {}};
      statistics().cancelled.fetch_add(1, std::memory_order_relaxed);
      put_back(move, false);
      break;
    case handoff::ListenerStep::KeepEndPoint:
    case handoff::ListenerStep::LiftStop:
      if (move->failure.fault == Fault::System) move->failure = end_failure();
      if (move->failure.fault == Fault::RefusedMove)
        statistics().refused.fetch_add(1, std::memory_order_relaxed);
      else
        statistics().cancelled.fetch_add(1, std::memory_order_relaxed);
      put_back(move, false);
      break;
    case handoff::ListenerStep::Verify:
      if (move->failure.fault == Fault::System) move->failure = {Fault::LinkEnded, {}};
      statistics().given_back.fetch_add(1, std::memory_order_relaxed);
      if (move->failure.fault == Fault::RefusedMove || move->failure.fault == Fault::NoCredit)
        statistics().refused.fetch_add(1, std::memory_order_relaxed);
      put_back(move, !move->own_doing);
      break;
    case handoff::ListenerStep::LetGo:
      let_go(move);
      break;
  }
  finish(move);
}

void Link::put_back(const std::shared_ptr<GivenMove>& move, bool verify) {
  if (!move->real.valid()) return;  // never stopped
  BATON_FAULT_POINT(verify_before);
  if (verify && !move->intact()) {
    // Somebody held it, read or wrote, and is gone or denies it: the client must not be served from a torn stream.
    statistics().touched.fetch_add(1, std::memory_order_relaxed);
    move->failure = {Fault::Touched, {}};
    os::abort_connection(move->real.ref());
    trace(move->id, 'L', "touched: reset");
    move->real.reset();
    return;
  }
  BATON_FAULT_POINT(verify_done);
  // Before S closes what it does not take it switches the waiting off, for all who hold the socket.
  if (move->linger_time > 0) os::set_linger_time(move->real.ref(), move->linger_time);
  if (move->express) return;  // the number is the end point; the program gets it with the outcome
  const auto standing = os::cookie(FdRef{move->number});
  if (move->number_gone || !standing || *standing != move->parked_cookie) {
    move->real.reset();  // the program has closed it: now the client sees it
    return;
  }
  const auto flags = os::descriptor_flags(FdRef{move->number});
  if (flags && flags->nonblocking != move->item.image.nonblocking)
    (void)os::set_nonblocking(move->real.ref(), flags->nonblocking);
  BATON_FAULT_POINT(back_before);
  UniqueFd real = move->real.release();
  (void)os::replace(real.ref(), move->number, flags && flags->close_on_exec);
  BATON_FAULT_POINT(back_done);
  endpoint::erase(move->parked_cookie);
  move->parked_cookie = 0;
  if (move->iso) insert(move->number, move->real_cookie, move->iso);
  trace(move->id, 'L', "data stop lifted");
}

void Link::let_go(const std::shared_ptr<GivenMove>& move) {
  if (move->machine.state() == handoff::ListenerState::Moved) {
    statistics().moved.fetch_add(1, std::memory_order_relaxed);
    trace(move->id, 'L', "moved");
  } else {
    statistics().abandoned.fetch_add(1, std::memory_order_relaxed);
    trace(move->id, 'L', "abandoned");
  }
  move->real.reset();
}

void Link::begin_doubt(const std::shared_ptr<GivenMove>& move) {
  move->called = true;
  ++in_doubt_;
  statistics().in_doubt.fetch_add(1, std::memory_order_relaxed);
}

void Link::forget_end_point(GivenMove& move) {
  erase_alias(move.real_cookie, move);
  if (move.iso) move.iso->end_move();
}

void Link::finish(const std::shared_ptr<GivenMove>& move) {
  if (move->called) {
    move->called = false;
    --in_doubt_;
    statistics().in_doubt.fetch_sub(1, std::memory_order_relaxed);
  } else {
    move->collected = true;  // off before the call: the step that failed says so
  }
  given_.erase(move->id);
  // One that is back is in the library's hands until the program collects it.
  if (!move->express || !move->real.valid() || number_ < 0) forget_end_point(*move);
  if (std::erase_if(inbox_,
                    [&](const Unit& unit) { return unit.kind == Unit::Kind::Answer && unit.move == move->id; }) > 0)
    fetched();
  // Kept for the program to ask; a link that it has closed it cannot ask any more.
  if (number_ >= 0) {
    if (move->express)
      outcomes_.push_back(move);
    else if (!move->number_gone)
      finished_[move->number] = move;
  } else if (move->held) {
    return_number(*move);
  } else if (move->express) {
    move->real.reset();
  }
  // Read by the program: the reader, which may wait for nothing else on this link, has to let go of it.
  if (watched_) outcome_reader_look_again();
  gate_.open();
}

}  // namespace baton::endpoint
