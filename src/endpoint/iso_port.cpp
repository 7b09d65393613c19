// SPDX-License-Identifier: MIT
#include "endpoint/iso_port.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "os/descriptors.hpp"
#include "os/epoll.hpp"
#include "os/process.hpp"
#include "os/resolve_host.hpp"
#include "os/tcp.hpp"
#include "os/timer.hpp"
#include "tsap/hosts.hpp"

namespace baton::endpoint {
namespace {

constexpr int kernel_backlog = 4096;
constexpr std::size_t most_at_once = 64;

Result<std::vector<os::Address>> configured_addresses(const char* setting) {
  const auto parsed = tsap::parse_host_addresses(setting);
  if (!parsed) return fail(Fault::PortAddress);
  std::vector<os::Address> addresses;
  for (const tsap::HostAddress& each : *parsed) {
    const auto found = os::resolve_host(each.host, each.port, os::Lookup::AddressesOnly);
    if (!found) return fail(Fault::PortAddress);
    addresses.insert(addresses.end(), found->begin(), found->end());
  }
  return addresses;
}

Result<std::vector<HiddenFd>> listen_at(const char* setting) {
  const auto addresses = configured_addresses(setting);
  if (!addresses) return std::unexpected{addresses.error()};
  std::vector<HiddenFd> listeners;
  for (const os::Address& each : *addresses) {
    auto listener = os::tcp_listener(each, kernel_backlog);
    if (!listener) {
      const int error = os::number(listener.error());
      if (error == EADDRINUSE) return fail(Fault::PortTaken);
      return error == EACCES ? fail(Fault::PortDenied) : fail(listener.error());
    }
    listeners.emplace_back(std::move(*listener));
  }
  return listeners;
}

Result<std::shared_ptr<IsoPort>> open_port(Result<std::vector<HiddenFd>> listeners) {
  if (!listeners) return std::unexpected{listeners.error()};
  auto set = os::epoll_set();
  if (!set) return fail(set.error());
  auto timer = os::timer_descriptor();
  if (!timer) return fail(timer.error());
  if (auto added = os::epoll_add(set->ref(), timer->ref()); !added) return fail(added.error());
  for (const HiddenFd& each : *listeners)
    if (auto added = os::epoll_add(set->ref(), each.ref()); !added) return fail(added.error());
  return std::make_shared<IsoPort>(std::move(*set), std::move(*timer), std::move(*listeners));
}

/// A port of which a process has one, while somebody uses it.
class Shared {
 public:
  template <class Listen>
  Result<std::shared_ptr<IsoPort>> get(Listen listen) {
    const std::lock_guard lock{mutex_};
    // What a parent process has opened is not this one's.
    if (auto port = made_in_ == generation() ? current_.lock() : nullptr) return port;
    auto port = open_port(listen());
    if (port) {
      current_ = *port;
      made_in_ = generation();
    }
    return port;
  }

