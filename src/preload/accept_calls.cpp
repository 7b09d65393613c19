// SPDX-License-Identifier: MIT
// accept, accept4: connections of the listening socket's own, and those that the dispatcher hands over.
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "os/option.hpp"
#include "os/process.hpp"
#include "preload/arrival.hpp"
#include "preload/door.hpp"
#include "preload/export.hpp"
#include "preload/listeners.hpp"
#include "preload/manner.hpp"
#include "preload/real.hpp"
#include "preload/section.hpp"
#include "preload/timing.hpp"

using namespace baton;
using namespace baton::preload;

namespace {

// Direct connections get a turn after so many of the dispatcher's.
constexpr unsigned most_in_a_row = 16;
unsigned in_a_row = 0;  // in a Section

struct Asked {
  std::optional<os::HandedOver> taken;
  int error = 0;
};

Asked ask_door() {
  const Section section;
  door().attend();
  auto taken = door().take();
  if (!taken) return {{}, os::number(taken.error())};
  if (taken->has_value()) {
    ++in_a_row;
    listeners().shown_is_gone();
  }
  return {std::move(*taken), 0};
}

int given(UniqueFd connection) {
  sees_accepted(connection.ref());
  return connection.release();
}

void pass_by(const Listener& listener) {
  const Section section;
  // It may come to what it has been shown next, or not at all: then that is best elsewhere. But not where it waits.
  if (!listeners().is_awaited_elsewhere(listener) && door().passed_by()) listeners().shown_is_gone();
}

/// Nothing is there. A program that waits for its sockets is heard of when it does: before it waits again, another
/// process may have its turn.
void expect() {
  if (door().expects()) return;
  thread_local unsigned seen = 0;
  if (!door().serves_many() && std::exchange(seen, Waiting::turn()) != Waiting::turn()) return;
  const Section section;
  door().expect();
}

bool direct_is_due(const Listener& listener) {
  const Section section;
  if (listeners().is_shown_elsewhere(listener)) return true;
  if (in_a_row < most_in_a_row) return false;
  in_a_row = 0;
  return true;
}

/// A call that a handler interrupts goes on if the handler was set with SA_RESTART (signal(7)). Which one it was cannot
/// be asked: it goes on if all were.
bool goes_on_after_signal() {
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction action{};
    if (::sigaction(number, nullptr, &action) != 0) continue;
    const bool handled = action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
    if (handled && (action.sa_flags & SA_RESTART) == 0) return false;
  }
  return true;
}

/// Until either side has something, or `until`: 0, or an errno.
int wait_for_either(int listening, Instant until) {
  const Waiting waiting;
  int bell = -1;
  {
    const Section section;
    door().expect();
    bell = door().common_bell();
  }
  pollfd entries[] = {{listening, POLLIN, 0}, {bell, POLLIN, 0}};
  for (;;) {
    const Timeout rest = rest_until(until);
    if (rest == Duration{0}) return EAGAIN;
    timespec time{};
    if (real().ppoll(entries, 2, as_timespec(rest, time), nullptr) >= 0) return 0;
    // With SO_RCVTIMEO it never goes on.
    if (errno != EINTR || until != never || !goes_on_after_signal()) return errno;
  }
}

int accept_either(const Listener& listener, sockaddr* address, socklen_t* size, int flags) {
  const Duration patience = os::receive_timeout(FdRef{listener.number});
  const Instant until = patience == Duration{0} ? never : os::monotonic_now() + patience;
  sees_accept(listener);
  for (bool direct_first = direct_is_due(listener);;) {
    Asked asked;
    if (!direct_first) asked = ask_door();
    if (asked.taken) {
      if (auto ready = accepted(std::move(*asked.taken), listener, flags, {address, size}))
        return given(std::move(*ready));
      continue;
    }
    const int direct = real().accept4(listener.number, address, size, flags);
    if (direct >= 0) pass_by(listener);
    if (direct >= 0 || errno != EAGAIN) return direct;
    if (std::exchange(direct_first, false)) continue;
    if (asked.error != 0 || !listener.veiled) {
      expect();
      errno = asked.error != 0 ? asked.error : EAGAIN;
      return -1;
    }
    if (const int error = wait_for_either(listener.number, until); error != 0) {
      errno = error;
      return -1;
    }
  }
}

std::optional<Listener> served(int number) {
  if (!active() || in_section()) return std::nullopt;
  const Section section;
  return section.ours() ? listeners().learn(number) : std::nullopt;
}

bool is_fit(const sockaddr* address, const socklen_t* size, int flags) {
  return (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == 0 &&
         (address == nullptr || (size != nullptr && *size <= sizeof(sockaddr_storage) * 64));
}

}  // namespace

extern "C" {

BATON_EXPORT int accept4(int number, sockaddr* address, socklen_t* size, int flags) {
  if (is_fit(address, size, flags))
    if (const auto listener = served(number)) return accept_either(*listener, address, size, flags);
  return real().accept4(number, address, size, flags);
}

BATON_EXPORT int accept(int number, sockaddr* address, socklen_t* size) {
  if (is_fit(address, size, 0))
    if (const auto listener = served(number)) return accept_either(*listener, address, size, 0);
  return real().accept(number, address, size);
}

}  // extern "C"
