// SPDX-License-Identifier: MIT
#include "endpoint/iso_socket.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <string>

#include "endpoint/remote_connection.hpp"
#include "os/epoll.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/tcp.hpp"
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

/// A complete request becomes a connection of the program, not yet confirmed, in blocking mode.
Result<int> accepted(Request request) {
  const auto cookie = os::cookie(request.descriptor.ref());
  if (!cookie) return fail(cookie.error());
  HostNames hosts{local_nsel(), local_nsel()};
  if (request.remote)
    if (const auto peer = os::peer_address(request.descriptor.ref())) hosts.peer = name_of(*peer);
  const int number = request.descriptor.release().release();
  std::shared_ptr<IsoConnection> connection;
  if (request.remote)
    connection = std::make_shared<RemoteConnection>(std::move(request.machine), number, *cookie, hosts);
  else
    connection = std::make_shared<Link>(std::move(request.machine), number, *cookie, hosts);
  insert(number, *cookie, IsoSocket::arrived(number, *cookie, std::move(connection)));
  return number;
}

/// What a DR has said on it.
std::optional<IsoSocket::Refusal> refusal_of(IsoConnection& connection) {
  const auto lock = connection.lock();
  connection.look(lock);
  const transport::Connection& machine = connection.machine(lock);
  if (!machine.disconnect_reason()) return std::nullopt;
  IsoSocket::Refusal refusal{*machine.disconnect_reason(), {}};
  refusal.info.assign_front(machine.disconnect_info());
  return refusal;
}

/// The listener's backlog is full: nothing tells when that changes.
constexpr Duration backlog_retry = std::chrono::milliseconds{5};

}  // namespace

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
  if (name_ || connection_) return fail(Fault::AlreadyNamed);
  if (!address.nsel.is_unspecified() && address.nsel != local_nsel()) return fail(Fault::ForeignHost);
  auto name = link::claim(address.selector);
  if (!name) return fail(name.error());
  name_ = std::move(*name);
  return {};
}

Result<void> IsoSocket::listen(int backlog) {
  const std::lock_guard lock{mutex_};
  if (listener_) return {};  // a new backlog would change nothing that waits
  if (connection_) return fail(Fault::AlreadyConnected);
  if (!name_) return fail(Fault::NotNamed);
  const auto flags = os::descriptor_flags(FdRef{number_});
  if (!flags) return fail(flags.error());
  const int most = backlog < 1 ? 1 : backlog;
  auto listening = name_->listen(most);
  if (!listening) return fail(listening.error());
  auto set = os::epoll_set();
  if (!set) return fail(set.error());
  auto port = IsoPort::of_process();
  if (!port) return std::unexpected{port.error()};
  auto listener = IsoListener::make(std::move(*listening), name_->selector(), set->ref(),
                                    static_cast<std::size_t>(most), std::move(*port));
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
    std::shared_ptr<RequestQueue> queue;  // its event ends the wait when the socket is closed
    {
      const std::lock_guard lock{mutex_};
      if (number_ < 0) return fail(Fault::BadDescriptor);  // closed by another thread
      if (!listener_) return fail(Fault::Argument);
      number = number_;
      queue = listener_->queue();
      const auto progress = listener_->progress(FdRef{number});
      if (!progress && !listener_->has_request()) return fail(progress.error());
      while (auto request = listener_->next()) {
        // One that another process has given twice is an end point of this one already.
        if (!is_known(request->descriptor.ref())) return accepted(std::move(*request));
      }
    }
    if (!waiting.may_block()) return fail(Fault::WouldBlock);
    std::array<pollfd, 2> entries{{{number, POLLIN, 0}, {queue->event().get(), POLLIN, 0}}};
    const auto ready = os::poll_until(entries, waiting.deadline);
    if (!ready) return fail(ready.error());
    if (*ready == 0) return fail(Fault::TimedOut);
  }
}

Result<void> IsoSocket::connect(const tsap::IsoAddress& address, const Waiting& waiting) {
  const Instant until = std::min(waiting.deadline, os::monotonic_now() + connect_timeout());
  for (;;) {
    std::shared_ptr<IsoConnection> connection;
    while (!connection) {
      auto begun = begin_connect(address, waiting);
      if (begun) {
        connection = std::move(*begun);
      } else if (begun.error().fault != Fault::WouldBlock || !waiting.may_block()) {
        return std::unexpected{begun.error()};
      } else if (os::monotonic_now() >= until) {
        return fail(Fault::TimedOut);
      } else if (const auto waited = os::poll_until({}, std::min(until, os::monotonic_now() + backlog_retry));
                 !waited) {
        return fail(waited.error());
      }
    }
    auto held = connection->lock();
    const auto confirmed = connection->await_confirmation(held, waiting);
    held.unlock();
    const std::lock_guard lock{mutex_};
    // Closed by another thread: the number may be somebody else's by now.
    if (number_ < 0 || connection_ != connection) return fail(Fault::BadDescriptor);
    if (confirmed) {
      connect_reported_ = true;
      return {};
    }
    const Fault fault = confirmed.error().fault;
    if (fault == Fault::WouldBlock || fault == Fault::Interrupted) return confirmed;
    // Where TCP found nobody, or nobody answers, another address of the host may have somebody.
    if ((fault == Fault::System || fault == Fault::TimedOut) && try_next_address()) continue;
    refusal_ = refusal_of(*connection);
    reset_number();
    return fault == Fault::LinkEnded ? fail(Fault::Refused) : confirmed;
  }
}

