// SPDX-License-Identifier: MIT
// The listener's side of express and held moves on a link: what is packed into a CALL.
#include <algorithm>

#include "base/fault_point.hpp"
#include "endpoint/link.hpp"
#include "endpoint/statistics.hpp"
#include "os/descriptors.hpp"
#include "os/memfd.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {
namespace {

/// Where no frame could hold it, the blob has a descriptor of its own.
bool goes_apart(const GivenMove& move) noexcept {
  return move.blob.size() > handoff::max_blob_in_frame ||
         handoff::call_size(1) + move.iso_image.size() + move.item.user_data + move.blob.size() > handoff::max_frame;
}

/// One CALL under construction; reused, so that its vectors keep their room.
struct Packing {
  std::vector<handoff::CallItem> items;
  std::vector<int> descriptors;
  std::vector<UniqueFd> memfds;
  std::vector<std::byte> images;
  std::vector<Bytes> blobs;
  std::vector<std::byte> room;
  std::size_t user_data = 0;
  std::size_t in_frame = 0;

  void clear() {
    items.clear();
    descriptors.clear();
    memfds.clear();
    images.clear();
    blobs.clear();
    user_data = 0;
    in_frame = 0;
  }
  /// False: no room for it in this frame, or no credit.
  os::Result<bool> add(const GivenMove& move, std::size_t credit) {
    const bool apart = goes_apart(move);
    const std::size_t in_this = apart ? 0 : move.blob.size();
    const std::size_t size = handoff::call_size(items.size() + 1) + images.size() + user_data + in_frame;
    if (size + move.iso_image.size() + move.item.user_data + in_this > handoff::max_frame) return false;
    const std::size_t numbers = items.size() + memfds.size() + (apart ? 2 : 1);
    if (numbers > std::min(credit, handoff::max_batch)) return false;
    if (apart) {
      auto memory = os::sealed_memory(move.blob);
      if (!memory) return std::unexpected{memory.error()};
      memfds.push_back(std::move(*memory));
    }
    items.push_back(move.item);
    items.back().blob = static_cast<std::uint32_t>(move.blob.size());
    items.back().blob_apart = apart;
    descriptors.push_back(move.real.ref().get());
    images.insert(images.end(), move.iso_image.begin(), move.iso_image.end());
    if (in_this > 0) blobs.push_back(move.blob);
    user_data += move.item.user_data;
    in_frame += in_this;
    return true;
  }
  [[nodiscard]] Bytes encode(handoff::MoveId first, handoff::MoveId group) {
    for (const UniqueFd& each : memfds) descriptors.push_back(each.get());
    room.resize(handoff::call_size(items.size()) + images.size() + in_frame);
    return handoff::encode_call(room, first, true, items, images, user_data, {group, blobs});
  }
};

}  // namespace

Result<std::size_t> Link::give(Lock& lock, std::span<const std::shared_ptr<GivenMove>> moves, Bytes user_data,
                               const Waiting& waiting) {
  if (machine_.state() == transport::State::Indicated)
    if (auto confirmed = confirm(lock, {}); !confirmed) return std::unexpected{confirmed.error()};
  if (machine_.state() != transport::State::Open) return std::unexpected{end_failure()};
  say_hello();
  const bool held = moves[0]->held;
  const bool news = held || std::ranges::any_of(moves, [](const auto& move) {
                      return move->item.kind == handoff::Kind::ListeningSocket || !move->blob.empty();
                    });
  // Descriptors on their way count against the user's limit (unix(7)): a server that does not take gets a share only.
  const std::size_t share = std::max(os::descriptor_limit() / 4, handoff::max_batch);
  const std::size_t least = goes_apart(*moves[0]) ? 2 : 1;
  wanted_credit_ = 0;
  while (credit_ < least || in_doubt_ >= share) {
    if (news && peer_is_old()) return fail(Fault::PeerTooOld);
    const Pumped pumped = pump(lock);
    if (pumped == Pumped::Progress) continue;
    if (pumped == Pumped::Ended) return std::unexpected{end_failure()};
    if (pumped == Pumped::Full) return fail(Fault::FrameExpected);
    if (auto waited = pause(lock, waiting, POLLIN); !waited) {
      if (credit_ < least) wanted_credit_ = least;  // else outcomes make room
      return waited.error().fault == Fault::WouldBlock ? fail(Fault::NoCredit) : std::unexpected{waited.error()};
    }
  }
  if (news && peer_is_old()) return fail(Fault::PeerTooOld);
  if (held && given_group_over_) return std::unexpected{*given_group_over_};
  thread_local Packing batch;
  batch.clear();
  for (const auto& move : moves.first(std::min(moves.size(), held ? moves.size() : share - in_doubt_))) {
    const auto added = batch.add(*move, credit_);
    if (!added && batch.items.empty()) return fail(added.error());
    if (!added || !*added) break;  // the rest: next time
  }
  const std::size_t count = batch.items.size();
  const handoff::MoveId group = !held ? 0 : given_group_ ? given_group_->id() : moves[0]->id;
  const Bytes head = batch.encode(moves[0]->id, group);
  if (head.empty()) return fail(Fault::TooLong);
  const std::array<iovec, 2> parts{iovec{const_cast<std::byte*>(head.data()), head.size()},
                                   iovec{const_cast<std::byte*>(user_data.data()), batch.user_data}};
  // Who gave the credit is who takes. Of its death the pidfd tells: it is there before S can have an end point.
  const auto server = peer_process_;
  if (server)
    if (auto known = ensure_pidfd(*server); !known) return std::unexpected{known.error()};
  if (held && !given_group_) given_group_.emplace(group);
  BATON_FAULT_POINT(give_before);
  // Spent before it waits for room: another thread may give meanwhile, and S has no place for more than it announced.
  credit_ -= batch.descriptors.size();
  group_sending_ = held;
  const auto sent = send(lock, std::span{parts}.first(batch.user_data > 0 ? 2 : 1), batch.descriptors, waiting);
  group_sending_ = false;
  batch.memfds.clear();
  if (!sent) {
    credit_ += batch.descriptors.size();
    if (held && given_group_ && given_group_->size() == 0) given_group_.reset();
    return std::unexpected{sent.error()};
  }
  BATON_FAULT_POINT(give_queued);
  // The lock has not been released since the message went out: no outcome has been read yet.
  // The group went off while this waited for room. S may have heard of its end before its beginning: now again.
  if (held && (!given_group_ || !given_group_->add(count))) {
    send_abort(group);
    return std::unexpected{given_group_over_.value_or(Failure{Fault::Cancelled, {}})};
  }
  for (const auto& move : moves.first(count)) {
    move->server = server;
    move->group = group;
    given_[move->id] = move;
    if (!held) begin_doubt(move);
  }
  statistics().offered.fetch_add(count, std::memory_order_relaxed);
  if (os::trace_enabled())
    for (const auto& move : moves.first(count))
      trace_begin(move->id, move->real.ref(), held ? "CALL held" : "CALL express");
  if (held) BATON_FAULT_POINT(hold_done);
  return count;
}

}  // namespace baton::endpoint
