// SPDX-License-Identifier: MIT
#include "endpoint/unread_request.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "endpoint/arrival_check.hpp"
#include "endpoint/position.hpp"
#include "endpoint/table.hpp"
#include "link/registry.hpp"
#include "os/local_queue.hpp"
#include "os/socket.hpp"
#include "os/tcp.hpp"

namespace baton::endpoint {
namespace {

constexpr handoff::MoveId the_move = 1;  // a link of its own: there is no other

os::Result<handoff::CallItem> item_of(FdRef connection) {
  const auto position = os::read_position(connection);
  if (!position) return std::unexpected{position.error()};
  const auto cookie = os::cookie(connection);
  if (!cookie) return std::unexpected{cookie.error()};
  return handoff::CallItem{
      .image = {.position = to_image(*position), .cookie = *cookie, .nonblocking = os::is_nonblocking(connection)},
      .kind = handoff::Kind::UnreadConnectRequest,
      .family = os::is_tcp(connection, AF_INET6) ? handoff::Family::Inet6 : handoff::Family::Inet,
      .descriptor = connection.get()};
}

}  // namespace

os::Result<UnreadRequest> UnreadRequest::give(const tsap::Selector& called, FdRef connection) {
  const auto item = item_of(connection);
  if (!item) return std::unexpected{item.error()};
  auto link = link::connect_to(called, true);
  if (!link) return std::unexpected{link.error()};
  std::array<std::byte, handoff::small_frame> room;
  const Bytes frame = handoff::encode_call(room, the_move, true, {&*item, 1}, {}, 0);
  const iovec part{const_cast<std::byte*>(frame.data()), frame.size()};
  const int number = connection.get();
  if (auto sent = os::send_message(link->ref(), {&part, 1}, {&number, 1}, {.dont_wait = true}); !sent)
    return std::unexpected{sent.error()};
  return UnreadRequest{std::move(*link), item->image.position};
}

std::optional<handoff::TakeOutcome> UnreadRequest::outcome() {
  std::array<std::byte, handoff::small_frame> buffer;
  os::Received received;
  const auto got = os::receive_message(link_.ref(), buffer, received, {.dont_wait = true});
  if (!got) {
    // A reset is only a hint, told once: what had been sent before is still to be read.
    const int error = os::number(got.error());
    if (error == EAGAIN || error == EINTR) return std::nullopt;
    return error == ECONNRESET ? outcome() : handoff::TakeOutcome::Declined;
  }
  const auto frame = handoff::decode(Bytes{buffer}.first(received.size));
  const auto* const taken = frame ? std::get_if<handoff::Taken>(&frame->body) : nullptr;
  if (taken == nullptr || taken->items.size() != 1) return handoff::TakeOutcome::Declined;
  return taken->items[0].outcome;
}

bool UnreadRequest::is_untouched(FdRef connection) const noexcept {
  return endpoint::untouched(connection, from_image(position_));
}

handoff::TakeOutcome UnreadRequest::give_up() {
  os::refuse_messages(link_.ref());
  return outcome().value_or(handoff::TakeOutcome::Declined);
}

std::optional<UnreadCall> unread_call_in(Bytes message) noexcept {
  const auto frame = handoff::decode(message);
  const auto* const call = frame ? std::get_if<handoff::Call>(&frame->body) : nullptr;
  if (call == nullptr || !call->express || call->group != 0 || call->items.size() != 1 || call->memfds != 0)
    return std::nullopt;
  const UnreadCall found{frame->move, call->items[0]};
  const bool carried_by_tcp = found.item.family == handoff::Family::Inet || found.item.family == handoff::Family::Inet6;
  if (found.item.kind != handoff::Kind::UnreadConnectRequest || !carried_by_tcp) return std::nullopt;
  return found;
}

UniqueFd take_unread_request(FdRef from, const UnreadCall& call, os::Received& received, bool has_room) {
  handoff::CallItem item = call.item;
  item.kind = handoff::Kind::Connection;  // so it is checked; what has to be read of it is another matter
  auto outcome = handoff::TakeOutcome::Taken;
  if (received.descriptors.size() != 1) {
    outcome = handoff::TakeOutcome::NoDescriptor;
  } else if (is_known(received.descriptors[0].ref())) {
    outcome = handoff::TakeOutcome::WrongCookie;  // one end point cannot be two
  } else if (!has_room) {
    outcome = handoff::TakeOutcome::NoCredit;
  } else {
    outcome = check_arrival(received.descriptors[0].ref(), item, {});
  }
  std::array<std::byte, handoff::small_frame> room;
  const handoff::TakenItem answer{call.move, outcome, outcome == handoff::TakeOutcome::Taken ? item.descriptor : -1};
  const Bytes frame = handoff::encode(room, std::span{&answer, 1});
  const iovec part{const_cast<std::byte*>(frame.data()), frame.size()};
  const bool answered = os::send_message(from, {&part, 1}, {}, {.dont_wait = true}).has_value();
  if (!answered || outcome != handoff::TakeOutcome::Taken) {
    received.discard_descriptors();
    return {};
  }
  UniqueFd connection = std::move(received.descriptors[0]);
  received.descriptors.clear();
  os::make_accepted(connection.ref());
  return connection;
}

}  // namespace baton::endpoint
