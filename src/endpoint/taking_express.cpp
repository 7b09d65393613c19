// SPDX-License-Identifier: MIT
// The server's side of express moves on a link: credit, and taking what has arrived.
#include <algorithm>

#include "base/fault_point.hpp"
#include "endpoint/link.hpp"
#include "endpoint/statistics.hpp"
#include "os/event.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {

Result<void> Link::top_up_credit() {
  const std::size_t held = placeholders_.size() + arrived_.size();
  // In halves: a CREDIT for each move would be a message for each move. A dead L has no use for it.
  if (held > credit_target_ / 2 || !listener_alive()) return {};
  std::uint32_t more = 0;
  if (const auto event = os::event_descriptor())
    for (; held + more < credit_target_; ++more) {
      auto placeholder = os::duplicate(event->ref());
      if (!placeholder) break;
      placeholders_.emplace_back(std::move(*placeholder));
    }
  if (more == 0) return held == 0 ? fail(os::Errno{EMFILE}) : Result<void>{};
  expect_descriptors();
  std::array<std::byte, handoff::small_frame> room;
  BATON_FAULT_POINT(credit_before);
  reply(handoff::encode(room, handoff::Credit{more}));
  BATON_FAULT_POINT(credit_queued);
  return {};
}

Result<std::size_t> Link::announce_credit(const Lock& lock, std::size_t count) {
  if (machine_.state() == transport::State::Indicated)
    if (auto confirmed = confirm(lock, {}); !confirmed) return std::unexpected{confirmed.error()};
  credit_target_ = count;
  if (auto announced = top_up_credit(); !announced) return std::unexpected{announced.error()};
  return placeholders_.size();
}

Result<std::vector<Link::Arrival>> Link::take_arrivals(Lock& lock, std::span<const std::size_t> rooms,
                                                       const Waiting& waiting) {
  if (credit_target_ == 0) {
    constexpr std::size_t default_credit = 64;
    if (auto announced = announce_credit(lock, default_credit); !announced) return std::unexpected{announced.error()};
  }
  while (arrived_.empty()) {
    const Pumped pumped = pump(lock);
    if (pumped == Pumped::Progress) continue;
    if (pumped == Pumped::Ended) return std::unexpected{end_failure()};
    if (!inbox_.empty() && inbox_.front().kind != Unit::Kind::Answer) return fail(Fault::FrameExpected);
    if (auto topped = top_up_credit(); !topped) return std::unexpected{topped.error()};
    if (auto waited = pause(lock, waiting, POLLIN); !waited) return std::unexpected{waited.error()};
  }
  std::vector<Arrival> taken;
  std::vector<handoff::TakenItem> items;
  while (!arrived_.empty() && taken.size() < rooms.size() && items.size() < handoff::max_batch) {
    if (arrived_.front().user_data.size() > rooms[taken.size()]) break;
    Arrival arrival = std::move(arrived_.front());
    arrived_.pop_front();
    auto outcome = check(arrival.end_point.ref(), arrival.item, arrival.iso_image);
    if (outcome == handoff::TakeOutcome::Taken && std::ranges::any_of(taken, [&](const Arrival& before) {
          return before.item.image.cookie == arrival.item.image.cookie;
        }))
      outcome = handoff::TakeOutcome::WrongCookie;  // one end point cannot be two
    items.push_back({arrival.id, outcome, arrival.end_point.ref().get()});
    BATON_FAULT_POINT(item_checked);
    if (outcome == handoff::TakeOutcome::Taken)
      taken.push_back(std::move(arrival));
    else
      arrival.discard();
  }
  if (items.empty()) return fail(Fault::TooLong);
  std::vector<std::byte> room(handoff::taken_size(items.size()));
  BATON_FAULT_POINT(batch_taken_before);
  Batch batch{items, {}};
  batches_.push_back(&batch);
  const auto sent = send_frame(lock, handoff::encode(room, items), waiting);
  std::erase(batches_, &batch);
  BATON_FAULT_POINT(batch_taken_queued);
  if (!sent && !(ended_ || broken_ || send_broken_) && listener_alive()) {
    for (auto arrival = taken.rbegin(); arrival != taken.rend(); ++arrival) arrived_.push_front(std::move(*arrival));
    for (const handoff::MoveId id : batch.cancelled) on_cancel(id);
    for (const auto& item : items)
      if (item.outcome != handoff::TakeOutcome::Taken) reply_taken(item.move, item.outcome, -1);
    return std::unexpected{sent.error()};
  }
  const Instant now = os::monotonic_now();
  for (const Arrival& arrival : taken) {
    os::stop_signals(arrival.end_point.ref());
    endpoint::erase(arrival.item.image.cookie);  // as in settle()
    statistics().pause_since(arrival.item.image.stopped_at, now);
    trace(arrival.id, 'S', "TAKEN");
  }
  statistics().taken.fetch_add(taken.size(), std::memory_order_relaxed);
  if (auto topped = top_up_credit(); !topped && taken.empty()) return std::unexpected{topped.error()};
  return taken;
}

}  // namespace baton::endpoint
