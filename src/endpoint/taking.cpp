// SPDX-License-Identifier: MIT
// The server's side of moves on a link.
#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "base/fault_point.hpp"
#include "endpoint/arrival_check.hpp"
#include "endpoint/gathered.hpp"
#include "endpoint/iso_socket.hpp"
#include "endpoint/link.hpp"
#include "endpoint/statistics.hpp"
#include "os/descriptors.hpp"
#include "os/local_queue.hpp"
#include "os/message_head.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {
namespace {

/// The seed names descriptors in a `short`.
constexpr int highest_number = 32767;
constexpr std::int16_t refused_no_reason = -1;
constexpr std::int16_t refused_no_descriptor = -2;

void scatter(std::span<const std::byte> octets, std::span<const iovec> room) {
  for (const iovec& part : room) {
    const std::size_t size = std::min(part.iov_len, octets.size());
    std::copy_n(octets.begin(), size, static_cast<std::byte*>(part.iov_base));
    octets = octets.subspan(size);
  }
}

/// An end point that has come becomes an AF_ISO one of this process. It is known before it has `number`, so that no
/// call takes it for a plain one.
std::shared_ptr<IsoSocket> settle_iso(FdRef end_point, int number, std::uint64_t cookie, Bytes octets) {
  // Looked at before the end point was taken.
  const auto image = handoff::decode_iso_image(octets);
  const auto connection = image ? restore_connection(*image, end_point.get(), cookie) : nullptr;
  BATON_CHECK(connection != nullptr);
  connection->adopt(number);
  return IsoSocket::arrived(number, cookie, connection);
}

}  // namespace

void Link::discard(HiddenFd& end_point) noexcept {
  if (end_point.valid() && os::linger_time(end_point.ref()) > 0) os::set_linger_time(end_point.ref(), 0);
  end_point.reset();
}

bool Link::on_offer(const handoff::Frame& frame, const handoff::Offer& offer) {
  const auto unanswered = std::ranges::count_if(
      awaited_, [](const auto& entry) { return entry.second->machine.state() == handoff::ServerState::Offered; });
  if (static_cast<std::size_t>(unanswered) >= handoff::max_unanswered || awaited_.contains(frame.move)) return false;
  if (awaited_.size() >= std::clamp(os::descriptor_limit() / 8, handoff::max_unanswered, max_awaited)) {
    std::array<std::byte, handoff::small_frame> room;
    reply(handoff::encode(room, frame.move, handoff::Answer{refused_no_descriptor, -1, machine_.local_reference()}));
    trace(frame.move, 'S', "ANSWER refused: too many");
    return true;
  }
  auto move = std::make_shared<AwaitedMove>(self(), frame.move);
  move->description = offer.description;
  Unit unit;
  unit.kind = Unit::Kind::Offer;
  unit.octets.assign(offer.user_data.begin(), offer.user_data.end());
  unit.move = frame.move;
  unit.awaited = move;
  awaited_[frame.move] = std::move(move);
  inbox_.push_back(std::move(unit));
  BATON_FAULT_POINT(offer_arrived);
  statistics().received.fetch_add(1, std::memory_order_relaxed);
  return true;
}

