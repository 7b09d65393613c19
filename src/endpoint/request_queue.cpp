// SPDX-License-Identifier: MIT
#include "endpoint/request_queue.hpp"

#include <array>

#include "cotp/tpkt.hpp"
#include "os/ancillary.hpp"
#include "os/event.hpp"

namespace baton::endpoint {

void send_refusal(FdRef descriptor, transport::Connection& machine, bool remote) {
  while (!machine.output().empty()) {
    std::array<std::byte, cotp::tpkt_header_octets + cotp::max_error_octets> packet;
    const std::size_t size = cotp::encode_packet(machine.output(), packet);
    const std::size_t skipped = remote ? 0 : cotp::tpkt_header_octets;
    const iovec octets{packet.data() + skipped, size - skipped};
    (void)os::send_message(descriptor, {&octets, 1}, {}, {.dont_wait = true});
    machine.consume_output();
  }
}

Result<std::shared_ptr<RequestQueue>> RequestQueue::make(std::size_t backlog) {
  auto event = os::event_descriptor();
  if (!event) return fail(event.error());
  return std::make_shared<RequestQueue>(std::move(*event), backlog);
}

bool RequestQueue::full() const {
  const std::lock_guard lock{mutex_};
  return requests_.size() >= backlog_;
}

bool RequestQueue::empty() const {
  const std::lock_guard lock{mutex_};
  return requests_.empty();
}

void RequestQueue::push(Request request) {
  const std::lock_guard lock{mutex_};
  requests_.push_back(std::move(request));
  os::signal_event(event_.ref());
}

void RequestQueue::close() {
  const std::lock_guard lock{mutex_};
  closed_ = true;
  os::signal_event(event_.ref());
}

std::optional<Request> RequestQueue::take_front() {
  std::optional<Request> front{std::move(requests_.front())};
  requests_.pop_front();
  if (requests_.empty() && !closed_) os::reset_event(event_.ref());
  return front;
}

std::optional<Request> RequestQueue::pop() {
  const std::lock_guard lock{mutex_};
  return requests_.empty() ? std::nullopt : take_front();
}

std::optional<Request> RequestQueue::pop_expired(Instant now) {
  const std::lock_guard lock{mutex_};
  return requests_.empty() || now < requests_.front().until ? std::nullopt : take_front();
}

}  // namespace baton::endpoint
