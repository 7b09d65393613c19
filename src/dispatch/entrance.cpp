// SPDX-License-Identifier: MIT
#include "dispatch/entrance.hpp"

#include <netinet/in.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "os/epoll.hpp"
#include "os/tcp.hpp"
#include "os/tcp_entrance.hpp"

namespace baton::dispatch {
namespace {

/// Accepted in one turn of the loop, so that outcomes and those who wait have theirs.
constexpr int most_at_once = 256;

recognise::IpAddress ip_of(const os::Address& address) {
  const Bytes octets = address.bytes();
  const bool six = address.family() == AF_INET6;
  const std::size_t at = six ? offsetof(sockaddr_in6, sin6_addr) : offsetof(sockaddr_in, sin_addr);
  const std::size_t size = six ? sizeof(in6_addr) : sizeof(in_addr);
  if (octets.size() < at + size) return {};
  return recognise::IpAddress::from(octets.subspan(at, size)).value_or(recognise::IpAddress{});
}

}  // namespace

os::Result<std::unique_ptr<Entrance>> Entrance::open(asio::io_context& loop, UniqueFd listener, Manner manner,
                                                     Undecided& undecided, Owner& owner) {
  auto set = os::epoll_set();
  if (!set) return std::unexpected{set.error()};
  return std::unique_ptr<Entrance>{
      new Entrance{loop, std::move(listener), std::move(*set), std::move(manner), undecided, owner}};
}

Entrance::Entrance(asio::io_context& loop, UniqueFd listener, UniqueFd set, Manner manner, Undecided& undecided,
                   Owner& owner)
    : listener_{std::move(listener)},
      set_{std::move(set)},
      address_{os::local_address(listener_.ref()).value_or(os::Address{})},
      watched_listener_{loop},
      watched_set_{loop, set_.get()},
      pause_{loop},
      timer_{loop},
      manner_{std::move(manner)},
      undecided_{undecided},
      owner_{owner} {
  watch_waiting();
  if (!listener_.valid()) return;
  watched_listener_.assign(listener_.get());
  watch_listener();
}

Entrance::~Entrance() {
  *alive_ = false;
  for (const auto& [key, waiting] : waiting_) undecided_.leave(waiting.visitor->peer);
  if (watched_listener_.is_open()) (void)watched_listener_.release();
  (void)watched_set_.release();
}

void Entrance::listen_on(UniqueFd listener) {
  listener_ = std::move(listener);
  address_ = os::local_address(listener_.ref()).value_or(os::Address{});
  watched_listener_.assign(listener_.get());
  watch_listener();
}

void Entrance::stop() {
  hold_back();
  if (watched_listener_.is_open()) (void)watched_listener_.release();
  listener_.reset();
}

void Entrance::hold_back() {
  ++turn_;
  pause_.cancel();
  if (watched_listener_.is_open()) watched_listener_.cancel();
}

void Entrance::go_on() {
  if (listener_.valid()) watch_listener();
}

std::vector<VisitorPtr> Entrance::take_waiting() {
  std::vector<VisitorPtr> all;
  all.reserve(waiting_.size());
  for (auto& [key, waiting] : waiting_) {
    const FdRef socket{waiting.visitor->connection.native_handle()};
    (void)os::epoll_remove(set_.ref(), socket);
    if (waiting.low_mark != 1) (void)os::set_low_mark(socket, 1);
    undecided_.leave(waiting.visitor->peer);
    all.push_back(std::move(waiting.visitor));
  }
  waiting_.clear();
  deadlines_.clear();
  timer_.cancel();
  std::ranges::sort(all, {}, [](const VisitorPtr& visitor) { return visitor->accepted; });
  return all;
}

void Entrance::resume(VisitorPtr visitor) {
  Waiting waiting;
  waiting.visitor = std::move(visitor);
  waiting.visitor->resumed = true;
  place(std::move(waiting));
}

void Entrance::watch_listener() {
  watched_listener_.async_wait(asio::posix::stream_descriptor::wait_read,
                               [this, turn = turn_, alive = alive_](const std::error_code& error) {
                                 if (*alive && !error && turn == turn_) accept_all();
                               });
}

void Entrance::watch_waiting() {
  watched_set_.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this, alive = alive_](const std::error_code& error) {
                            if (*alive && !error) look_at_ready();
                          });
}

