// SPDX-License-Identifier: MIT
#include "endpoint/unread_request.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/fault_point.hpp"
#include "endpoint/arrival_check.hpp"
#include "endpoint/position.hpp"
#include "endpoint/table.hpp"
#include "link/registry.hpp"
#include "os/local_queue.hpp"
#include "os/socket.hpp"
#include "os/tcp.hpp"

namespace baton::endpoint {
namespace {

os::Result<handoff::CallItem> item_of(FdRef connection) {
  const auto position = os::read_position(connection);
  if (!position) return std::unexpected{position.error()};
  const auto cookie = os::cookie(connection);
  if (!cookie) return std::unexpected{cookie.error()};
  return handoff::CallItem{
      .image = {.position = to_image(*position), .cookie = *cookie, .nonblocking = os::is_nonblocking(connection)},
      .family = os::is_tcp(connection, AF_INET6) ? handoff::Family::Inet6 : handoff::Family::Inet,
      .descriptor = connection.get()};
}

}  // namespace

os::Result<UnreadRequest> UnreadRequest::give(const tsap::Selector& called, FdRef connection) {
  const auto item = item_of(connection);
  if (!item) return std::unexpected{item.error()};
  BATON_FAULT_POINT(unread_connect_before);
  auto link = link::connect_to(called, true);
  if (!link) return std::unexpected{link.error()};
  std::array<std::byte, handoff::small_frame> room;
  const Bytes frame = handoff::encode_unread_call(room, *item);
  const iovec part{const_cast<std::byte*>(frame.data()), frame.size()};
  const int number = connection.get();
  BATON_FAULT_POINT(unread_before);
  if (auto sent = os::send_message(link->ref(), {&part, 1}, {&number, 1}, {.dont_wait = true}); !sent)
    return std::unexpected{sent.error()};
  BATON_FAULT_POINT(unread_queued);
  return UnreadRequest{std::move(*link), item->image.position};
}

std::optional<handoff::TakeOutcome> UnreadRequest::outcome() {
  std::array<std::byte, handoff::small_frame> buffer;
  os::Received received;
  const auto got = os::receive_message(link_.ref(), buffer, received, {.dont_wait = true});
  if (!got) {
    // A reset is only a hint, told once: what had been sent before is still to be read.
    const int error = os::number(got.error());
    if (error == EAGAIN) return machine_.silent();
    return error == ECONNRESET || error == EINTR ? outcome() : handoff::UnreadGiver::ended();
  }
  BATON_FAULT_POINT(unread_outcome_arrived);
  return handoff::UnreadGiver::said(Bytes{buffer}.first(received.size));
}

bool UnreadRequest::is_untouched(FdRef connection) const noexcept {
  return endpoint::untouched(connection, from_image(position_));
}

handoff::TakeOutcome UnreadRequest::give_up() {
  BATON_FAULT_POINT(unread_shut_before);
  os::refuse_messages(link_.ref());
  machine_.shut();
  BATON_FAULT_POINT(unread_shut);
  return outcome().value_or(handoff::TakeOutcome::Declined);
}

UniqueFd take_unread_request(FdRef from, const handoff::UnreadCall& call, os::Received& received, bool has_room) {
  BATON_FAULT_POINT(unread_received);
  handoff::CallItem item = call.item;
  item.kind = handoff::Kind::Connection;  // so it is checked; what has to be read of it is another matter
  const bool one = received.descriptors.size() == 1;
  const FdRef arrived = one ? received.descriptors[0].ref() : FdRef{};
  const auto refusal = handoff::refusal_of({received.descriptors.size(), one && is_known(arrived), has_room});
  const auto outcome = refusal ? *refusal : check_arrival(arrived, item, {});
  std::array<std::byte, handoff::small_frame> room;
  const Bytes frame = handoff::encode_unread_answer(room, call, outcome);
  const iovec part{const_cast<std::byte*>(frame.data()), frame.size()};
  BATON_FAULT_POINT(unread_checked);
  const bool answered = os::send_message(from, {&part, 1}, {}, {.dont_wait = true}).has_value();
  if (!handoff::is_taken(outcome, answered)) {
    BATON_FAULT_POINT(unread_not_taken);
    received.discard_descriptors();
    return {};
  }
  BATON_FAULT_POINT(unread_taken_queued);
  UniqueFd connection = std::move(received.descriptors[0]);
  received.descriptors.clear();
  os::make_accepted(connection.ref());
  return connection;
}

}  // namespace baton::endpoint