 private:
  std::mutex mutex_;
  std::weak_ptr<IsoPort> current_;
  std::uint32_t made_in_ = 0;
};

}  // namespace

IsoPort::IsoPort(UniqueFd set, UniqueFd timer, std::vector<HiddenFd> listeners)
    : set_{std::move(set)}, timer_{std::move(timer)}, listeners_{std::move(listeners)} {}

Result<std::shared_ptr<IsoPort>> IsoPort::of_process() {
  static Shared shared;
  const char* const setting = ::secure_getenv("BATON_ISO_LISTEN");
  if (setting == nullptr || *setting == '\0') return nullptr;
  return shared.get([setting] { return listen_at(setting); });
}

Result<std::shared_ptr<IsoPort>> IsoPort::without_address() {
  static Shared shared;
  return shared.get([] { return Result<std::vector<HiddenFd>>{}; });
}

void IsoPort::open_tsap(const tsap::Selector& selector, const std::shared_ptr<RequestQueue>& queue) {
  const std::lock_guard lock{mutex_};
  tsaps_[selector] = queue;
}

void IsoPort::close_tsap(const tsap::Selector& selector) {
  const std::lock_guard lock{mutex_};
  tsaps_.erase(selector);
}

os::Result<os::Address> IsoPort::address() const {
  return listeners_.empty() ? os::failure(ENOTCONN) : os::local_address(listeners_.front().ref());
}

bool IsoPort::make_room() {
  const std::lock_guard lock{mutex_};
  return forget_oldest();
}

void IsoPort::take_over(UniqueFd connection) {
  const std::lock_guard lock{mutex_};
  admit(std::move(connection));
  expire();
}

os::Result<void> IsoPort::progress() {
  const std::lock_guard lock{mutex_};
  os::Result<void> outcome;
  std::array<int, most_at_once> ready;
  const std::size_t count = os::epoll_ready(set_.ref(), ready);
  for (const int number : std::span{ready}.first(count)) {
    const auto listener = std::ranges::find(listeners_, number, [](const HiddenFd& each) { return each.ref().get(); });
    if (listener != listeners_.end()) {
      if (auto taken = take_from_backlog(listener->ref()); !taken) outcome = taken;
    } else if (const auto peer = by_number_.find(number); peer != by_number_.end()) {
      if (read_request(*peer->second) != Verdict::Waits) forget(number);
    }
  }
  expire();
  return outcome;
}

os::Result<void> IsoPort::take_from_backlog(FdRef listener) {
  for (std::size_t i = 0; i < most_at_once; ++i) {
    auto connection = os::accept_tcp(listener);
    if (connection) {
      admit(std::move(*connection));
      continue;
    }
    const int error = os::number(connection.error());
    if (!os::lacks_room(error)) return {};
    if (!forget_oldest()) return os::failure(error);
  }
  return {};
}

void IsoPort::admit(UniqueFd descriptor) {
  while (by_number_.size() >= std::min(max_remote_half_open, os::descriptor_limit() / 4) && forget_oldest()) {
  }
  auto machine = transport::Connection::await(next_reference_, {});
  next_reference_ = next_reference_ == 0xffff ? std::uint16_t{1} : static_cast<std::uint16_t>(next_reference_ + 1);
  const int number = descriptor.get();
  half_open_.push_back({HiddenFd{std::move(descriptor)}, {}, std::move(*machine), os::monotonic_now() + request_time});
  by_number_[number] = std::prev(half_open_.end());
  // Most have sent their CR by now.
  if (read_request(half_open_.back()) != Verdict::Waits || !os::epoll_add(set_.ref(), FdRef{number})) forget(number);
}

IsoPort::Verdict IsoPort::read_request(HalfOpen& peer) {
  std::array<std::byte, 512> scrap;
  for (std::size_t i = 0; i < most_at_once; ++i) {
    const bool closing = peer.machine.state() == transport::State::Closing;
    const MutableBytes room = closing ? MutableBytes{scrap} : peer.reader.head_room();
    const iovec part{room.data(), room.size()};
    const auto got = os::receive_stream(peer.descriptor.ref(), {&part, 1});
    if (!got && os::number(got.error()) == EAGAIN) return Verdict::Waits;
    if (!got || *got == 0) return Verdict::Gone;
    if (closing) continue;
    peer.reader.took_head(*got);
    const auto packet = peer.reader.next();
    if (!packet) return Verdict::Gone;  // no TPKT: whoever this is, it speaks something else
    if (!*packet) continue;
    if (const Verdict verdict = act_on(peer, **packet); verdict != Verdict::Waits) return verdict;
  }
  return Verdict::Waits;
}

IsoPort::Verdict IsoPort::act_on(HalfOpen& peer, const transport::PacketReader::Packet& packet) {
  const auto event = peer.machine.receive(packet.head, packet.tpdu_length, os::monotonic_now());
  peer.reader.skip();
  if (event && std::holds_alternative<transport::Indication>(*event)) return route(peer);
  return turn_away(peer);
}

IsoPort::Verdict IsoPort::route(HalfOpen& peer) {
  const auto called = tsap::Selector::from(peer.machine.selectors().called.bytes());
  const auto tsap = called ? tsaps_.find(*called) : tsaps_.end();
  using cotp::DisconnectReason;
  if (tsap == tsaps_.end() || tsap->second->full()) {
    const auto reason = tsap == tsaps_.end() ? DisconnectReason::AddressUnknown : DisconnectReason::CongestionAtTsap;
    (void)peer.machine.refuse(reason, {}, os::monotonic_now());
    return turn_away(peer);
  }
  (void)os::epoll_remove(set_.ref(), peer.descriptor.ref());
  by_number_.erase(peer.descriptor.ref().get());
  tsap->second->push({std::move(peer.descriptor), std::move(peer.machine), true, os::monotonic_now() + request_time});
  std::erase_if(half_open_, [&](const HalfOpen& each) { return &each == &peer; });
  return Verdict::Complete;
}

/// Sends the DR or ER and lets the peer close first: a close with its octets unread would take the answer back.
IsoPort::Verdict IsoPort::turn_away(HalfOpen& peer) {
  if (peer.machine.state() != transport::State::Closing) return Verdict::Gone;
  send_refusal(peer.descriptor.ref(), peer.machine, true);
  os::end_output(peer.descriptor.ref());
  peer.until = peer.machine.deadline().value_or(Instant{});
  const auto place = by_number_.find(peer.descriptor.ref().get())->second;
  closing_.splice(closing_.end(), half_open_, place);
  return Verdict::Waits;
}

void IsoPort::forget(int number) {
  const auto entry = by_number_.find(number);
  if (entry == by_number_.end()) return;  // in a queue by now
  const auto place = entry->second;
  by_number_.erase(entry);
  (place->machine.state() == transport::State::Closing ? closing_ : half_open_).erase(place);
}

bool IsoPort::forget_oldest() {
  const Peers& peers = closing_.empty() ? half_open_ : closing_;
  if (peers.empty()) return false;
  forget(peers.front().descriptor.ref().get());
  return true;
}

void IsoPort::expire() {
  const Instant now = os::monotonic_now();
  Instant next = never;
  for (Peers* peers : {&half_open_, &closing_}) {
    while (!peers->empty() && peers->front().until <= now) forget(peers->front().descriptor.ref().get());
    if (!peers->empty()) next = std::min(next, peers->front().until);
  }
  os::set_timer(timer_.ref(), next);
}

}  // namespace baton::endpoint
