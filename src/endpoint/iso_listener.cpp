// SPDX-License-Identifier: MIT
#include "endpoint/iso_listener.hpp"

#include <algorithm>
#include <array>

#include "link/admission.hpp"
#include "os/epoll.hpp"
#include "os/event.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"

namespace baton::endpoint {
namespace {

void send_output(FdRef descriptor, transport::Connection& machine) {
  while (!machine.output().empty()) {
    const Bytes tpdu = machine.output();
    const iovec octets{const_cast<std::byte*>(tpdu.data()), tpdu.size()};
    (void)os::send_message(descriptor, {&octets, 1}, {}, {.dont_wait = true});
    machine.consume_output();
  }
}

}  // namespace

Result<std::unique_ptr<IsoListener>> IsoListener::make(UniqueFd listening, FdRef set, std::size_t backlog) {
  auto event = os::event_descriptor();
  if (!event) return fail(event.error());
  if (auto added = os::epoll_add(set, listening.ref()); !added) return fail(added.error());
  if (auto added = os::epoll_add(set, event->ref()); !added) return fail(added.error());
  return std::unique_ptr<IsoListener>{new IsoListener{std::move(listening), std::move(*event), backlog}};
}

bool IsoListener::verify(int number) const noexcept { return os::epoll_has(number, event_.ref()); }

os::Result<void> IsoListener::take_from_backlog(FdRef set) {
  while (ready_.size() < backlog_) {
    auto connection = os::accept_connection(listening_.ref());
    if (!connection) {
      const int error = os::number(connection.error());
      const bool short_of = error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
      return short_of ? os::failure(error) : os::Result<void>{};
    }
    const auto peer = os::peer_credentials(connection->ref());
    if (!peer || !link::admitted(peer->uid) || !os::enable_sender_identity(connection->ref())) continue;
    if (half_open_.size() >= max_half_open) half_open_.pop_front();
    if (!os::epoll_add(set, connection->ref())) continue;
    half_open_.push_back({HiddenFd{std::move(*connection)}, os::monotonic_now() + request_time});
    // Most have sent their CR by now.
    const FdRef descriptor = half_open_.back().descriptor.ref();
    if (read_request(half_open_.back()) == Verdict::Waits) continue;
    (void)os::epoll_remove(set, descriptor);
    half_open_.pop_back();
  }
  return {};
}

IsoListener::Verdict IsoListener::read_request(HalfOpen& half) {
  // A CR has at most 128 octets (RFC 905 13.3): more is none.
  std::array<std::byte, cotp::max_connect_octets + 1> buffer;
  os::Received received;
  const auto outcome = os::receive_message(half.descriptor.ref(), buffer, received, {.dont_wait = true});
  if (!outcome) return os::number(outcome.error()) == EAGAIN ? Verdict::Waits : Verdict::Gone;
  if (received.end || received.data_truncated || received.size > cotp::max_connect_octets) return Verdict::Gone;
  auto machine = transport::Connection::await(next_reference_, {.maximum_size = cotp::TpduSize::Octets65531});
  next_reference_ = next_reference_ == 0xffff ? std::uint16_t{1} : static_cast<std::uint16_t>(next_reference_ + 1);
  const auto event = machine->receive(Bytes{buffer}.first(received.size), received.size, os::monotonic_now());
  if (!event || !std::holds_alternative<transport::Indication>(*event)) {
    send_output(half.descriptor.ref(), *machine);
    return Verdict::Gone;
  }
  ready_.push_back({HiddenFd{half.descriptor.release()}, std::move(*machine), os::monotonic_now() + request_time});
  os::signal_event(event_.ref());
  return Verdict::Complete;
}

os::Result<void> IsoListener::progress(FdRef set) {
  const Instant now = os::monotonic_now();
  for (auto half = half_open_.begin(); half != half_open_.end();) {
    const FdRef descriptor = half->descriptor.ref();
    const Verdict verdict = now >= half->until ? Verdict::Gone : read_request(*half);
    if (verdict == Verdict::Waits) {
      ++half;
      continue;
    }
    (void)os::epoll_remove(set, descriptor);
    half = half_open_.erase(half);
  }
  const auto taken = take_from_backlog(set);
  // Whom nobody accepted in time is turned away; its connect sees the end.
  while (!ready_.empty() && now >= ready_.front().until) ready_.pop_front();
  if (ready_.empty()) os::reset_event(event_.ref());
  return taken;
}

Request IsoListener::next() {
  Ready ready = std::move(ready_.front());
  ready_.pop_front();
  if (ready_.empty()) os::reset_event(event_.ref());
  return {ready.descriptor.release(), std::move(ready.machine)};
}

}  // namespace baton::endpoint
