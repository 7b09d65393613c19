// SPDX-License-Identifier: MIT
// Opening and closing an RFC 1006 connection, and waiting for it.
#include "endpoint/remote_connection.hpp"

#include <algorithm>
#include <array>

#include "cotp/tpkt.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/tcp.hpp"

namespace baton::endpoint {
namespace {

/// What a DR would otherwise be lost behind: unread octets make the kernel reset the connection at close.
void discard_input(FdRef socket) {
  std::array<std::byte, 4096> scrap;
  const iovec room{scrap.data(), scrap.size()};
  constexpr int most = 256;
  for (int i = 0; i < most; ++i) {
    const auto got = os::receive_stream(socket, {&room, 1});
    if (!got || *got == 0) return;
  }
}

}  // namespace

RemoteConnection::RemoteConnection(transport::Connection machine, int number, std::uint64_t cookie,
                                   const HostNames& hosts, const os::Address& connecting_to)
    : IsoConnection{std::move(machine), number, cookie, hosts}, connecting_to_{connecting_to} {}

RemoteConnection::RemoteConnection(transport::Connection machine, int number, std::uint64_t cookie,
                                   const HostNames& hosts)
    : IsoConnection{std::move(machine), number, cookie, hosts} {}

bool RemoteConnection::flush() {
  while (!machine_.output().empty()) {
    const Bytes tpdu = machine_.output();
    if (!send_broken_ && !within_packet()) {
      std::array<std::byte, cotp::tpkt_header_octets + cotp::max_error_octets> packet;
      const std::size_t size = cotp::encode_packet(tpdu, packet);
      const iovec rest{packet.data() + output_sent_, size - output_sent_};
      const auto sent = os::send_stream(descriptor(), {&rest, 1});
      if (sent) {
        output_sent_ += *sent;
        if (output_sent_ < size) return false;
      } else if (os::number(sent.error()) == EAGAIN || os::number(sent.error()) == EINTR) {
        return false;
      } else {
        send_broken_ = true;
      }
    }
    machine_.consume_output();
    output_sent_ = 0;
  }
  return true;
}

Result<bool> RemoteConnection::advance_connect() {
  if (connect_failure_) return std::unexpected{*connect_failure_};
  if (!connecting_to_) return true;
  const auto up = os::connect_step(descriptor(), *connecting_to_);
  if (!up) {
    connect_failure_ = Failure{Fault::System, up.error()};
    return std::unexpected{*connect_failure_};
  }
  if (*up) connecting_to_.reset();
  return *up;
}

Failure RemoteConnection::refusal() const noexcept {
  if (const auto reason = machine_.disconnect_reason()) return {Fault::PartnerRefused, {}, static_cast<int>(*reason)};
  return {broken_ ? Fault::Protocol : Fault::NoAnswer, {}};
}

Result<void> RemoteConnection::await_confirmation(Lock& lock, const Waiting& waiting) {
  for (;;) {
    switch (machine_.state()) {
      case transport::State::Open:
        return {};
      case transport::State::Closed:
      case transport::State::Closing:
        return std::unexpected{refusal()};
      case transport::State::Idle:
      case transport::State::Indicated:
      case transport::State::AwaitingConfirm:
        break;
    }
    const auto up = advance_connect();
    if (!up) return std::unexpected{up.error()};
    short events = POLLOUT;
    if (*up) {
      events = flush() ? POLLIN : POLLIN | POLLOUT;
      if (has_head()) {
        (void)act_on_head();
        continue;
      }
      if (fetch_head()) continue;
    }
    const Instant deadline = std::min(waiting.deadline, machine_.deadline().value_or(never));
    if (os::monotonic_now() >= deadline) return fail(Fault::TimedOut);
    if (auto waited = pause(lock, Waiting{waiting.nonblocking, deadline, waiting.as_number}, events); !waited)
      return waited;
  }
}

Result<void> RemoteConnection::confirm(const Lock&, Bytes user_data) {
  if (machine_.state() == transport::State::Open) return {};
  if (machine_.state() != transport::State::Indicated) return std::unexpected{end_failure()};
  if (auto confirmed = machine_.confirm(user_data); !confirmed) return fail(Fault::TooLong);
  (void)flush();
  return {};
}

void RemoteConnection::close(Bytes disconnect_data) {
  Lock lock = this->lock();
  const Instant now = os::monotonic_now();
  const bool refused = machine_.state() == transport::State::Indicated &&
                       machine_.refuse(cotp::DisconnectReason::NotSpecified, disconnect_data, now).has_value();
  const bool told = refused || (open() && !disconnect_data.empty() && !within_packet() &&
                                machine_.disconnect(disconnect_data, now).has_value());
  if (told && flush() && !reading_) discard_input(descriptor());
  // Who waits in the kernel for octets is not woken by a close.
  if (reading_) os::end_input(descriptor());
  number_ = -1;
  count_out();
  gate_.open();
  // Who is about to wait there must not find a successor of the number.
  left_kernel_.wait(lock, [this] { return !in_kernel_; });
}

void RemoteConnection::number_lost() {
  const Lock lock = this->lock();
  number_ = -1;
  carrier_ended();
  count_out();
}

void RemoteConnection::carrier_ended() {
  ended_ = true;
  if (machine_.state() != transport::State::Closed) (void)machine_.carrier_ended();
  gate_.open();
}

void RemoteConnection::stop_reading() {
  // What may still come means nothing; a poll has to say that a read would tell something.
  os::end_input(descriptor());
  gate_.open();
}

void RemoteConnection::look(const Lock&) {
  if (machine_.state() == transport::State::AwaitingConfirm) {
    const auto up = advance_connect();
    if (!up || !*up) return;
    (void)flush();
  }
  if (machine_.state() != transport::State::Indicated) read_ahead();
}

bool RemoteConnection::readable() {
  read_ahead();
  if (!open() || at_empty_end()) return true;
  if (reader_.payload_left() == 0) return false;
  std::byte octet;
  const iovec part{&octet, 1};
  const auto got = os::receive_stream(descriptor(), {&part, 1}, {.peek = true});
  return got || os::number(got.error()) != EAGAIN;
}

IsoConnection::Question RemoteConnection::ask(const Lock& lock, pollfd& entry) {
  constexpr short everything = ~short{0};
  if ((entry.events & POLLIN) != 0 && machine_.state() == transport::State::Indicated) (void)confirm(lock, {});
  if (machine_.state() == transport::State::AwaitingConfirm) look(lock);
  switch (machine_.state()) {
    case transport::State::AwaitingConfirm: {
      const Instant until = machine_.deadline().value_or(never);
      // Overdue or failed: connect gives the result.
      if (connect_failure_ || os::monotonic_now() >= until) {
        entry.revents = POLLOUT | POLLHUP;
        return {};
      }
      return {.kernel = {entry.fd, connecting_to_ ? short{POLLOUT} : short{POLLIN}, 0}, .mask = 0, .until = until};
    }
    case transport::State::Open: {
      if (broken_) break;
      (void)flush();
      // Another call reads: what the kernel says is all there is to say. Else part of a head is nothing to read yet.
      if ((entry.events & POLLIN) == 0 || reading_) return {.kernel = {entry.fd, entry.events, 0}, .mask = everything};
      if (readable()) entry.revents = POLLIN;
      if (!open()) break;
      const short events = entry.revents == 0 ? entry.events : static_cast<short>(entry.events & ~POLLIN);
      return {.kernel = {entry.fd, events, 0}, .mask = static_cast<short>(everything & ~(POLLIN | POLLRDNORM))};
    }
    case transport::State::Idle:
    case transport::State::Indicated:
      return {.kernel = {entry.fd, 0, 0}, .mask = POLLHUP | POLLERR};
    case transport::State::Closing:
    case transport::State::Closed:
      break;
  }
  entry.revents = static_cast<short>(POLLHUP | (entry.events & (POLLIN | POLLOUT)));
  return {};
}

}  // namespace baton::endpoint
