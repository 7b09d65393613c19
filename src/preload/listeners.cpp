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

bool Veiled::contains(std::uint64_t cookie) const noexcept {
  return std::ranges::any_of(cookies_, [cookie](const auto& each) { return each == cookie; });
}

bool Veiled::insert(std::uint64_t cookie) noexcept {
  if (contains(cookie)) return true;
  const auto free = std::ranges::find_if(cookies_, [](const auto& each) { return each == 0; });
  if (free == cookies_.end()) return false;
  *free = cookie;
  return true;
}

void Veiled::erase(std::uint64_t cookie) noexcept {
  for (auto& each : cookies_)
    if (each == cookie) each = 0;
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
  const bool blocking = !os::is_nonblocking(socket) || std::ranges::count(settings_.veiled, *cookie) > 0;
  if (blocking && veil(*cookie) && !os::set_nonblocking(socket, true)) veiled_.erase(*cookie);
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

bool Listeners::veil(std::uint64_t cookie) noexcept {
  if (veiled_.insert(cookie)) return true;
  // Sockets that are closed are forgotten now at the latest.
  for (std::size_t place = 0; place < Veiled::most; ++place)
    if (const std::uint64_t each = veiled_.at(place); std::ranges::count(known_, each, &Listener::cookie) == 0)
      veiled_.erase(each);
  return veiled_.insert(cookie);
}

void Listeners::show_at(int number) {
  shown_at_ = number;
  const auto listener = find(number);
  shown_is_awaited_ = listener && listener->veiled;
}

bool Listeners::set_nonblocking(const Listener& listener, bool on) noexcept {
  if (!on) return veil(listener.cookie);
  veiled_.erase(listener.cookie);
  return true;
}

}  // namespace baton::preload
