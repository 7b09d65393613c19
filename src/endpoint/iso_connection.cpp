// SPDX-License-Identifier: MIT
#include "endpoint/iso_connection.hpp"

#include <array>

#include "endpoint/gathered.hpp"
#include "endpoint/statistics.hpp"
#include "os/process.hpp"
#include "os/wait.hpp"

namespace baton::endpoint {
namespace {

/// A selector on the wire may be longer than any of ours.
tsap::Selector from_wire(const transport::Selector& selector) {
  return tsap::Selector::from(selector.bytes()).value_or(tsap::Selector{});
}

}  // namespace

IsoConnection::IsoConnection(transport::Connection machine, int number, std::uint64_t cookie, const HostNames& hosts)
    : cookie_{cookie}, number_{number}, machine_{std::move(machine)}, hosts_{hosts} {
  statistics().links.fetch_add(1, std::memory_order_relaxed);
}

IsoConnection::~IsoConnection() { count_out(); }

void IsoConnection::count_out() noexcept {
  if (std::exchange(counted_, false)) statistics().links.fetch_sub(1, std::memory_order_relaxed);
}

tsap::IsoAddress IsoConnection::local_address(const Lock&) const {
  const auto& selectors = machine_.selectors();
  const bool initiator = machine_.role() == transport::Role::Initiator;
  return {hosts_.local, from_wire(initiator ? selectors.calling : selectors.called)};
}

tsap::IsoAddress IsoConnection::peer_address(const Lock&) const {
  const auto& selectors = machine_.selectors();
  const bool initiator = machine_.role() == transport::Role::Initiator;
  return {hosts_.peer, from_wire(initiator ? selectors.called : selectors.calling)};
}

void IsoConnection::adopt(int number) {
  const Lock lock = this->lock();
  number_ = number;
}

Failure IsoConnection::end_failure() const noexcept {
  return Failure{broken_ ? Fault::Protocol : Fault::LinkEnded, {}};
}

bool IsoConnection::not_yet_open() const noexcept {
  switch (machine_.state()) {
    case transport::State::Idle:
    case transport::State::Indicated:
    case transport::State::AwaitingConfirm:
      return true;
    case transport::State::Open:
    case transport::State::Closing:
    case transport::State::Closed:
      return false;
  }
  return false;
}

Result<std::size_t> IsoConnection::send_user_data(Lock& lock, std::span<const iovec> octets, const Waiting& waiting) {
  if (machine_.state() == transport::State::Indicated)
    if (auto confirmed = confirm(lock, {}); !confirmed) return std::unexpected{confirmed.error()};
  const std::size_t length = total(octets);
  // An empty TSDU makes real peers close.
  if (length == 0) return fail(Fault::Argument);
  if (auto begun = begin_writing(lock, waiting); !begun) return std::unexpected{begun.error()};
  const auto sent = send_alone(lock, octets, length, waiting);
  end_writing();
  return sent;
}

Result<void> IsoConnection::begin_writing(Lock& lock, const Waiting& waiting) {
  while (writing_) {
    if (auto waited = pause(lock, waiting, 0); !waited) return waited;
  }
  writing_ = true;
  return {};
}

void IsoConnection::end_writing() noexcept {
  writing_ = false;
  gate_.open();
}

void IsoConnection::add_wait_entries(const Lock&, std::vector<pollfd>& entries) {
  entries.push_back({gate_.descriptor().get(), POLLIN, 0});
}

bool IsoConnection::overdue(const Waiting& waiting) noexcept {
  return std::exchange(turn_, 0U) >= max_turn && waiting.deadline != never && os::monotonic_now() >= waiting.deadline;
}

Result<void> IsoConnection::pause(Lock& lock, const Waiting& waiting, short events) {
  const bool late = overdue(waiting);
  if (!waiting.may_block()) return fail(Fault::WouldBlock);
  if (late) return fail(Fault::TimedOut);
  if (number_ < 0) return fail(Fault::BadDescriptor);  // closed by another thread
  if (auto entered = gate_.enter(); !entered) return fail(entered.error());
  std::array<pollfd, 2> entries{{{number_, events, 0}, {gate_.descriptor().get(), POLLIN, 0}}};
  lock.unlock();
  const auto ready = os::poll_until(entries, waiting.deadline);
  lock.lock();
  gate_.leave();
  if (!ready) return fail(ready.error());
  if (*ready == 0) return fail(Fault::TimedOut);
  return {};
}

}  // namespace baton::endpoint