Result<Link::OfferSeen> Link::await_offer(Lock& lock, std::span<const iovec> room, const Waiting& waiting) {
  if (machine_.state() == transport::State::Indicated)
    if (auto confirmed = confirm(lock, {}); !confirmed) return std::unexpected{confirmed.error()};
  for (;;) {
    std::erase_if(inbox_, [](const Unit& unit) {
      return unit.kind == Unit::Kind::Offer && unit.awaited->machine.ended();  // called off before anyone saw it
    });
    for (auto unit = inbox_.begin(); unit != inbox_.end(); ++unit) {
      if (unit->kind == Unit::Kind::UserData) return fail(Fault::FrameExpected);
      if (unit->kind != Unit::Kind::Offer) continue;
      if (unit->octets.size() > total(room)) return fail(Fault::TooLong);
      const auto move = unit->awaited;
      auto parked = os::parked_socket(move->description.nonblocking, true);
      if (!parked) return fail(parked.error());
      if (parked->get() > highest_number) {
        inbox_.erase(unit);
        (void)answer(lock, move, refused_no_descriptor, Waiting{true, never, -1});
        return fail(Fault::Overflow);
      }
      const auto cookie = os::cookie(parked->ref());
      if (!cookie) return fail(cookie.error());
      scatter(unit->octets, room);
      const OfferSeen seen{move, unit->octets.size()};
      inbox_.erase(unit);
      fetched();
      move->number = parked->release();
      move->parked_cookie = *cookie;
      insert(move->number, *cookie, move);
      trace(move->id, 'S', "offer read");
      BATON_FAULT_POINT(offer_read);
      return seen;
    }
    BATON_FAULT_POINT(offer_awaited);
    if (machine_.state() != transport::State::Open && !ended_ && !broken_) return fail(Fault::NotConfirmed);
    const Pumped pumped = pump(lock);
    if (pumped == Pumped::Progress) continue;
    if (ended_ || broken_) return std::unexpected{end_failure()};
    if (pumped == Pumped::Full) return fail(Fault::FrameExpected);
    if (auto waited = pause(lock, waiting, POLLIN); !waited) return std::unexpected{waited.error()};
  }
}

Result<void> Link::answer(Lock& lock, const std::shared_ptr<AwaitedMove>& move, std::int16_t bind_ok,
                          const Waiting& waiting) {
  const bool accept = bind_ok >= 0;
  pump_all(lock);  // a CANCEL that is here already comes first
  if (move->machine.state() == handoff::ServerState::Cancelled) return fail(Fault::Cancelled);
  if (move->machine.state() == handoff::ServerState::Ended) return std::unexpected{end_failure()};
  if (move->machine.state() != handoff::ServerState::Offered) return fail(Fault::OutOfOrder);
  if (accept && !move->placeholder.valid()) {
    auto placeholder = os::duplicate(FdRef{move->number});
    if (!placeholder) return fail(placeholder.error());
    move->placeholder = HiddenFd{std::move(*placeholder)};
  }
  say_hello();
  if (accept) expect_descriptors();
  std::array<std::byte, handoff::small_frame> room;
  const handoff::Answer answer{accept ? std::int16_t{1} : bind_ok, move->number, machine_.local_reference()};
  BATON_FAULT_POINT(answer_before);
  if (auto sent = send_frame(lock, handoff::encode(room, move->id, answer), waiting); !sent) {
    (void)detect_deaths();  // L is dead, and only a child of it keeps the full link
    return sent;
  }
  trace(move->id, 'S', accept ? "ANSWER accepted" : "ANSWER refused");
  BATON_FAULT_POINT(answer_queued);
  // Cancelled while the answer waited for room: L ignores it.
  (void)move->machine.answer(accept);
  if (!accept) forget(move);
  return {};
}

bool Link::expects_descriptors() const noexcept {
  return !placeholders_.empty() || promised_ > 0 || std::ranges::any_of(awaited_, [](const auto& entry) {
    return entry.second->machine.state() == handoff::ServerState::Accepted;
  });
}

bool Link::listener_alive() const noexcept {
  // A process that dies closes its end before its pidfd tells: what is said then is not heard either.
  return (!peer_process_ || !peer_process_->has_exited()) && !os::hung_up(descriptor());
}

