// SPDX-License-Identifier: MIT
#include "preload/manner.hpp"

#include <cstdint>
#include <utility>

#include "os/socket.hpp"
#include "preload/door.hpp"
#include "preload/section.hpp"
#include "preload/sets.hpp"

namespace baton::preload {
namespace {

/// What this thread has accepted from the dispatcher last.
struct Last {
  unsigned turn = 0;
  int number = -1;
  std::uint64_t cookie = 0;
};
thread_local Last last;

/// Asked once of each.
bool is_held() {
  const auto cookie = os::cookie(FdRef{std::exchange(last.number, -1)});
  return cookie && *cookie == last.cookie;
}

}  // namespace

void sees_accept(const Listener& listener) {
  if (listener.veiled || last.number < 0 || last.turn != Waiting::turn() || door().serves_many()) return;
  if (!is_held()) return;
  const Section section;
  door().has_served_many();
}

void sees_accepted(FdRef connection) {
  if (!door().serves_many()) last = {Waiting::turn(), connection.get(), os::cookie(connection).value_or(0)};
}

void sees_added(int set, int number) {
  if (number != last.number || number < 0 || door().serves_many()) return;
  const Section section;
  if (section.ours() && sets().reads(set) && is_held()) door().has_served_many();
}

}  // namespace baton::preload
