// SPDX-License-Identifier: MIT
#include "preload/listeners.hpp"

#include <algorithm>

#include "os/like_accepted.hpp"
#include "os/socket.hpp"
#include "preload/numbers.hpp"

namespace baton::preload {

Listeners& listeners() noexcept {
  static auto* const made = new Listeners;
  return *made;
}

std::optional<Listener> Listeners::learn(int number) {
  if (auto known = find(number)) return known;
  const FdRef socket{number};
  if (!Numbers::in_table(number) || Numbers::kind(number) == Kind::Own || !os::is_listening(socket))
    return std::nullopt;
  if (os::tcp_domain(socket) == AF_UNSPEC) return std::nullopt;
  const auto cookie = os::cookie(socket);
  const auto local = os::local_address(socket);
  if (!cookie || !local || !settings_.mean(*local)) return std::nullopt;
  if (!os::is_nonblocking(socket) && os::set_nonblocking(socket, true)) veiled_.insert(*cookie);
  known_.push_back({number, *cookie, os::shown_family(socket), false});
  Numbers::set(number, Kind::Listener);
  return find(number);
}

std::optional<Listener> Listeners::find(int number) {
  if (Numbers::kind(number) != Kind::Listener) return std::nullopt;
  const auto found = std::ranges::find(known_, number, &Listener::number);
  const auto cookie = os::cookie(FdRef{number});
  if (found == known_.end() || !cookie || *cookie != found->cookie) {
    forget(number);
    return std::nullopt;
  }
  Listener listener = *found;
  listener.veiled = veiled_.contains(listener.cookie);
  return listener;
}

void Listeners::forget(int number) {
  std::erase_if(known_, [number](const Listener& each) { return each.number == number; });
  Numbers::set(number, Kind::None);
}

void Listeners::show_at(int number) {
  shown_at_ = number;
  const auto listener = find(number);
  shown_is_awaited_ = listener && listener->veiled;
}

void Listeners::set_nonblocking(const Listener& listener, bool on) {
  if (on)
    veiled_.erase(listener.cookie);
  else
    veiled_.insert(listener.cookie);
}

}  // namespace baton::preload