void Entrance::accept_all() {
  for (int i = 0; i < most_at_once && listener_.valid(); ++i) {
    auto accepted = os::accept_for_others(listener_.ref());
    if (!accepted) {
      const int error = os::number(accepted.error());
      if (error == EAGAIN) break;
      if (os::lacks_room(error)) return pause(error);
      continue;  // of that connection: it is gone already (accept(2))
    }
    ++counters_.accepted;
    begin(std::move(accepted->connection), accepted->peer);
  }
  if (listener_.valid()) watch_listener();
}

void Entrance::pause(int error) {
  owner_.cannot_accept(*this, error);
  pause_.begin([this, turn = turn_] {
    if (turn == turn_) accept_all();
  });
}

void Entrance::begin(UniqueFd connection, const os::Address& peer) {
  Waiting waiting;
  waiting.visitor = std::make_unique<Visitor>();
  Visitor& visitor = *waiting.visitor;
  visitor.connection = Connection::adopt(connection.release());
  visitor.listener = manner_.settings.name;
  visitor.accepted = Clock::now();
  visitor.peer = ip_of(peer);
  visitor.peer_port = peer.port();
  visitor.source = visitor.peer;
  if (!routing::proxy_use(manner_.settings, visitor.peer)) {
    ++counters_.unwelcome;
    return;
  }
  place(std::move(waiting));
}

void Entrance::place(Waiting waiting) {
  const Visitor& visitor = *waiting.visitor;
  if (look(waiting) == Step::Left) return;
  if (visitor.resumed) {
    undecided_.enter_all_the_same(visitor.peer);
  } else if (!undecided_.enter(visitor.peer)) {
    ++counters_.too_many;
    return;
  }
  const Key key = ++last_key_;
  if (!os::watch_input(set_.ref(), FdRef{visitor.connection.native_handle()}, key)) {
    undecided_.leave(visitor.peer);
    ++counters_.too_many;
    return;
  }
  waiting.may_be_silent = manner_.routes_silence && manner_.settings.silence < manner_.settings.wait;
  const Clock::time_point until =
      visitor.accepted + (waiting.may_be_silent ? manner_.settings.silence : manner_.settings.wait);
  Waiting& placed = waiting_.emplace(key, std::move(waiting)).first->second;
  set_deadline(key, placed, until);
}

os::Result<Bytes> Entrance::peek(const Visitor& visitor) {
  octets_.resize(2 * manner_.settings.most_octets);
  const iovec room{octets_.data(), octets_.size()};
  const auto size = os::receive_stream(FdRef{visitor.connection.native_handle()}, {&room, 1}, {.peek = true});
  if (!size) return std::unexpected{size.error()};
  return Bytes{octets_}.first(*size);
}

const recognise::Questions& Entrance::questions_for(const Visitor& visitor) {
  const auto use = routing::proxy_use(manner_.settings, visitor.peer);
  manner_.questions.proxy =
      visitor.facts.proxy ? recognise::ProxyUse::Never : use.value_or(recognise::ProxyUse::Required);
  return manner_.questions;
}

/// Left: it was passed on, or closed.
Entrance::Step Entrance::look(Waiting& waiting) {
  const FdRef socket{waiting.visitor->connection.native_handle()};
  // Before the octets: those that come in between are then seen, and the end with the next look.
  const auto octets = peek(*waiting.visitor);
  const bool nothing_yet = !octets && os::number(octets.error()) == EAGAIN;
  if ((!octets && !nothing_yet) || (octets && octets->empty())) {
    ++counters_.gone;
    return Step::Left;
  }
  const Bytes seen = octets.value_or(Bytes{});
  auto verdict = recognise::recognise(seen, questions_for(*waiting.visitor));
  if (auto* const facts = std::get_if<recognise::Facts>(&verdict)) {
    decide(waiting, std::move(*facts));
    return Step::Left;
  }
  if (os::input_has_ended(socket) && os::unread_octets(socket) == seen.size()) {
    decide(waiting, recognise::at_deadline(seen, questions_for(*waiting.visitor)));
    return Step::Left;
  }
  const std::size_t mark = std::get<recognise::NeedMore>(verdict).at_least;
  if (mark != waiting.low_mark && os::set_low_mark(socket, mark)) waiting.low_mark = mark;
  return Step::Stays;
}

