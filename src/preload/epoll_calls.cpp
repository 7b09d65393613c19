// SPDX-License-Identifier: MIT
// epoll_create, epoll_ctl, epoll_wait and their likes.
#include <sys/epoll.h>

#include <cerrno>
#include <optional>

#include "os/socket.hpp"
#include "preload/door.hpp"
#include "preload/export.hpp"
#include "preload/listeners.hpp"
#include "preload/manner.hpp"
#include "preload/numbers.hpp"
#include "preload/real.hpp"
#include "preload/section.hpp"
#include "preload/sets.hpp"
#include "preload/timing.hpp"

using namespace baton;
using namespace baton::preload;

namespace {

void prepare(int set) {
  if (Numbers::kind(set) == Kind::None) Numbers::waited(set);
  if (Numbers::kind(set) != Kind::Set || (Sets::settled() && door().expects())) return;
  const Section section;
  if (!section.ours()) return;
  sets().attach(set);
  if (sets().reads(set)) door().expect();
}

template <class Call>
int ask(int set, Call call) {
  std::optional<Waiting> waiting;
  if (Numbers::kind(set) == Kind::Set) waiting.emplace();
  prepare(set);
  return call();
}

/// `call` waits for real, at most so long; what it gives is what the program sees, less the library's own events.
template <class Call>
int wait(int set, epoll_event* events, Timeout timeout, Call call) {
  if (!active() || in_section()) return call(timeout);
  const Instant deadline = timeout && *timeout > Duration{0} ? deadline_after(timeout) : never;
  for (Timeout rest = timeout;; rest = timeout && *timeout > Duration{0} ? rest_until(deadline) : timeout) {
    const int count = ask(set, [&] { return call(rest); });
    if (count <= 0) return count;
    const std::span<epoll_event> seen{events, static_cast<std::size_t>(count)};
    if (!Sets::has_mark(seen)) return count;
    int left = 0;
    {
      const Section section;
      left = sets().translate(set, seen);
    }
    if (left > 0 || rest == Duration{0}) return left;
  }
}

/// A number that was closed behind the library's back is a new set's.
int made(int set) {
  if (active() && !in_section() && Numbers::kind(set) == Kind::Set) {
    const Section section;
    if (section.ours()) sets().set_closed(set);
  }
  return set;
}

/// On a listening socket. In one Section with what the kernel does: another thread may see an event in between, and
/// asks here whether a shot is its own.
int control(int set, int operation, int number, epoll_event* event) {
  int outcome = 0;
  int error = 0;
  {
    const Section section;
    const bool served = section.ours() && listeners().learn(number).has_value();
    if (served && event != nullptr) Sets::announce(*event);
    outcome = real().epoll_ctl(set, operation, number, event);
    error = errno;
    if (outcome == 0 && served) switch (operation) {
        case EPOLL_CTL_ADD:
          sets().added(set, number, *event);
          break;
        case EPOLL_CTL_MOD:
          sets().modified(set, number, *event);
          break;
        case EPOLL_CTL_DEL:
          sets().removed(set, number);
          break;
        default:
          break;
      }
    if (outcome == 0 && served && !sets().reads()) door().turned_from();
  }
  if (outcome != 0) errno = error;
  return outcome;
}

/// Whether it may be a listening socket: of those that are not known, one system call tells.
bool may_listen(int operation, int number) {
  return Numbers::kind(number) == Kind::Listener ||
         (operation == EPOLL_CTL_ADD && Numbers::kind(number) == Kind::None && os::is_listening(FdRef{number}));
}

}  // namespace

extern "C" {

BATON_EXPORT int epoll_create(int size) { return made(real().epoll_create(size)); }
BATON_EXPORT int epoll_create1(int flags) { return made(real().epoll_create1(flags)); }

BATON_EXPORT int epoll_ctl(int set, int operation, int number, epoll_event* event) {
  if (!active() || in_section()) return real().epoll_ctl(set, operation, number, event);
  if (operation == EPOLL_CTL_ADD) sees_added(set, number);
  if (!may_listen(operation, number)) return real().epoll_ctl(set, operation, number, event);
  return control(set, operation, number, event);
}

BATON_EXPORT int epoll_wait(int set, epoll_event* events, int most, int timeout) {
  return wait(set, events, from_milliseconds(timeout),
              [&](Timeout rest) { return real().epoll_wait(set, events, most, as_milliseconds(rest)); });
}

BATON_EXPORT int epoll_pwait(int set, epoll_event* events, int most, int timeout, const sigset_t* signals) {
  return wait(set, events, from_milliseconds(timeout),
              [&](Timeout rest) { return real().epoll_pwait(set, events, most, as_milliseconds(rest), signals); });
}

BATON_EXPORT int epoll_pwait2(int set, epoll_event* events, int most, const timespec* timeout,
                              const sigset_t* signals) {
  if (real().epoll_pwait2 == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  return wait(set, events, from_timespec(timeout), [&](Timeout rest) {
    timespec room{};
    return real().epoll_pwait2(set, events, most, as_timespec(rest, room), signals);
  });
}

}  // extern "C"