Result<std::shared_ptr<IsoConnection>> IsoSocket::begin_connect(const tsap::IsoAddress& address,
                                                                const Waiting& waiting) {
  std::unique_lock lock{mutex_};
  if (number_ < 0) return fail(Fault::BadDescriptor);
  if (listener_) return fail(Fault::Unsupported);
  if (connection_ && (connect_reported_ || !name_)) return fail(Fault::AlreadyConnected);
  if (connection_) return connection_;
  if (!name_) return fail(Fault::NotNamed);
  destination_ = address;
  refusal_.reset();
  if (address.nsel.is_unspecified() || address.nsel == local_nsel()) {
    if (auto started = start_local(address); !started) return std::unexpected{started.error()};
    return connection_;
  }
  // The resolver may take its time: not under the lock, and not at all where nobody may wait.
  lock.unlock();
  auto found = addresses_of(address.nsel, waiting.may_block() ? os::Lookup::Names : os::Lookup::AddressesOnly);
  lock.lock();
  if (number_ < 0) return fail(Fault::BadDescriptor);  // closed by another thread
  if (connection_) return connection_;
  if (!found) return std::unexpected{found.error()};
  to_try_ = std::move(*found);
  connect_until_ = os::monotonic_now() + connect_timeout_;
  auto started = start_remote();
  while (!started && try_next_address()) started = {};
  if (!started) {
    reset_number();
    return std::unexpected{started.error()};
  }
  return connection_;
}

Result<std::uint64_t> IsoSocket::place(const UniqueFd& socket) {
  const auto flags = os::descriptor_flags(FdRef{number_});
  if (!flags) return fail(flags.error());
  const auto cookie = os::cookie(socket.ref());
  if (!cookie) return fail(cookie.error());
  if (auto replaced = os::replace(socket.ref(), number_, flags->close_on_exec); !replaced)
    return fail(replaced.error());
  return *cookie;
}

Result<transport::Connection> IsoSocket::request(const tsap::Selector& called, cotp::TpduSize size, Duration time) {
  transport::ConnectRequest request;
  request.local_reference = next_reference();
  request.selectors = {.calling = to_wire(name_->selector()), .called = to_wire(called)};
  request.proposed_size = size;
  request.user_data = connect_data_;
  request.connect_time = time;
  auto machine = transport::Connection::initiate(request, os::monotonic_now());
  if (!machine) return fail(Fault::TooLong);
  return std::move(*machine);
}

Result<void> IsoSocket::start_local(const tsap::IsoAddress& address) {
  auto machine = request(address.selector, cotp::TpduSize::Octets65531, connect_timeout_);
  if (!machine) return std::unexpected{machine.error()};
  // EAGAIN: the listener's backlog is full.
  auto connected = link::connect_to(address.selector, os::is_nonblocking(FdRef{number_}));
  if (!connected) {
    const int error = os::number(connected.error());
    return error == ECONNREFUSED ? fail(Fault::Refused) : fail(connected.error());
  }
  if (auto enabled = os::enable_sender_identity(connected->ref()); !enabled) return fail(enabled.error());
  const auto cookie = place(*connected);
  if (!cookie) return std::unexpected{cookie.error()};
  const tsap::Nsel here = local_nsel();
  connection_ = std::make_shared<Link>(std::move(*machine), number_, *cookie, HostNames{here, here});
  connect_reported_ = false;
  insert(number_, *cookie, shared_from_this());
  return {};
}

Result<void> IsoSocket::start_remote() {
  // The time is for all addresses together.
  const Duration time = (connect_until_ - os::monotonic_now()) / static_cast<std::int64_t>(to_try_.size());
  auto machine = request(destination_.selector, tpdu_size_, std::max(time, Duration{std::chrono::milliseconds{1}}));
  if (!machine) return std::unexpected{machine.error()};
  const os::Address& to = to_try_.front();
  auto socket = os::tcp_socket(to.family(), os::is_nonblocking(FdRef{number_}));
  if (!socket) return fail(socket.error());
  // Begun before it has the number: who polls the number sees it connecting.
  const auto begun = os::connect_step(socket->ref(), to);
  if (!begun) return fail(begun.error());
  const auto cookie = place(*socket);
  if (!cookie) return std::unexpected{cookie.error()};
  connection_ = std::make_shared<RemoteConnection>(std::move(*machine), number_, *cookie,
                                                   HostNames{local_nsel(), destination_.nsel}, to);
  connect_reported_ = false;
  insert(number_, *cookie, shared_from_this());
  return {};
}