Link::Pumped Link::receive_call(const handoff::CallPreview& preview) {
  if (!preview.express)
    if (const auto entry = awaited_.find(preview.first);
        entry != awaited_.end() && entry->second->machine.state() == handoff::ServerState::Accepted)
      return receive_seed_call(entry->second);
  static thread_local os::Received received;
  static thread_local std::vector<std::byte> buffer(handoff::max_frame + 1);
  const auto nothing = [] {
    received.discard_descriptors();
    received.sender_pidfd.reset();
    return Pumped::Nothing;
  };
  // The announced placeholders make room, exactly now.
  const std::size_t room = preview.express ? promised_ + placeholders_.size() : 0;
  const std::size_t granted = std::min(preview.count, room);
  const std::size_t numbers = std::min(preview.count + preview.memfds, room);
  const std::size_t freed_before = std::min(numbers, promised_);
  promised_ -= freed_before;
  placeholders_.resize(placeholders_.size() - (numbers - freed_before));
  // With L dead there is nobody to give a lost descriptor back to: look before receiving.
  if (preview.express && !listener_alive()) {
    const auto seen = os::receive_message(descriptor(), buffer, received, {.peek = true, .dont_wait = true});
    const bool whole = seen && received.descriptors.size() >= numbers && !received.control_truncated;
    received.descriptors.clear();
    out_of_room_ = seen && !whole;
    if (!whole) {
      promised_ += numbers;  // for the next try
      return nothing();
    }
  }
  const auto outcome = os::receive_message(descriptor(), buffer, received, {.dont_wait = true});
  if (!outcome || received.end) return nothing();
  octets_received_ += received.size;
  if (!preview.express) received.discard_descriptors();
  const auto frame = handoff::decode(Bytes{buffer}.first(received.size));
  const auto* call = frame ? std::get_if<handoff::Call>(&frame->body) : nullptr;
  if (call == nullptr || !peer_hello_) {
    (void)nothing();
    break_off("frame");
    return Pumped::Ended;
  }
  const bool rightful = on_call(*frame, *call, received, granted);
  BATON_FAULT_POINT(batch_received);
  received.discard_descriptors();
  received.sender_pidfd.reset();
  if (rightful) return Pumped::Progress;
  break_off("group");
  return Pumped::Ended;
}

Link::Pumped Link::receive_seed_call(const std::shared_ptr<AwaitedMove>& move) {
  os::Received received;
  static thread_local std::vector<std::byte> buffer(handoff::max_frame + 1);
  bool whole = false;
  for (const bool with_placeholder : {false, true}) {
    if (with_placeholder) move->placeholder.reset();
    // Peeking duplicates the descriptor: if it does not fit, the message is still there.
    const auto seen = os::receive_message(descriptor(), buffer, received, {.peek = true, .dont_wait = true});
    if (!seen || received.end) return Pumped::Nothing;
    whole = received.descriptors.size() == 1 && !received.control_truncated;
    if (whole || !received.control_truncated) break;
  }
  BATON_FAULT_POINT(call_peeked);
  const auto sender = process_of(received);
  // Unless L is known to live, it cannot be given back: the end point stays in the link until there is room.
  move->no_descriptor = !whole && received.control_truncated &&
                        (sender->has_exited() || !sender->pidfd.valid() || os::hung_up(descriptor()));
  out_of_room_ = move->no_descriptor;
  if (move->no_descriptor) return Pumped::Nothing;
  (void)os::drop_message(descriptor());
  octets_received_ += received.size;
  BATON_FAULT_POINT(call_received);
  const auto frame = handoff::decode(Bytes{buffer}.first(received.size));
  const auto* call = frame ? std::get_if<handoff::Call>(&frame->body) : nullptr;
  if (call == nullptr) {
    break_off("frame");
    return Pumped::Ended;
  }
  (void)move->machine.call();
  move->item = call->items[0];
  move->iso_image.assign(call->iso_images.begin(), call->iso_images.end());
  move->placeholder.reset();
  if (whole) {
    move->arrived = HiddenFd{std::move(received.descriptors[0])};
    trace(move->id, 'S', "CALL received");
  } else {
    (void)move->machine.fail();
    // None, or several: L has not done what it said.
    move->failure =
        received.control_truncated ? Failure{Fault::System, os::Errno{EMFILE}} : Failure{Fault::Protocol, {}};
    reply_taken(move->id, handoff::TakeOutcome::NoDescriptor, move->number);
    forget(move);
  }
  return Pumped::Progress;
}

