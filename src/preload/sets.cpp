// SPDX-License-Identifier: MIT
#include "preload/sets.hpp"

#include <algorithm>
#include <array>
#include <atomic>

#include "preload/door.hpp"
#include "preload/numbers.hpp"
#include "preload/real.hpp"

namespace baton::preload {
namespace {

// Registrations beyond these have direct connections only.
constexpr std::size_t most_places = 1024;
std::array<Place, most_places> places;
std::atomic<bool> any_mark = false;
std::atomic<bool> any_one_shot = false;
std::atomic<int> without_bell = 0;  // registrations

std::uint64_t mark_of(const Place& place) noexcept { return reinterpret_cast<std::uintptr_t>(&place); }

Place* marked(const epoll_event& event) noexcept {
  const std::uint64_t offset = event.data.u64 - reinterpret_cast<std::uintptr_t>(places.data());
  return offset < sizeof places && offset % sizeof(Place) == 0 ? &places[offset / sizeof(Place)] : nullptr;
}

std::uint32_t bell_events(const Place& place) noexcept {
  return place.reads() && place.armed ? EPOLLIN | (place.wanted.events & EPOLLET) : 0;
}

}  // namespace

Sets& sets() noexcept {
  static auto* const made = new Sets;
  return *made;
}

Place* Sets::place_of(int set, int listener) {
  const auto id = ids_.find(set);
  if (id == ids_.end()) return nullptr;
  const auto place = std::ranges::find_if(
      places, [&](const Place& each) { return each.set == id->second && each.listener == listener; });
  return place == places.end() ? nullptr : &*place;
}

int Sets::number_of(int id) const {
  const auto found = std::ranges::find(ids_, id, [](const auto& entry) { return entry.second; });
  return found == ids_.end() ? -1 : found->first;
}

void Sets::announce(const epoll_event& wanted) noexcept {
  if ((wanted.events & EPOLLONESHOT) != 0) any_one_shot.store(true, std::memory_order_release);
}

void Sets::added(int set, int listener, const epoll_event& wanted) {
  if (!Numbers::in_table(set)) return;
  removed(set, listener);  // of a number that was closed behind the library's back
  const auto place = std::ranges::find(places, 0, &Place::set);
  if (place == places.end()) return;
  if (!ids_.contains(set)) ids_[set] = ++last_id_;
  const auto known = listeners().find(listener);
  *place = {ids_[set], listener, wanted, -1, true, known && known->shows_ipv6()};
  ++without_bell;
  const bool waited = Numbers::exchange(set, Kind::Set) != Kind::None;
  if (waited) attach(*place, set);
}

void Sets::modified(int set, int listener, const epoll_event& wanted) {
  Place* const place = place_of(set, listener);
  if (place == nullptr) return;
  place->wanted = wanted;
  place->armed = true;
  arm(*place);
}

void Sets::removed(int set, int listener) {
  if (Place* const place = place_of(set, listener)) detach(*place);
}

bool Sets::reads(int set) const {
  const auto id = ids_.find(set);
  return id != ids_.end() &&
         std::ranges::any_of(places, [&](const Place& each) { return each.set == id->second && each.reads(); });
}

bool Sets::reads() const {
  return std::ranges::any_of(places, [](const Place& each) { return each.set != 0 && each.reads(); });
}

bool Sets::settled() noexcept { return without_bell.load(std::memory_order_acquire) == 0; }

void Sets::attach(int set) {
  if (settled()) return;
  const auto id = ids_.find(set);
  if (id == ids_.end()) return;
  for (Place& place : places)
    if (place.set == id->second && place.bell < 0) attach(place, set);
}

void Sets::attach(Place& place, int set) {
  place.bell = door().lend_bell();
  if (place.bell < 0) return;
  any_mark.store(true, std::memory_order_release);
  epoll_event event{bell_events(place), {.u64 = mark_of(place)}};
  if (real().epoll_ctl(set, EPOLL_CTL_ADD, place.bell, &event) == 0) {
    --without_bell;
    return;
  }
  door().give_back(place.bell);
  place.bell = -1;
}

void Sets::detach(Place& place) {
  if (place.bell >= 0) {
    epoll_event unused{};
    if (const int set = number_of(place.set); set >= 0) real().epoll_ctl(set, EPOLL_CTL_DEL, place.bell, &unused);
    door().give_back(place.bell);
  } else {
    --without_bell;
  }
  place = {};
}

void Sets::arm(Place& place) {
  epoll_event event{bell_events(place), {.u64 = mark_of(place)}};
  if (place.bell >= 0) real().epoll_ctl(number_of(place.set), EPOLL_CTL_MOD, place.bell, &event);
}

bool Sets::has_mark(std::span<const epoll_event> events) noexcept {
  if (any_one_shot.load(std::memory_order_acquire)) return true;
  return any_mark.load(std::memory_order_acquire) &&
         std::ranges::any_of(events, [](const epoll_event& each) { return marked(each) != nullptr; });
}

/// One shot: whether this event is the one. It disarms the other descriptor; the real one's own shot has gone if it was
/// it.
bool Sets::claim(Place& place) {
  if (!place.armed) return false;
  place.armed = false;
  arm(place);
  epoll_event disarmed{EPOLLONESHOT, place.wanted.data};
  real().epoll_ctl(number_of(place.set), EPOLL_CTL_MOD, place.listener, &disarmed);
  return true;
}

int Sets::translate(int set, std::span<epoll_event> events) {
  const auto id = ids_.find(set);
  const int own = id == ids_.end() ? -1 : id->second;
  std::optional<bool> ready;  // asked once
  std::size_t kept = 0;
  const auto same_data = [&](std::uint64_t data) {
    return std::ranges::find_if(events.first(kept), [&](const epoll_event& each) { return each.data.u64 == data; });
  };
  // The real descriptors' events first: a bell's joins them.
  const auto marks =
      std::ranges::stable_partition(events, [](const epoll_event& each) { return marked(each) == nullptr; });
  // Where there is a choice, it is shown as poll does it (poll_calls.cpp).
  const std::span real_ones{events.begin(), marks.begin()};
  std::ranges::stable_partition(marks, [&](const epoll_event& each) {
    const std::uint64_t data = marked(each)->wanted.data.u64;
    return std::ranges::any_of(real_ones, [data](const epoll_event& real) { return real.data.u64 == data; });
  });
  std::ranges::stable_partition(marks, [](const epoll_event& each) { return marked(each)->shows_ipv6; });
  for (epoll_event& event : events) {
    Place* const place = marked(event);
    if (place == nullptr) {
      const auto shot = !any_one_shot.load() ? places.end() : std::ranges::find_if(places, [&](const Place& each) {
        return each.set == own && each.one_shot() && each.wanted.data.u64 == event.data.u64;
      });
      if (shot == places.end() || claim(*shot)) events[kept++] = event;
      continue;
    }
    if (!ready) {
      door().attend();
      ready = door().ready();
    }
    if (place->set != own || place->bell < 0 || !*ready) continue;
    const std::uint64_t data = place->wanted.data.u64;
    const std::uint32_t shown = place->wanted.events & (EPOLLIN | EPOLLRDNORM);
    if (const auto other = same_data(data); other != events.begin() + static_cast<std::ptrdiff_t>(kept)) {
      other->events |= shown;
    } else {
      if (place->one_shot() && !claim(*place)) continue;
      events[kept++] = {shown, {.u64 = data}};
    }
    listeners().show_at(place->listener);
    // One connection is not shown on two sockets: the program may accept from a blocking one.
    if ((place->wanted.events & EPOLLET) == 0) ready = false;
  }
  return static_cast<int>(kept);
}

void Sets::listener_closed(int listener) {
  for (Place& place : places)
    if (place.set != 0 && place.listener == listener) detach(place);
}

void Sets::set_closed(int set) {
  const auto id = ids_.find(set);
  if (id == ids_.end()) return;
  const int closed = id->second;
  const bool last = std::ranges::count(ids_, closed, [](const auto& entry) { return entry.second; }) == 1;
  if (last)
    for (Place& place : places)
      if (place.set == closed) detach(place);
  ids_.erase(id);
  Numbers::set(set, Kind::None);
}

void Sets::set_duplicated(int set, int number) {
  const auto id = ids_.find(set);
  if (id == ids_.end() || !Numbers::in_table(number)) return;
  ids_[number] = id->second;
  Numbers::set(number, Kind::Set);
}

void Sets::bells_lost() {
  for (Place& place : places)
    if (place.bell >= 0) {
      place.bell = -1;
      ++without_bell;
    }
}

}  // namespace baton::preload