/// Passes it on; the caller forgets it.
void Entrance::decide(Waiting& waiting, recognise::Facts facts) {
  Visitor& visitor = *waiting.visitor;
  const FdRef socket{visitor.connection.native_handle()};
  if (waiting.low_mark != 1) (void)os::set_low_mark(socket, 1);
  if (visitor.facts.proxy) {
    facts.proxy = std::move(visitor.facts.proxy);  // read before it was resumed
  } else if (facts.proxy) {
    octets_.resize(std::max(octets_.size(), facts.proxy->octets));
    const iovec room{octets_.data(), facts.proxy->octets};
    const auto read = os::receive_stream(socket, {&room, 1});
    if (!read || *read != facts.proxy->octets) {
      ++counters_.gone;
      return;
    }
    if (facts.proxy->source) visitor.source = *facts.proxy->source;
  }
  visitor.facts = std::move(facts);
  owner_.arrived(std::move(waiting.visitor));
}

void Entrance::look_at_ready() {
  std::array<Key, most_at_once> ready{};
  const std::size_t count = os::keys_with_input(set_.ref(), ready);
  for (std::size_t i = 0; i < count; ++i) look_again(ready[i]);
  watch_waiting();
}

void Entrance::look_again(Key key) {
  const auto entry = waiting_.find(key);
  if (entry == waiting_.end()) return;
  // Out of the set before it may leave: a set watches the open file, which lives on elsewhere.
  const FdRef socket{entry->second.visitor->connection.native_handle()};
  (void)os::epoll_remove(set_.ref(), socket);
  const recognise::IpAddress peer = entry->second.visitor->peer;
  if (look(entry->second) == Step::Stays && os::watch_input(set_.ref(), socket, key)) return;
  undecided_.leave(peer);
  forget(key);
}

void Entrance::forget(Key key) {
  const auto entry = waiting_.find(key);
  const auto [first, last] = deadlines_.equal_range(entry->second.until);
  const auto deadline = std::find_if(first, last, [key](const auto& each) { return each.second == key; });
  if (deadline != last) deadlines_.erase(deadline);
  waiting_.erase(entry);
}

void Entrance::set_deadline(Key key, Waiting& waiting, Clock::time_point until) {
  waiting.until = until;
  const auto placed = deadlines_.emplace(until, key);
  if (placed == deadlines_.begin()) arm();
}

void Entrance::arm() {
  if (deadlines_.empty()) return;
  timer_.expires_at(deadlines_.begin()->first);
  timer_.async_wait([this, alive = alive_](const std::error_code& error) {
    if (!*alive || error) return;
    const Clock::time_point now = Clock::now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      const Key key = deadlines_.begin()->second;
      deadlines_.erase(deadlines_.begin());
      time_is_up(key);
    }
    arm();
  });
}

void Entrance::time_is_up(Key key) {
  const auto entry = waiting_.find(key);
  if (entry == waiting_.end()) return;
  Waiting& waiting = entry->second;
  const auto octets = peek(*waiting.visitor);
  if (std::exchange(waiting.may_be_silent, false) && octets) {
    // It speaks: it has the rest of its time.
    waiting.until = waiting.visitor->accepted + manner_.settings.wait;
    deadlines_.emplace(waiting.until, key);
    return;
  }
  const FdRef socket{waiting.visitor->connection.native_handle()};
  (void)os::epoll_remove(set_.ref(), socket);
  const recognise::IpAddress peer = waiting.visitor->peer;
  ++counters_.late;
  decide(waiting, recognise::at_deadline(octets.value_or(Bytes{}), questions_for(*waiting.visitor)));
  undecided_.leave(peer);
  waiting_.erase(key);
}

}  // namespace baton::dispatch
