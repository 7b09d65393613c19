// SPDX-License-Identifier: MIT
// The constructor: settings, the fork handlers, and the listening sockets that the program was started with.
#include <poll.h>

#include <array>
#include <atomic>

#include "baton/soc.h"
#include "os/setting.hpp"
#include "preload/door.hpp"
#include "preload/export.hpp"
#include "preload/listeners.hpp"
#include "preload/numbers.hpp"
#include "preload/real.hpp"
#include "preload/section.hpp"
#include "preload/sets.hpp"
#include "preload/settings.hpp"

namespace baton::preload {
namespace {

std::atomic<bool> is_active = false;

void in_child() {
  Waiting::begin_anew();
  door().begin_anew();
  sets().bells_lost();
  for (int number = 0; number < Numbers::size; ++number)
    if (Numbers::kind(number) == Kind::Waited) Numbers::set(number, Kind::None);
}

/// From systemd, or from the program that executed this one.
void learn_inherited() {
  constexpr int looked_at = 1024;
  std::array<pollfd, looked_at> open{};
  for (int number = 0; number < looked_at; ++number) open[static_cast<std::size_t>(number)] = {number, 0, 0};
  // Above the limit poll(2) takes no more entries than there may be descriptors.
  if (real().poll(open.data(), open.size(), 0) < 0) return;
  for (const pollfd& each : open)
    if ((each.revents & POLLNVAL) == 0) (void)listeners().learn(each.fd);
}

__attribute__((constructor)) void begin() {
  const Settings settings = take_settings();
  if (settings.pool.empty()) return;
  os::keep_settings();
  // Makes the library's table, whose fork handlers must stand before ours: theirs run inside of ours.
  (void)::soc_pending(-1);
  on_fork(in_child);
  const Section section;
  listeners().mean(settings);
  door().lead_to(settings.pool, settings.credit);
  learn_inherited();
  is_active.store(true, std::memory_order_release);
}

}  // namespace

bool active() noexcept { return is_active.load(std::memory_order_acquire); }

}  // namespace baton::preload