void Link::on_cancel(handoff::MoveId id) {
  BATON_FAULT_POINT(cancel_arrived);
  const auto cancelled = [&] {
    std::array<std::byte, handoff::small_frame> room;
    reply(handoff::encode(room, id, handoff::Cancelled{}));
    trace(id, 'S', "CANCELLED");
    BATON_FAULT_POINT(cancelled_queued);
  };
  if (const auto arrival = std::ranges::find(arrived_, id, &Arrival::id); arrival != arrived_.end()) {
    if (arrival->group != 0 || !listener_alive()) return;  // the CALL was the commit
    discard(arrival->end_point);
    arrived_.erase(arrival);
    cancelled();
    // A program that sees nothing to take takes nothing: nobody else tells L of the room. Of a batch that is being
    // taken it is not known yet.
    if (!closing_ && number_ >= 0 && batches_.empty()) (void)top_up_credit();
    return;
  }
  for (Batch* const batch : batches_)
    if (std::ranges::find(batch->items, id, &handoff::TakenItem::move) != batch->items.end()) {
      if (std::ranges::find(batch->cancelled, id) == batch->cancelled.end()) batch->cancelled.push_back(id);
      return;
    }
  const auto entry = awaited_.find(id);
  if (entry == awaited_.end()) return;
  const auto move = entry->second;
  if (move->taking) {
    move->cancel_seen = true;
    return;
  }
  if (move->machine.cancel(listener_alive()) != handoff::ServerStep::SendCancelled) return;
  cancelled();
  move->failure = {Fault::Cancelled, {}};
  discard(move->arrived);
  forget(move);
  if (std::erase_if(inbox_, [id](const Unit& unit) { return unit.kind == Unit::Kind::Offer && unit.move == id; }) > 0)
    fetched();
}

Result<void> Link::take(Lock& lock, const std::shared_ptr<AwaitedMove>& move, const Waiting& waiting) {
  for (;;) {
    pump_all(lock);  // also a CANCEL behind the CALL: it comes first
    switch (move->machine.state()) {
      case handoff::ServerState::Called:
        if (taken_group_ && taken_group_->members.contains(move->id)) return fail(Fault::OutOfOrder);
        break;
      case handoff::ServerState::Accepted:
        if (move->no_descriptor) return fail(os::Errno{EMFILE});
        if (ended_ || broken_ || !descriptor().valid()) return std::unexpected{end_failure()};
        if (inbox_full()) return fail(Fault::FrameExpected);
        renew_parked(lock, move);
        if (auto waited = pause(lock, waiting, POLLIN); !waited) return waited;
        continue;
      case handoff::ServerState::Cancelled:
      case handoff::ServerState::Refused:
        return std::unexpected{move->failure.fault == Fault::System && move->failure.system == os::Errno{}
                                   ? Failure{Fault::OutOfOrder, {}}
                                   : move->failure};
      case handoff::ServerState::Ended:
        return std::unexpected{end_failure()};
      case handoff::ServerState::Offered:
      case handoff::ServerState::Held:
      case handoff::ServerState::Taken:
        return fail(Fault::OutOfOrder);
    }
    break;
  }
  const auto outcome = check_arrival(move->arrived.ref(), move->item, move->iso_image);
  if (outcome != handoff::TakeOutcome::Taken) {
    (void)move->machine.fail();
    discard(move->arrived);
    reply_taken(move->id, outcome, move->number);
    move->failure = {outcome == handoff::TakeOutcome::Touched ? Fault::Touched : Fault::Protocol, {}};
    forget(move);
    return std::unexpected{move->failure};
  }
  BATON_FAULT_POINT(position_checked);
  std::array<std::byte, handoff::small_frame> room;
  const handoff::TakenItem item{move->id, outcome, move->number};
  move->taking = true;
  const auto sent = send_frame(lock, handoff::encode(room, {&item, 1}), waiting);
  move->taking = false;
  BATON_FAULT_POINT(taken_queued);
  // L gone: the CALL was the commit. Anything else left TAKEN unsent: L still decides.
  const bool listener_gone = !sent && (ended_ || send_broken_ || !listener_alive());
  if (!sent && !listener_gone) {
    if (move->cancel_seen) on_cancel(move->id);
    return sent;
  }
  (void)move->machine.take();
  settle(move);
  return {};
}