bool IsoSocket::try_next_address() {
  while (to_try_.size() > 1) {
    to_try_.erase(to_try_.begin());
    drop_connection();
    if (start_remote()) return true;
  }
  return false;
}

/// Without telling it of its number, which will be another connection's.
void IsoSocket::drop_connection() {
  if (!connection_) return;
  endpoint::erase(connection_->cookie());
  connection_->close({});
  connection_.reset();
}

void IsoSocket::reset_number() {
  drop_connection();
  to_try_.clear();
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
  if (connection_) connection_->adopt(number);
  return true;
}

void IsoSocket::close() {
  std::shared_ptr<IsoConnection> connection;
  std::vector<std::byte> disconnect_data;
  {
    const std::lock_guard lock{mutex_};
    connection = std::move(connection_);
    const Bytes data = disconnect_data_.bytes();
    disconnect_data.assign(data.begin(), data.end());
    if (listener_) listener_->queue()->close();
    listener_.reset();
    name_.reset();
    number_ = -1;
  }
  if (connection) connection->close(disconnect_data);
}

void IsoSocket::number_lost() noexcept {
  std::shared_ptr<IsoConnection> connection;
  {
    const std::lock_guard lock{mutex_};
    connection = std::move(connection_);
    listener_.reset();
    name_.reset();
    number_ = -1;
  }
  if (connection) connection->number_lost();
}

bool IsoSocket::verify(int number) const noexcept {
  const std::lock_guard lock{mutex_};
  return listener_ && listener_->verify(number);
}

Result<tsap::IsoAddress> IsoSocket::local_address() {
  const std::lock_guard lock{mutex_};
  if (connection_) return connection_->local_address(connection_->lock());
  return name_ ? tsap::IsoAddress{local_nsel(), name_->selector()} : tsap::IsoAddress{};
}

Result<tsap::IsoAddress> IsoSocket::peer_address() {
  const std::lock_guard lock{mutex_};
  if (!connection_) return fail(Fault::NotConfirmed);
  return connection_->peer_address(connection_->lock());
}

Result<os::Address> IsoSocket::tcp_address(bool local) {
  const std::lock_guard lock{mutex_};
  os::Result<os::Address> address = os::failure(ENOTCONN);
  if (listener_ && local)
    address = listener_->remote_address();
  else if (connection_ && connection_->carrier() == handoff::Carrier::Tcp)
    address = local ? os::local_address(FdRef{number_}) : os::peer_address(FdRef{number_});
  if (!address) return fail(Fault::NotConnected);
  return *address;
}

std::optional<IsoSocket::Refusal> IsoSocket::refusal() {
  const std::lock_guard lock{mutex_};
  return connection_ ? refusal_of(*connection_) : refusal_;
}

Result<std::shared_ptr<IsoConnection>> IsoSocket::connection() {
  const std::lock_guard lock{mutex_};
  if (!connection_) return listener_ ? fail(Fault::NotConnection) : fail(Fault::NotConfirmed);
  return connection_;
}

std::shared_ptr<IsoConnection> IsoSocket::connection_if_any() {
  const std::lock_guard lock{mutex_};
  return connection_;
}

Result<std::shared_ptr<Link>> IsoSocket::link() {
  auto found = connection();
  if (!found) return std::unexpected{found.error()};
  if ((*found)->carrier() != handoff::Carrier::Local) return fail(Fault::NotLocal);
  return std::static_pointer_cast<Link>(std::move(*found));
}

std::shared_ptr<IsoSocket> IsoSocket::arrived(int number, std::uint64_t cookie,
                                              std::shared_ptr<IsoConnection> connection) {
  auto socket = std::make_shared<IsoSocket>(number, std::nullopt);
  socket->connection_ = std::move(connection);
  insert_alias(cookie, socket);
  return socket;
}

Result<void> IsoSocket::begin_move(const std::shared_ptr<GivenMove>& move) {
  const std::lock_guard lock{mutex_};
  if (!connection_) return fail(listener_ ? Fault::Listening : Fault::NotConnected);
  if (!move_.expired()) return fail(Fault::AlreadyMoving);
  move_ = move;
  return {};
}

void IsoSocket::end_move() {
  const std::lock_guard lock{mutex_};
  move_.reset();
}

std::shared_ptr<GivenMove> IsoSocket::given() {
  const std::lock_guard lock{mutex_};
  return move_.lock();
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

void IsoSocket::set_tpdu_size(cotp::TpduSize size) {
  const std::lock_guard lock{mutex_};
  tpdu_size_ = size;
}
cotp::TpduSize IsoSocket::tpdu_size() {
  const std::lock_guard lock{mutex_};
  if (!connection_) return tpdu_size_;
  return connection_->machine(connection_->lock()).tpdu_size().value_or(tpdu_size_);
}

}  // namespace baton::endpoint
