// SPDX-License-Identifier: MIT
// The server's side of a group of held moves: parking them, ready, taking after the commit.
#include <algorithm>
#include <array>

#include "base/fault_point.hpp"
#include "endpoint/arrival_check.hpp"
#include "endpoint/description.hpp"
#include "endpoint/link.hpp"
#include "os/memfd.hpp"
#include "os/socket.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {

bool Link::Arrival::load_blob() {
  if (blob || item.blob == 0) return item.blob != 0 || !item.blob_apart;
  if (item.blob_apart && !os::is_sealed_memory(memfd.ref(), item.blob)) return false;
  blob.reset(static_cast<std::byte*>(std::malloc(item.blob)));
  if (!blob) return false;
  const MutableBytes room{blob.get(), item.blob};
  if (!item.blob_apart)
    std::ranges::copy(blob_in_frame, room.begin());
  else if (!os::read_memory(memfd.ref(), room))
    return false;
  memfd.reset();
  return true;
}

std::optional<bool> Link::admit_held(handoff::MoveId first, const handoff::Call& call) {
  if (first == call.group) {  // opens it
    // One that is committed, and of which the program has closed each number, is over, though nobody has said so.
    if (taken_group_ && (awaits_commit() || !taken_group_->members.empty())) return std::nullopt;
    taken_group_.emplace(TakenGroup{handoff::Group{call.group}, {}, {}, false, 0});
  }
  // Of one that we have given up meanwhile.
  if (!taken_group_ || taken_group_->machine.id() != call.group) return false;
  if (!taken_group_->machine.add(call.items.size())) return std::nullopt;
  BATON_FAULT_POINT(hold_received);
  return true;
}

bool Link::on_complete(handoff::MoveId group, std::uint32_t count) {
  if (!taken_group_ || taken_group_->machine.id() != group) return true;
  BATON_FAULT_POINT(complete_arrived);
  if (!taken_group_->machine.complete(count)) {
    refuse_group();
    return true;
  }
  Arrival end;
  end.group = group;
  end.whole = count;
  arrived_.push_back(std::move(end));
  return true;
}

bool Link::on_commit(handoff::MoveId group, std::uint32_t count) {
  if (!taken_group_ || taken_group_->machine.id() != group) return true;  // our ABORT is on its way
  // Before HELD nothing may be committed.
  if (!taken_group_->machine.commit(count)) return false;
  BATON_FAULT_POINT(commit_arrived);
  for (const auto& [id, move] : taken_group_->members) (void)move->machine.committed();
  gate_.open();
  return true;
}

void Link::drop_group() {
  if (!taken_group_ || !taken_group_->machine.off()) return;
  const handoff::MoveId group = taken_group_->machine.id();
  for (const auto& [id, move] : taken_group_->members) {
    move->machine.aborted();
    move->failure = {Fault::Cancelled, {}};
    discard(move->arrived);
  }
  std::erase_if(arrived_, [group](Arrival& arrival) {
    if (arrival.group == group) arrival.discard();
    return arrival.group == group;
  });
  taken_group_.reset();
  taken_group_over_ = true;
  trace(group, 'S', "group off");
  gate_.open();
}

void Link::refuse_group() {
  if (!awaits_commit()) return;
  send_abort(taken_group_->machine.id());
  drop_group();
}

Result<void> Link::decline_group(const Lock&) {
  if (std::exchange(taken_group_over_, false)) return {};
  if (!taken_group_) return fail(Fault::NoSuchMove);
  if (!awaits_commit()) return fail(Fault::OutOfOrder);  // committed: to be taken, one by one to be closed
  refuse_group();
  taken_group_over_ = false;
  return {};
}

void Link::give_up_group() {
  if (!taken_group_) return;
  if (awaits_commit()) return refuse_group();
  const auto members = std::exchange(taken_group_->members, {});
  for (const auto& [id, move] : members) decline_called(move);
  taken_group_.reset();
}

Result<bool> Link::park_held(Arrival& arrival) {
  auto outcome = check_arrival(arrival.end_point.ref(), arrival.item, arrival.iso_image);
  if (outcome == handoff::TakeOutcome::Taken && taken_group_->cookies.contains(arrival.item.image.cookie))
    outcome = handoff::TakeOutcome::WrongCookie;
  if (outcome == handoff::TakeOutcome::Taken && !arrival.load_blob()) outcome = handoff::TakeOutcome::WrongBlob;
  if (outcome != handoff::TakeOutcome::Taken) {
    reply_taken(arrival.id, outcome, -1);
    return false;
  }
  auto parked = os::parked_socket(arrival.item.image.nonblocking, true);
  if (!parked) return fail(parked.error());
  const auto cookie = os::cookie(parked->ref());
  if (!cookie) return fail(cookie.error());
  auto move = std::make_shared<AwaitedMove>(self(), arrival.id, handoff::ServerMachine::Manner::Held);
  move->description = described(arrival.end_point.ref(), arrival.item, arrival.iso_image);
  move->item = arrival.item;
  move->iso_image = std::move(arrival.iso_image);
  move->parked_cookie = *cookie;
  move->number = parked->release();
  move->arrived = std::move(arrival.end_point);
  arrival.parked = move->number;
  insert(move->number, *cookie, move);
  taken_group_->cookies.insert(arrival.item.image.cookie);
  taken_group_->members[move->id] = std::move(move);
  trace(arrival.id, 'S', "held");
  BATON_FAULT_POINT(held_parked);
  return true;
}