bool Link::settle(const std::shared_ptr<AwaitedMove>& move) {
  // The mode that the program gave the parked number wins; else the end point keeps the one that L had.
  const auto parked = os::descriptor_flags(FdRef{move->number});
  bool nonblocking = move->item.image.nonblocking;
  if (parked && parked->nonblocking != move->description.nonblocking) nonblocking = parked->nonblocking;
  if (os::is_nonblocking(move->arrived.ref()) != nonblocking)
    (void)os::set_nonblocking(move->arrived.ref(), nonblocking);
  os::stop_signals(move->arrived.ref());
  const UniqueFd end_point = move->arrived.release();
  // Ours again: an earlier move of ours, whose outcome nobody has read yet, stands for it no more.
  endpoint::erase(move->item.image.cookie);
  std::shared_ptr<IsoSocket> iso;
  if (move->item.family == handoff::Family::Iso)
    iso = settle_iso(end_point.ref(), move->number, move->item.image.cookie, move->iso_image);
  BATON_FAULT_POINT(number_before);
  // A number that the program has closed meanwhile stays closed, and so does the end point.
  const auto standing = os::cookie(FdRef{move->number});
  const bool placed = standing && *standing == move->parked_cookie &&
                      os::replace(end_point.ref(), move->number, !parked || parked->close_on_exec);
  BATON_FAULT_POINT(number_placed);
  endpoint::erase(move->parked_cookie);
  if (iso && placed) insert(move->number, move->item.image.cookie, iso);
  if (iso && !placed) erase_alias(move->item.image.cookie, *iso);
  statistics().taken.fetch_add(1, std::memory_order_relaxed);
  statistics().pause_since(move->item.image.stopped_at, os::monotonic_now());
  trace(move->id, 'S', "TAKEN");
  forget(move);
  return placed;
}

void Link::Arrival::discard() noexcept { Link::discard(end_point); }

void Link::Arrival::settle(int number) const {
  if (item.family == handoff::Family::Iso)
    insert(number, item.image.cookie, settle_iso(FdRef{number}, number, item.image.cookie, iso_image));
}

Result<void> Link::import(int number, const handoff::CallItem& item, Bytes iso_image) {
  const auto found = check_arrival(FdRef{number}, item, iso_image);
  if (found == handoff::TakeOutcome::Touched) return fail(Fault::Touched);
  if (found != handoff::TakeOutcome::Taken) return fail(Fault::Argument);
  insert(number, item.image.cookie, settle_iso(FdRef{number}, number, item.image.cookie, iso_image));
  return {};
}

void Link::reply_taken(handoff::MoveId id, handoff::TakeOutcome outcome, int descriptor) {
  std::array<std::byte, handoff::small_frame> room;
  const handoff::TakenItem item{id, outcome, descriptor};
  if (!ended_ && !broken_) reply(handoff::encode(room, {&item, 1}));
  BATON_FAULT_POINT(not_taken_queued);
  if (os::trace_enabled()) os::TraceLine{cookie_, id, 'S', "not taken"}.text("why", handoff::name_of(outcome));
}

void Link::forget(const std::shared_ptr<AwaitedMove>& move) {
  move->placeholder.reset();
  awaited_.erase(move->id);
  gate_.open();
}

void Link::decline_called(const std::shared_ptr<AwaitedMove>& move) {
  (void)move->machine.give_up();
  move->failure = {Fault::BadDescriptor, {}};
  discard(move->arrived);
  reply_taken(move->id, handoff::TakeOutcome::Declined, move->number);
}

void Link::decline(const Lock&, const std::shared_ptr<AwaitedMove>& awaited) {
  const auto move = awaited;
  if (move->machine.state() == handoff::ServerState::Held) {
    // Of a group nothing is refused alone.
    (void)move->machine.give_up();
    discard(move->arrived);
    return refuse_group();
  }
  if (taken_group_) taken_group_->members.erase(move->id);
  std::array<std::byte, handoff::small_frame> room;
  const bool called = move->machine.state() == handoff::ServerState::Called;
  if (move->machine.give_up() == handoff::ServerStep::SendAnswer && !ended_ && !broken_)
    reply(handoff::encode(room, move->id, handoff::Answer{refused_no_reason, move->number, 0}));
  move->failure = {Fault::BadDescriptor, {}};
  discard(move->arrived);
  if (called) reply_taken(move->id, handoff::TakeOutcome::Declined, move->number);
  forget(move);
}

void AwaitedMove::number_lost() noexcept {
  auto lock = link->lock();
  link->decline(lock, shared_from_object<AwaitedMove>());
}

void AwaitedMove::adopt(int through) noexcept {
  const auto standing = os::cookie(FdRef{number});
  if (!standing || *standing != parked_cookie) number = through;
}

}  // namespace baton::endpoint
