// SPDX-License-Identifier: MIT
#include "endpoint/iso_socket.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>

#include "os/epoll.hpp"
#include "os/host.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/wait.hpp"

namespace baton::endpoint {
namespace {

std::uint16_t next_reference() {
  static std::atomic<std::uint32_t> counter{0};
  return static_cast<std::uint16_t>(counter.fetch_add(1, std::memory_order_relaxed) % 0xffff + 1);
}

transport::Selector to_wire(const tsap::Selector& selector) {
  return *transport::Selector::from(selector.octets());  // 32 octets fit into 64
}

/// A selector on the wire may be longer than any of ours.
tsap::Selector from_wire(const transport::Selector& selector) {
  return tsap::Selector::from(selector.bytes()).value_or(tsap::Selector{});
}

/// The listener's backlog is full: nothing tells when that changes.
constexpr Duration backlog_retry = std::chrono::milliseconds{5};

}  // namespace

tsap::Nsel local_nsel() {
  if (const char* named = ::secure_getenv("BATON_NSEL"))
    if (const auto nsel = tsap::Nsel::parse_padded(named)) return *nsel;
  return tsap::Nsel::from_host_name(os::host_name());
}

Result<int> IsoSocket::create(bool nonblocking) {
  auto socket = os::unix_seqpacket(nonblocking);
  if (!socket) return fail(socket.error());
  const auto cookie = os::cookie(socket->ref());
  if (!cookie) return fail(cookie.error());
  const int number = socket->release();
  insert(number, *cookie, std::make_shared<IsoSocket>(number, std::nullopt));
  return number;
}

Result<void> IsoSocket::bind(const tsap::IsoAddress& address) {
  const std::lock_guard lock{mutex_};
  if (name_ || link_) return fail(Fault::AlreadyNamed);
  if (!address.nsel.is_unspecified() && address.nsel != local_nsel()) return fail(Fault::ForeignHost);
  auto name = link::claim(address.selector);
  if (!name) return fail(name.error());
  name_ = std::move(*name);
  return {};
}

Result<void> IsoSocket::listen(int backlog) {
  const std::lock_guard lock{mutex_};
  if (listener_) return {};  // a new backlog would change nothing that waits
  if (link_) return fail(Fault::AlreadyConnected);
  if (!name_) return fail(Fault::NotNamed);
  const auto flags = os::descriptor_flags(FdRef{number_});
  if (!flags) return fail(flags.error());
  const int most = backlog < 1 ? 1 : backlog;
  auto listening = name_->listen(most);
  if (!listening) return fail(listening.error());
  auto set = os::epoll_set();
  if (!set) return fail(set.error());
  auto listener = IsoListener::make(std::move(*listening), set->ref(), static_cast<std::size_t>(most));
  if (!listener) return std::unexpected{listener.error()};
  if (flags->nonblocking) (void)os::set_nonblocking(set->ref(), true);
  if (auto replaced = os::replace(set->ref(), number_, flags->close_on_exec); !replaced) return fail(replaced.error());
  listener_ = std::move(*listener);
  insert_by_number(number_, shared_from_this());
  return {};
}

Result<int> IsoSocket::accept(const Waiting& waiting) {
  for (;;) {
    int number = -1;
    {
      const std::lock_guard lock{mutex_};
      if (!listener_) return fail(Fault::Argument);
      number = number_;
      const auto progress = listener_->progress(FdRef{number});
      if (!progress && !listener_->has_request()) return fail(progress.error());
      if (listener_->has_request()) {
        Request request = listener_->next();
        const auto cookie = os::cookie(request.descriptor.ref());
        if (!cookie) return fail(cookie.error());
        const int accepted = request.descriptor.release();
        auto socket = std::make_shared<IsoSocket>(accepted, std::nullopt);
        socket->link_ = std::make_shared<Link>(std::move(request.machine), accepted, *cookie);
        insert(accepted, *cookie, std::move(socket));
        return accepted;
      }
    }
    if (!waiting.may_block()) return fail(Fault::WouldBlock);
    pollfd entry{number, POLLIN, 0};
    const auto ready = os::poll_until({&entry, 1}, waiting.deadline);
    if (!ready) return fail(ready.error());
    if (*ready == 0) return fail(Fault::TimedOut);
  }
}

Result<void> IsoSocket::connect(const tsap::IsoAddress& address, const Waiting& waiting) {
  const Instant until = std::min(waiting.deadline, os::monotonic_now() + connect_timeout());
  std::shared_ptr<Link> link;
  while (!link) {
    auto begun = begin_connect(address);
    if (begun) {
      link = std::move(*begun);
    } else if (begun.error().fault != Fault::WouldBlock || !waiting.may_block()) {
      return std::unexpected{begun.error()};
    } else if (os::monotonic_now() >= until) {
      return fail(Fault::TimedOut);
    } else if (const auto waited = os::poll_until({}, std::min(until, os::monotonic_now() + backlog_retry)); !waited) {
      return fail(waited.error());
    }
  }
  Link::Lock held = link->lock();
  const auto confirmed = link->await_confirmation(held, waiting);
  held.unlock();
  const std::lock_guard lock{mutex_};
  if (confirmed) {
    connect_reported_ = true;
    return {};
  }
  const Fault fault = confirmed.error().fault;
  if (fault == Fault::WouldBlock || fault == Fault::Interrupted) return confirmed;
  reset_number();
  return fault == Fault::LinkEnded ? fail(Fault::Refused) : confirmed;
}

Result<std::shared_ptr<Link>> IsoSocket::begin_connect(const tsap::IsoAddress& address) {
  const std::lock_guard lock{mutex_};
  if (listener_) return fail(Fault::Unsupported);
  if (link_ && (connect_reported_ || !name_)) return fail(Fault::AlreadyConnected);
  if (link_) return link_;
  if (!name_) return fail(Fault::NotNamed);
  if (auto started = start_connecting(address); !started) return std::unexpected{started.error()};
  return link_;
}

Result<void> IsoSocket::start_connecting(const tsap::IsoAddress& address) {
  if (!address.nsel.is_unspecified() && address.nsel != local_nsel()) return fail(Fault::ForeignHost);
  const auto flags = os::descriptor_flags(FdRef{number_});
  if (!flags) return fail(flags.error());
  // EAGAIN: the listener's backlog is full.
  auto connected = link::connect_to(address.selector, flags->nonblocking);
  if (!connected) {
    const int error = os::number(connected.error());
    return error == ECONNREFUSED ? fail(Fault::Refused) : fail(connected.error());
  }
  if (auto enabled = os::enable_sender_identity(connected->ref()); !enabled) return fail(enabled.error());
  const auto cookie = os::cookie(connected->ref());
  if (!cookie) return fail(cookie.error());
  transport::ConnectRequest request;
  request.local_reference = next_reference();
  request.selectors = {.calling = to_wire(name_->selector()), .called = to_wire(address.selector)};
  request.proposed_size = cotp::TpduSize::Octets65531;
  request.user_data = connect_data_;
  request.connect_time = connect_timeout_;
  auto machine = transport::Connection::initiate(request, os::monotonic_now());
  if (!machine) return fail(Fault::TooLong);
  if (auto replaced = os::replace(connected->ref(), number_, flags->close_on_exec); !replaced)
    return fail(replaced.error());
  link_ = std::make_shared<Link>(std::move(*machine), number_, *cookie);
  connect_reported_ = false;
  insert(number_, *cookie, shared_from_this());
  return {};
}

void IsoSocket::reset_number() {
  if (!link_) return;
  link_->close({});
  link_.reset();
  const auto flags = os::descriptor_flags(FdRef{number_});
  auto fresh = os::unix_seqpacket(flags && flags->nonblocking);
  if (!fresh) return;
  const auto cookie = os::cookie(fresh->ref());
  if (!cookie || !os::replace(fresh->ref(), number_, !flags || flags->close_on_exec)) return;
  insert(number_, *cookie, shared_from_this());
}

bool IsoSocket::adopt(int number) {
  const std::lock_guard lock{mutex_};
  if (number == number_) return true;
  const auto known = os::cookie(FdRef{number_});
  const auto now = os::cookie(FdRef{number});
  if (listener_ ? listener_->verify(number_) : known && now && *known == *now) return false;
  number_ = number;
  if (link_) link_->adopt(number);
  return true;
}

void IsoSocket::close() {
  std::shared_ptr<Link> link;
  std::vector<std::byte> disconnect_data;
  {
    const std::lock_guard lock{mutex_};
    link = std::move(link_);
    const Bytes data = disconnect_data_.bytes();
    disconnect_data.assign(data.begin(), data.end());
    listener_.reset();
    name_.reset();
  }
  if (link) link->close(disconnect_data);
}

void IsoSocket::number_lost() noexcept {
  std::shared_ptr<Link> link;
  {
    const std::lock_guard lock{mutex_};
    link = std::move(link_);
    listener_.reset();
    name_.reset();
    number_ = -1;
  }
  if (link) link->number_lost();
}

bool IsoSocket::verify(int number) const noexcept {
  const std::lock_guard lock{mutex_};
  return listener_ && listener_->verify(number);
}

Result<tsap::IsoAddress> IsoSocket::local_address() {
  const std::lock_guard lock{mutex_};
  if (name_) return tsap::IsoAddress{local_nsel(), name_->selector()};
  if (!link_) return tsap::IsoAddress{};
  const auto held = link_->lock();
  return tsap::IsoAddress{local_nsel(), from_wire(link_->machine(held).selectors().called)};
}

Result<tsap::IsoAddress> IsoSocket::peer_address() {
  const std::lock_guard lock{mutex_};
  if (!link_) return fail(Fault::NotConfirmed);
  const auto held = link_->lock();
  const transport::Connection& machine = link_->machine(held);
  const auto& selectors = machine.selectors();
  const bool initiator = machine.role() == transport::Role::Initiator;
  return tsap::IsoAddress{local_nsel(), from_wire(initiator ? selectors.called : selectors.calling)};
}

Result<std::shared_ptr<Link>> IsoSocket::link() {
  const std::lock_guard lock{mutex_};
  if (!link_) return listener_ ? fail(Fault::NotConnection) : fail(Fault::NotConfirmed);
  return link_;
}

std::shared_ptr<Link> IsoSocket::link_if_any() {
  const std::lock_guard lock{mutex_};
  return link_;
}

std::optional<bool> IsoSocket::ready_to_accept() {
  const std::lock_guard lock{mutex_};
  if (!listener_) return std::nullopt;
  // Want of descriptors makes it ready too: accept tells.
  return !listener_->progress(FdRef{number_}) || listener_->has_request();
}

Result<void> IsoSocket::set_connect_data(Bytes data) {
  const std::lock_guard lock{mutex_};
  const auto kept = transport::ConnectData::from(data);
  if (!kept) return fail(Fault::TooLong);
  connect_data_ = *kept;
  return {};
}

Result<void> IsoSocket::set_disconnect_data(Bytes data) {
  constexpr std::size_t most = 64;
  if (data.size() > most) return fail(Fault::TooLong);
  const std::lock_guard lock{mutex_};
  disconnect_data_ = *transport::DisconnectInfo::from(data);
  return {};
}

void IsoSocket::set_move_timeout(Duration timeout) {
  const std::lock_guard lock{mutex_};
  move_timeout_ = timeout;
}
void IsoSocket::set_connect_timeout(Duration timeout) {
  const std::lock_guard lock{mutex_};
  connect_timeout_ = timeout;
}
Duration IsoSocket::move_timeout() {
  const std::lock_guard lock{mutex_};
  return move_timeout_;
}
Duration IsoSocket::connect_timeout() {
  const std::lock_guard lock{mutex_};
  return connect_timeout_;
}

}  // namespace baton::endpoint