Result<std::vector<Link::Arrival>> Link::take_held(std::span<const std::size_t> rooms) {
  std::vector<Arrival> taken;
  while (!arrived_.empty() && arrived_.front().group != 0 && taken.size() < rooms.size()) {
    if (arrived_.front().user_data.size() > rooms[taken.size()]) {
      if (taken.empty()) return fail(Fault::TooLong);
      break;
    }
    Arrival& arrival = arrived_.front();
    if (arrival.whole > 0) {
      taken_group_->end_told = true;
    } else if (const auto parked = park_held(arrival); !parked) {
      // It waits here until there is a number for it.
      if (taken.empty()) return std::unexpected{parked.error()};
      break;
    } else if (!*parked) {
      refuse_group();
      break;
    }
    taken.push_back(std::move(arrival));
    arrived_.pop_front();
  }
  if (taken.empty() && std::exchange(taken_group_over_, false)) return fail(Fault::Cancelled);
  (void)top_up_credit();
  return taken;
}

Result<std::size_t> Link::await_commit(Lock& lock, const Waiting& waiting) {
  for (;;) {
    if (std::exchange(taken_group_over_, false)) return fail(Fault::Cancelled);
    if (!taken_group_) return fail(Fault::NoSuchMove);
    switch (taken_group_->machine.state()) {
      case handoff::GroupState::Open:
        return fail(Fault::OutOfOrder);
      case handoff::GroupState::Complete: {
        if (!taken_group_->end_told) return fail(Fault::OutOfOrder);
        const handoff::MoveId id = taken_group_->machine.id();
        // An ABORT, and the first CALL of the next group behind it.
        const auto still = [&] { return taken_group_ && taken_group_->machine.id() == id; };
        pump_all(lock);  // an ABORT that is here already comes first
        if (!still()) continue;
        // One that was closed with close(2) is refused as by soc_close.
        if (std::ranges::any_of(taken_group_->members, [](const auto& entry) {
              return os::cookie(FdRef{entry.second->number}) != entry.second->parked_cookie;
            })) {
          refuse_group();
          continue;
        }
        const handoff::Held held{taken_group_->machine.size()};
        std::array<std::byte, handoff::small_frame> room;
        BATON_FAULT_POINT(held_before);
        const auto sent = send_frame(lock, handoff::encode(room, id, held), waiting);
        if (!still()) continue;
        if (!sent && (ended_ || broken_ || send_broken_ || !listener_alive())) drop_group();
        if (!taken_group_) continue;
        if (!sent) return std::unexpected{sent.error()};
        (void)taken_group_->machine.ready(held.count);
        trace(id, 'S', "HELD");
        BATON_FAULT_POINT(held_queued);
        continue;
      }
      case handoff::GroupState::Ready: {
        BATON_FAULT_POINT(commit_awaited);
        const Pumped pumped = pump(lock);
        if (pumped == Pumped::Progress) continue;
        if (pumped == Pumped::Ended) drop_group();
        if (pumped == Pumped::Ended) continue;
        if (pumped == Pumped::Full && !detect_deaths()) return fail(Fault::FrameExpected);
        if (pumped == Pumped::Full) continue;
        if (auto waited = pause(lock, waiting, POLLIN); !waited) return std::unexpected{waited.error()};
        continue;
      }
      case handoff::GroupState::Committed:
        return take_group(lock, waiting);
      case handoff::GroupState::Off:
        return fail(Fault::NoSuchMove);
    }
  }
}

Result<std::size_t> Link::take_group(Lock& lock, const Waiting& waiting) {
  std::vector<std::byte> room(handoff::taken_size(handoff::max_batch));
  const handoff::MoveId group = taken_group_->machine.id();
  // While this waits for room the program may close each number, and the next group may begin.
  const auto still = [&] { return taken_group_ && taken_group_->machine.id() == group; };
  while (still() && !taken_group_->members.empty()) {
    std::vector<std::shared_ptr<AwaitedMove>> batch;
    std::vector<handoff::TakenItem> items;
    for (const auto& [id, move] : taken_group_->members) {
      if (batch.size() == handoff::max_batch) break;
      // Once more: it has been L's since it was parked.
      items.push_back({id, check_arrival(move->arrived.ref(), move->item, move->iso_image), move->number});
      batch.push_back(move);
    }
    BATON_FAULT_POINT(group_taken_before);
    for (const auto& move : batch) move->taking = true;
    const auto sent = send_frame(lock, handoff::encode(room, items), waiting);
    for (const auto& move : batch) move->taking = false;
    BATON_FAULT_POINT(group_taken_queued);
    // L gone: the COMMIT was the commit.
    if (!sent && !(ended_ || broken_ || send_broken_) && listener_alive()) return std::unexpected{sent.error()};
    if (!still()) return 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      taken_group_->members.erase(batch[i]->id);
      if (batch[i]->machine.state() != handoff::ServerState::Called) continue;  // closed meanwhile
      if (items[i].outcome == handoff::TakeOutcome::Taken) {
        (void)batch[i]->machine.take();
        if (settle(batch[i])) ++taken_group_->taken;
        BATON_FAULT_POINT(group_item_placed);
      } else {
        (void)batch[i]->machine.fail();
        batch[i]->failure = {Fault::Touched, {}};
        discard(batch[i]->arrived);
      }
    }
  }
  if (!still()) return 0;
  const std::size_t taken = taken_group_->taken;
  taken_group_.reset();
  (void)top_up_credit();
  return taken;
}

}  // namespace baton::endpoint
