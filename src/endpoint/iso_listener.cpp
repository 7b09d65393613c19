// SPDX-License-Identifier: MIT
#include "endpoint/iso_listener.hpp"

#include <algorithm>
#include <array>

#include "base/fault_point.hpp"
#include "link/admission.hpp"
#include "os/epoll.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"

namespace baton::endpoint {
IsoListener::IsoListener(UniqueFd listening, const tsap::Selector& selector, std::shared_ptr<RequestQueue> queue,
                         std::shared_ptr<IsoPort> port)
    : listening_{std::move(listening)}, selector_{selector}, queue_{std::move(queue)}, port_{std::move(port)} {
  if (port_) port_->open_tsap(selector_, queue_);
}

IsoListener::~IsoListener() {
  if (port_) port_->close_tsap(selector_);
}

Result<std::unique_ptr<IsoListener>> IsoListener::make(UniqueFd listening, const tsap::Selector& selector, FdRef set,
                                                       std::size_t backlog, std::shared_ptr<IsoPort> port) {
  auto queue = RequestQueue::make(backlog);
  if (!queue) return std::unexpected{queue.error()};
  if (auto added = os::epoll_add(set, listening.ref()); !added) return fail(added.error());
  if (auto added = os::epoll_add(set, (*queue)->event()); !added) return fail(added.error());
  if (port)
    if (auto added = os::epoll_add(set, port->set()); !added) return fail(added.error());
  return std::unique_ptr<IsoListener>{
      new IsoListener{std::move(listening), selector, std::move(*queue), std::move(port)}};
}

bool IsoListener::verify(int number) const noexcept { return os::epoll_has(number, queue_->event()); }

os::Result<os::Address> IsoListener::remote_address() const {
  if (!port_) return os::failure(ENOTCONN);
  return port_->address();
}

os::Result<void> IsoListener::take_from_backlog(FdRef set) {
  // No more at once: who connects again and again, admitted or not, holds up nobody's accept.
  for (std::size_t taken = 0; taken < max_half_open && !queue_->full(); ++taken) {
    auto connection = os::accept_connection(listening_.ref());
    if (!connection) {
      const int error = os::number(connection.error());
      if (!os::lacks_room(error)) return {};
      if (!port_ || !port_->make_room()) return os::failure(error);
      continue;
    }
    const auto peer = os::peer_credentials(connection->ref());
    if (!peer || !link::admitted(peer->uid) || !os::enable_sender_identity(connection->ref())) continue;
    if (half_open_.size() >= max_half_open) close_most_crowded(set);
    if (!os::epoll_add(set, connection->ref())) continue;
    half_open_.push_back({HiddenFd{std::move(*connection)}, os::monotonic_now() + request_time, *peer});
    // Most have sent their CR by now.
    const FdRef descriptor = half_open_.back().descriptor.ref();
    if (read_request(half_open_.back(), set) == Verdict::Waits) continue;
    (void)os::epoll_remove(set, descriptor);
    half_open_.pop_back();
  }
  return {};
}

void IsoListener::close_most_crowded(FdRef set) {
  const auto crowd = [this](const HalfOpen& half) {
    const auto of_user =
        std::ranges::count(half_open_, half.peer.uid, [](const HalfOpen& each) { return each.peer.uid; });
    const auto of_process =
        std::ranges::count(half_open_, half.peer.pid, [](const HalfOpen& each) { return each.peer.pid; });
    return std::pair{of_user, of_process};
  };
  const auto chosen = std::ranges::max_element(half_open_, {}, crowd);  // the first of several: the oldest
  (void)os::epoll_remove(set, chosen->descriptor.ref());
  half_open_.erase(chosen);
}

bool IsoListener::ensure_port(FdRef set) {
  if (port_) return true;
  auto port = IsoPort::without_address();
  if (!port || !os::epoll_add(set, (*port)->set())) return false;
  port_ = std::move(*port);
  port_->open_tsap(selector_, queue_);
  return true;
}

void IsoListener::take_over(FdRef from, const handoff::UnreadCall& call, os::Received& received, FdRef set) {
  // Rubbish costs no descriptors.
  const bool has_room = received.descriptors.size() == 1 && ensure_port(set) && !queue_->full();
  UniqueFd connection = take_unread_request(from, call, received, has_room);
  if (!connection.valid()) return;
  port_->take_over(std::move(connection));
  BATON_FAULT_POINT(unread_admitted);
}

IsoListener::Verdict IsoListener::read_request(HalfOpen& half, FdRef set) {
  // A CR has at most 128 octets (RFC 905 13.3): more is none, unless it is a frame.
  std::array<std::byte, handoff::small_frame> buffer;
  os::Received received;
  const auto outcome = os::receive_message(half.descriptor.ref(), buffer, received, {.dont_wait = true});
  if (!outcome) return os::number(outcome.error()) == EAGAIN ? Verdict::Waits : Verdict::Gone;
  if (received.end || received.data_truncated) return Verdict::Gone;
  const Bytes message = Bytes{buffer}.first(received.size);
  if (const auto call = handoff::unread_call_in(message)) {
    take_over(half.descriptor.ref(), *call, received, set);
    return Verdict::Gone;
  }
  if (received.size > cotp::max_connect_octets) return Verdict::Gone;
  auto machine = transport::Connection::await(next_reference_, {.maximum_size = cotp::TpduSize::Octets65531});
  next_reference_ = next_reference_ == 0xffff ? std::uint16_t{1} : static_cast<std::uint16_t>(next_reference_ + 1);
  const auto event = machine->receive(message, received.size, os::monotonic_now());
  if (!event || !std::holds_alternative<transport::Indication>(*event)) {
    send_refusal(half.descriptor.ref(), *machine, false);
    return Verdict::Gone;
  }
  // A name may have been given to our socket by somebody else: who wants another TSAP is not for us.
  const Bytes called = machine->selectors().called.bytes();
  if (!called.empty() && !std::ranges::equal(called, selector_.octets())) {
    (void)machine->refuse(cotp::DisconnectReason::AddressUnknown, {}, os::monotonic_now());
    send_refusal(half.descriptor.ref(), *machine, false);
    return Verdict::Gone;
  }
  queue_->push({HiddenFd{half.descriptor.release()}, std::move(*machine), false, os::monotonic_now() + request_time});
  return Verdict::Complete;
}

os::Result<void> IsoListener::progress(FdRef set) {
  const Instant now = os::monotonic_now();
  for (auto half = half_open_.begin(); half != half_open_.end();) {
    const FdRef descriptor = half->descriptor.ref();
    const Verdict verdict = now >= half->until ? Verdict::Gone : read_request(*half, set);
    if (verdict == Verdict::Waits) {
      ++half;
      continue;
    }
    (void)os::epoll_remove(set, descriptor);
    half = half_open_.erase(half);
  }
  os::Result<void> taken = take_from_backlog(set);
  if (port_)
    if (auto remote = port_->progress(); !remote) taken = remote;
  // Whom nobody accepted in time is turned away; its connect sees the end.
  while (auto late = queue_->pop_expired(now)) {
    if (late->machine.refuse(cotp::DisconnectReason::CongestionAtTsap, {}, now))
      send_refusal(late->descriptor.ref(), late->machine, late->remote);
  }
  return taken;
}

}  // namespace baton::endpoint
