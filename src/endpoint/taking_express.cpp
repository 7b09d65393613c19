// SPDX-License-Identifier: MIT
// The server's side of express moves on a link: credit, and taking what has arrived.
#include <algorithm>
#include <utility>

#include "base/fault_point.hpp"
#include "endpoint/arrival_check.hpp"
#include "endpoint/link.hpp"
#include "endpoint/statistics.hpp"
#include "os/event.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {

bool Link::on_call(const handoff::Frame& frame, const handoff::Call& call, os::Received& received,
                   std::size_t granted) {
  out_of_room_ = false;  // one that waited has been received, whoever wants it
  if (call.group != 0) {
    const auto admitted = admit_held(frame.move, call);
    if (!admitted) return false;
    if (!*admitted) return true;
  }
  // More than it says: which of them is meant nobody can tell.
  std::size_t came = received.descriptors.size();
  if ((call.group != 0 || call.memfds > 0) && came > call.items.size() + call.memfds) came = 0;
  std::size_t memfd = call.items.size();
  std::size_t blobs = 0;
  bool all = true;
  std::size_t octets = 0;
  std::size_t images = 0;
  for (std::size_t i = 0; i < call.items.size(); ++i) {
    const handoff::CallItem item = call.items[i];
    const Bytes user_data = call.user_data.subspan(octets, item.user_data);
    octets += item.user_data;
    const Bytes image = call.iso_images.subspan(images, item.iso_image);
    images += item.iso_image;
    const Bytes blob = item.blob_apart ? Bytes{} : call.blobs.subspan(blobs, item.blob);
    blobs += blob.size();
    const std::size_t apart = item.blob_apart ? memfd++ : 0;
    const std::size_t waiting = arrived_.size();
    if (!call.express)
      reply_taken(frame.move + i, handoff::TakeOutcome::UnknownMove, -1);
    else if (i >= granted)
      reply_taken(frame.move + i, handoff::TakeOutcome::NoCredit, -1);
    else if (i >= came || apart >= std::max<std::size_t>(came, 1))
      reply_taken(frame.move + i, handoff::TakeOutcome::NoDescriptor, -1);
    else
      arrived_.push_back({.end_point = HiddenFd{std::move(received.descriptors[i])},
                          .id = frame.move + i,
                          .item = item,
                          .user_data = {user_data.begin(), user_data.end()},
                          .iso_image = {image.begin(), image.end()},
                          .group = call.group,
                          .blob_in_frame = {blob.begin(), blob.end()},
                          .memfd = apart > 0 ? HiddenFd{std::move(received.descriptors[apart])} : HiddenFd{},
                          .blob = {}});
    all = all && arrived_.size() > waiting;
  }
  if (call.express) statistics().received.fetch_add(call.items.size(), std::memory_order_relaxed);
  if (call.group != 0 && !all) refuse_group();
  return true;
}

Result<void> Link::top_up_credit() {
  const std::size_t held = placeholders_.size() + arrived_.size();
  // In halves: a CREDIT for each move would be a message for each move. A dead L has no use for it.
  if (credit_paused_ || held > credit_target_ / 2 || !listener_alive()) return {};
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
  credit_paused_ = count == 0;
  if (!credit_paused_) credit_target_ = count;
  if (auto announced = top_up_credit(); !announced) return std::unexpected{announced.error()};
  return placeholders_.size();
}

Result<std::vector<Link::Arrival>> Link::take_arrivals(Lock& lock, std::span<const std::size_t> rooms,
                                                       const Waiting& waiting) {
  if (credit_target_ == 0 && !credit_paused_) {
    constexpr std::size_t default_credit = 64;
    if (auto announced = announce_credit(lock, default_credit); !announced) return std::unexpected{announced.error()};
  }
  for (;;) {
    const Pumped pumped = pump_all(lock);  // a CANCEL that is here already comes first
    // What has arrived may be of the next group: of this one's end the program hears before.
    if (std::exchange(taken_group_over_, false)) return fail(Fault::Cancelled);
    if (!arrived_.empty()) break;
    if (pumped == Pumped::Ended) return std::unexpected{end_failure()};
    if (!inbox_.empty() && inbox_.front().kind != Unit::Kind::Answer) return fail(Fault::FrameExpected);
    if (auto topped = top_up_credit(); !topped) return std::unexpected{topped.error()};
    if (auto waited = pause(lock, waiting, POLLIN); !waited) return std::unexpected{waited.error()};
  }
  if (arrived_.front().group != 0) return take_held(rooms);
  std::vector<Arrival> taken;
  std::vector<handoff::TakenItem> items;
  while (!arrived_.empty() && arrived_.front().group == 0 && taken.size() < rooms.size() &&
         items.size() < handoff::max_batch) {
    if (arrived_.front().user_data.size() > rooms[taken.size()]) break;
    Arrival arrival = std::move(arrived_.front());
    arrived_.pop_front();
    auto outcome = check_arrival(arrival.end_point.ref(), arrival.item, arrival.iso_image);
    if (outcome == handoff::TakeOutcome::Taken && std::ranges::any_of(taken, [&](const Arrival& before) {
          return before.item.image.cookie == arrival.item.image.cookie;
        }))
      outcome = handoff::TakeOutcome::WrongCookie;  // one end point cannot be two
    if (outcome == handoff::TakeOutcome::Taken && !arrival.load_blob()) outcome = handoff::TakeOutcome::WrongBlob;
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
