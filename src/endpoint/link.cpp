// SPDX-License-Identifier: MIT
#include "endpoint/link.hpp"

#include "endpoint/outcome_reader.hpp"
#include "endpoint/statistics.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {

Link::Link(transport::Connection machine, int number, std::uint64_t cookie)
    : cookie_{cookie}, generation_{generation()}, number_{number}, machine_{std::move(machine)} {
  statistics().links.fetch_add(1, std::memory_order_relaxed);
  // Until we have said that we take an end point, nobody may send us one: the sender gets EPERM where the kernel can.
  refusing_descriptors_ = os::refuse_descriptors(FdRef{number});
}

void Link::expect_descriptors() {
  if (refusing_descriptors_) os::accept_descriptors(descriptor());
  refusing_descriptors_ = false;
}

Link::~Link() { count_out(); }

void Link::count_out() noexcept {
  if (std::exchange(counted_, false)) statistics().links.fetch_sub(1, std::memory_order_relaxed);
}

FdRef Link::descriptor() const noexcept { return own_.valid() ? own_.ref() : FdRef{number_}; }

void Link::trace(handoff::MoveId move, char role, const char* event) const {
  os::TraceLine{cookie_, move, role, event};
}

Failure Link::end_failure() const noexcept { return Failure{broken_ ? Fault::Protocol : Fault::LinkEnded, {}}; }

Result<void> Link::await_confirmation(Lock& lock, const Waiting& waiting) {
  for (;;) {
    flush_outbox();
    switch (machine_.state()) {
      case transport::State::Open:
        return {};
      case transport::State::Closed:
      case transport::State::Closing:
        if (machine_.disconnect_reason()) return fail(Fault::Refused);
        return std::unexpected{end_failure()};
      case transport::State::Idle:
      case transport::State::Indicated:
      case transport::State::AwaitingConfirm:
        break;
    }
    if (pump(lock) == Pumped::Progress) continue;
    if (machine_.state() != transport::State::AwaitingConfirm) continue;
    const Instant deadline = std::min(waiting.deadline, machine_.deadline().value_or(never));
    if (os::monotonic_now() >= deadline) return fail(Fault::TimedOut);
    if (auto waited = pause(lock, Waiting{waiting.nonblocking, deadline}, POLLIN); !waited) return waited;
  }
}

Result<void> Link::confirm(const Lock&, Bytes user_data) {
  if (machine_.state() == transport::State::Open) return {};
  if (machine_.state() != transport::State::Indicated) return std::unexpected{end_failure()};
  if (auto confirmed = machine_.confirm(user_data); !confirmed) return fail(Fault::TooLong);
  flush_outbox();
  return {};
}

void Link::end_moves() noexcept {
  for (auto& [id, move] : awaited_) move->machine.link_ended();
}

void Link::close(Bytes disconnect_data) {
  Lock lock = this->lock();
  // What has arrived decides what is still open: a TAKEN in the link ends its move.
  if (!given_.empty() && !broken_) pump_all(lock);
  // Whom we have not taken goes back to its listener while it can still be told.
  while (!awaited_.empty()) decline(lock, awaited_.begin()->second);
  arrived_.clear();
  for (auto it = given_.begin(); it != given_.end();) {
    const auto move = (it++)->second;
    if (!move->machine.in_doubt()) act(move, move->machine.link_ended());
  }
  if (!disconnect_data.empty() && machine_.state() == transport::State::Open &&
      machine_.disconnect(disconnect_data, os::monotonic_now()))
    flush_outbox();
  inbox_.clear();
  placeholders_.clear();
  // Moves hold their link: what is over is not held by it in turn.
  finished_.clear();
  outcomes_.clear();
  if (in_doubt_ > 0) watch_outcomes();
  number_ = -1;
  count_out();
  gate_.open();
}

void Link::watch_outcomes() {
  if (!own_.valid()) {
    auto duplicate = os::duplicate(FdRef{number_});
    // Without a number for it the outcomes cannot be heard: the moves stay in doubt and their end points with L.
    if (duplicate) own_ = HiddenFd{std::move(*duplicate)};
  }
  if (own_.valid() && !watched_) {
    watched_ = true;
    outcome_reader_watch(shared_from_this());
  }
}

void Link::adopt(int number) {
  const Lock lock = this->lock();
  number_ = number;
}

void Link::number_lost() {
  Lock lock = this->lock();
  number_ = -1;
  ended_ = true;
  end_moves();
  for (auto it = given_.begin(); it != given_.end();) {
    const auto move = (it++)->second;
    // The kernel has closed the link. A called end point is S's by now or never; nobody can tell: the program gave up
    // its ear.
    if (move->machine.in_doubt() && !own_.valid())
      act(move, move->machine.abandon());
    else
      act(move, move->machine.link_ended());
  }
  awaited_.clear();
  arrived_.clear();
  placeholders_.clear();
  inbox_.clear();
  finished_.clear();
  outcomes_.clear();
  count_out();
  gate_.open();
}

}  // namespace baton::endpoint
