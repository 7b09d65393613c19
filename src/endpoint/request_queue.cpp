// SPDX-License-Identifier: MIT
#include "endpoint/request_queue.hpp"

#include "os/event.hpp"

namespace baton::endpoint {

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
