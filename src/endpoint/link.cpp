// SPDX-License-Identifier: MIT
#include "endpoint/link.hpp"

#include <utility>

#include "endpoint/outcome_reader.hpp"
#include "endpoint/statistics.hpp"
#include "os/local_queue.hpp"
#include "os/process.hpp"
#include "os/resolve_host.hpp"
#include "os/socket.hpp"
#include "os/trace.hpp"

namespace baton::endpoint {

Link::Link(transport::Connection machine, int number, std::uint64_t cookie, const HostNames& hosts)
    : IsoConnection{std::move(machine), number, cookie, hosts} {
  // Until we have said that we take an end point, nobody may send us one: the sender gets EPERM where the kernel can.
  refusing_descriptors_ = os::refuse_descriptors(FdRef{number});
}

void Link::expect_descriptors() {
  if (refusing_descriptors_) os::accept_descriptors(descriptor());
  refusing_descriptors_ = false;
}

FdRef Link::descriptor() const noexcept { return own_.valid() ? own_.ref() : FdRef{number_}; }

void Link::trace(handoff::MoveId move, char role, const char* event) const {
  os::TraceLine{cookie_, move, role, event};
}

void Link::trace_begin(handoff::MoveId move, FdRef end_point, const char* event) const {
  if (!os::trace_enabled()) return;
  os::TraceLine line{cookie_, move, 'L', event};
  // The socket's own, which stays the same wherever its descriptors go.
  if (const auto own = os::cookie(end_point)) line.number("connection", *own);
  if (const auto peer = os::peer_address(end_point); peer && (peer->family() == AF_INET || peer->family() == AF_INET6))
    line.text("client", os::printable(*peer));
}

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
    if (auto waited = pause(lock, Waiting{waiting.nonblocking, deadline, waiting.as_number}, POLLIN); !waited)
      return waited;
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
  if (awaits_commit()) drop_group();  // it was L's
}

void Link::close(Bytes disconnect_data) {
  Lock lock = this->lock();
  if (broken_) return wind_up(lock);
  // Who could still call is cut off first: what has arrived by then is answered, and nothing arrives unanswered after
  // it.
  // Not while an outcome is awaited: the outcome reader answers, and cuts off at last (leave()).
  closing_ = in_doubt_ == 0 && (!awaited_.empty() || !arrived_.empty() || !placeholders_.empty() || taken_group_);
  if (closing_) os::refuse_messages(descriptor());
  while (pump(lock) == Pumped::Progress) {
    inbox_.clear();
    if (closing_) turn_ = 0;  // there is an end to it
  }
  // Disconnect data would end the connection under the moves that are in doubt.
  if (!disconnect_data.empty() && in_doubt_ == 0 && machine_.state() == transport::State::Open &&
      machine_.disconnect(disconnect_data, os::monotonic_now()))
    flush_outbox();
  wind_up(lock);
}

void Link::wind_up(const Lock& lock) {
  // Whom we have not taken goes back to its listener, who is told.
  while (!awaited_.empty()) decline(lock, awaited_.begin()->second);
  give_up_group();
  if (given_group_) send_abort(given_group_->id());
  group_off({Fault::Cancelled, {}});
  for (Arrival& arrival : arrived_) {
    arrival.discard();
    reply_taken(arrival.id, handoff::TakeOutcome::Declined, -1);
  }
  arrived_.clear();
  for (auto it = given_.begin(); it != given_.end();) {
    const auto move = (it++)->second;
    if (!move->machine.in_doubt() && !move->sending) act(move, move->machine.cancel());
  }
  inbox_.clear();
  placeholders_.clear();
  // Moves hold their link: what is over is not held by it in turn.
  finished_.clear();
  for (const auto& move : outcomes_) {
    forget_end_point(*move);
    if (move->held) return_number(*move);
    move->real.reset();
  }
  outcomes_.clear();
  flush_outbox();
  replies_until_ = os::monotonic_now() + reply_time;
  if (in_doubt_ > 0 || has_unsent_replies()) watch_outcomes();
  number_ = -1;
  count_out();
  gate_.open();
}

bool Link::leave(const Lock& lock) {
  if (!ended_ && !broken_) {
    if (!std::exchange(closing_, true)) replies_until_ = os::monotonic_now() + reply_time;
    os::refuse_messages(descriptor());
    while (pump(lock) == Pumped::Progress) {
      inbox_.clear();
      turn_ = 0;  // there is an end to it
    }
    while (!awaited_.empty()) decline(lock, awaited_.begin()->second);
    give_up_group();
    flush_outbox();
  }
  return !has_unsent_replies();
}

void Link::watch_outcomes() {
  if (!own_.valid()) {
    auto duplicate = os::duplicate(FdRef{number_});
    // Without a number for it the outcomes cannot be heard: the moves stay in doubt and their end points with L.
    if (duplicate) own_ = HiddenFd{std::move(*duplicate)};
  }
  if (own_.valid() && !watched_) {
    watched_ = true;
    outcome_reader_watch(self());
  }
}

void Link::number_lost() {
  Lock lock = this->lock();
  if (own_.valid()) return wind_up(lock);  // the outcome reader still hears
  // The kernel has closed the link. A called end point is S's by now or never; nobody can tell: the program gave up its
  // ear.
  number_ = -1;
  ended_ = true;
  std::vector<std::shared_ptr<GivenMove>> in_doubt;
  for (const auto& [id, move] : given_)
    if (move->machine.in_doubt()) in_doubt.push_back(move);
  (void)let_go_unknowing(in_doubt);
  wind_up(lock);
}

}  // namespace baton::endpoint
