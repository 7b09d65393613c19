// SPDX-License-Identifier: MIT
#include "preload/listeners.hpp"

#include <algorithm>

#include "os/option.hpp"
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
  const bool four = os::is_tcp(socket, AF_INET);
  if (!four && !os::is_tcp(socket, AF_INET6)) return std::nullopt;
  const auto cookie = os::cookie(socket);
  const auto local = os::local_address(socket);
  if (!cookie || !local || !settings_.mean(*local)) return std::nullopt;
  if (!os::is_nonblocking(socket) && os::set_nonblocking(socket, true)) veiled_.insert(*cookie);
  // One for IPv6 alone has another for IPv4 beside it, and gets connections of both here.
  const int six = os::int_option({IPPROTO_IPV6, IPV6_V6ONLY}, socket).value_or(0) != 0 ? 0 : AF_INET6;
  known_.push_back({number, *cookie, four ? AF_INET : six, false});
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

void Listeners::set_nonblocking(const Listener& listener, bool on) {
  if (on)
    veiled_.erase(listener.cookie);
  else
    veiled_.insert(listener.cookie);
}

}  // namespace baton::preload
