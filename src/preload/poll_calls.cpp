// SPDX-License-Identifier: MIT
// poll, ppoll, select, pselect: a listening socket is readable too when there is a connection from the dispatcher.
#include <poll.h>
#include <sys/select.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "preload/door.hpp"
#include "preload/export.hpp"
#include "preload/listeners.hpp"
#include "preload/numbers.hpp"
#include "preload/real.hpp"
#include "preload/section.hpp"
#include "preload/sets.hpp"
#include "preload/timing.hpp"

using namespace baton;
using namespace baton::preload;

namespace {

constexpr short reading = POLLIN | POLLRDNORM;

bool concerns(const pollfd& entry) noexcept {
  const Kind kind = Numbers::kind(entry.fd);
  return (kind == Kind::Listener && (entry.events & reading) != 0) || kind == Kind::Set;
}

/// What the program asks, and what is asked of the kernel: the same, and the bell.
class Question {
 public:
  explicit Question(std::span<pollfd> asked) : asked_{asked}, all_{asked.begin(), asked.end()} {
    all_.push_back({-1, POLLIN, 0});
  }

  /// Whether there is something from the dispatcher already.
  [[nodiscard]] bool prepare() {
    const Section section;
    can_show_.clear();
    if (!section.ours()) return false;
    door().expect();
    for (std::size_t i = 0; i < asked_.size(); ++i) {
      if (Numbers::kind(asked_[i].fd) == Kind::Set) sets().attach(asked_[i].fd);
      if ((asked_[i].events & reading) == 0) continue;
      if (const auto listener = listeners().find(asked_[i].fd)) can_show_.push_back({i, listener->shows_ipv6()});
    }
    if (can_show_.empty()) return false;
    all_.back().fd = door().common_bell();
    return door().ready();
  }

  template <class Call>
  [[nodiscard]] int ask(Timeout rest, bool ready, Call call) {
    const int outcome = call(all_.data(), static_cast<nfds_t>(all_.size()), ready ? Timeout{Duration{0}} : rest);
    if (outcome < 0) return outcome;
    for (std::size_t i = 0; i < asked_.size(); ++i) asked_[i].revents = all_[i].revents;
    if (ready) show();
    return static_cast<int>(std::ranges::count_if(asked_, [](const pollfd& each) { return each.revents != 0; }));
  }

  [[nodiscard]] bool bell_rang() const noexcept { return all_.back().revents != 0; }

 private:
  struct Shows {
    std::size_t entry;
    bool ipv6;
  };

  /// One connection is not shown on two sockets: the program may accept from a blocking one. Whose client it is shows
  /// when it is taken: by a socket that can have any, if there is one; if there is a choice, by one that the program
  /// comes to anyhow, for it may accept from one alone.
  void show() {
    const auto rank = [this](const Shows& each) { return std::pair{each.ipv6, asked_[each.entry].revents != 0}; };
    pollfd& shown = asked_[std::ranges::max_element(can_show_, {}, rank)->entry];
    shown.revents |= static_cast<short>(shown.events & reading);
    const Section section;
    listeners().show_at(shown.fd);
  }

  std::span<pollfd> asked_;
  std::vector<pollfd> all_;
  std::vector<Shows> can_show_;
};

/// `call` polls for real, at most so long.
template <class Call>
int wait(std::span<pollfd> entries, Timeout timeout, Call call) {
  const Instant deadline = deadline_after(timeout);
  Question question{entries};
  for (Timeout rest = timeout;; rest = rest_until(deadline)) {
    const Waiting waiting;
    const bool ready = question.prepare();
    const int outcome = question.ask(rest, ready, call);
    if (outcome != 0 || !question.bell_rang() || rest == Duration{0}) return outcome;
  }
}

bool is_ours(const pollfd* entries, nfds_t count) {
  return active() && !in_section() && entries != nullptr &&
         std::ranges::any_of(std::span{entries, static_cast<std::size_t>(count)}, concerns);
}

int poll_either(pollfd* entries, nfds_t count, int timeout) {
  if (!is_ours(entries, count)) return real().poll(entries, count, timeout);
  return wait({entries, static_cast<std::size_t>(count)}, from_milliseconds(timeout),
              [](pollfd* all, nfds_t size, Timeout rest) { return real().poll(all, size, as_milliseconds(rest)); });
}

/// `signals` as ppoll(2) has it.
auto polling_with(const sigset_t* signals) {
  return [signals](pollfd* all, nfds_t size, Timeout rest) {
    timespec room{};
    return real().ppoll(all, size, as_timespec(rest, room), signals);
  };
}

int ppoll_either(pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* signals) {
  if (!is_ours(entries, count)) return real().ppoll(entries, count, timeout, signals);
  return wait({entries, static_cast<std::size_t>(count)}, from_timespec(timeout), polling_with(signals));
}

// --- select ---------------------------------------------------------------------------------------------------------

struct Bits {
  fd_set* set;
  short asked;  // of poll
  short told;   // by poll, that make the bit: poll(2) and select(2) say it so
};

using ThreeSets = std::array<Bits, 3>;

ThreeSets three_sets(fd_set* input, fd_set* output, fd_set* exceptions) noexcept {
  return {{{input, POLLIN, POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR},
           {output, POLLOUT, POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR},
           {exceptions, POLLPRI, POLLPRI}}};
}

bool is_ours(int count, const fd_set* input) {
  if (!active() || in_section() || input == nullptr) return false;
  for (int number = 0; number < std::min(count, FD_SETSIZE); ++number)
    if (FD_ISSET(number, input) && concerns({number, POLLIN, 0})) return true;
  return false;
}

std::vector<pollfd> entries_of(int count, const ThreeSets& sets) {
  std::vector<pollfd> entries;
  for (int number = 0; number < std::min(count, FD_SETSIZE); ++number) {
    short events = 0;
    for (const Bits& bits : sets)
      if (bits.set != nullptr && FD_ISSET(number, bits.set)) events = static_cast<short>(events | bits.asked);
    if (events != 0) entries.push_back({number, events, 0});
  }
  return entries;
}

int told_in(const ThreeSets& sets, std::span<const pollfd> entries) {
  if (std::ranges::any_of(entries, [](const pollfd& each) { return (each.revents & POLLNVAL) != 0; })) {
    errno = EBADF;
    return -1;
  }
  int bits_set = 0;
  for (const Bits& bits : sets) {
    if (bits.set == nullptr) continue;
    for (const pollfd& each : entries) {
      const bool asked = (each.events & bits.asked) != 0;
      if (!asked) continue;
      if ((each.revents & bits.told) != 0)
        ++bits_set;
      else
        FD_CLR(each.fd, bits.set);
    }
  }
  return bits_set;
}

int select_ours(int count, const ThreeSets& sets, Timeout timeout, const sigset_t* signals) {
  std::vector<pollfd> entries = entries_of(count, sets);
  if (wait(entries, timeout, polling_with(signals)) < 0) return -1;
  return told_in(sets, entries);
}

}  // namespace

extern "C" {

BATON_EXPORT int poll(pollfd* entries, nfds_t count, int timeout) { return poll_either(entries, count, timeout); }

BATON_EXPORT int ppoll(pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* signals) {
  return ppoll_either(entries, count, timeout, signals);
}

// What poll and ppoll are in programs that were compiled with _FORTIFY_SOURCE; `size` is that of the array.
BATON_EXPORT int __poll_chk(pollfd* entries, nfds_t count, int timeout, size_t size) {
  BATON_CHECK(size / sizeof(pollfd) >= count);
  return poll_either(entries, count, timeout);
}
BATON_EXPORT int __ppoll_chk(pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* signals,
                             size_t size) {
  BATON_CHECK(size / sizeof(pollfd) >= count);
  return ppoll_either(entries, count, timeout, signals);
}

BATON_EXPORT int select(int count, fd_set* input, fd_set* output, fd_set* exceptions, timeval* timeout) {
  if (!is_ours(count, input) || (timeout != nullptr && (timeout->tv_sec < 0 || timeout->tv_usec < 0)))
    return real().select(count, input, output, exceptions, timeout);
  Timeout longest;
  if (timeout != nullptr) {
    const timespec time{timeout->tv_sec, timeout->tv_usec * 1000};
    longest = from_timespec(&time);
  }
  const Instant deadline = deadline_after(longest);
  const int outcome = select_ours(count, three_sets(input, output, exceptions), longest, nullptr);
  if (timeout != nullptr && deadline != never) {  // Linux tells what is left of it
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(*rest_until(deadline)).count();
    *timeout = {left / 1'000'000, left % 1'000'000};
  }
  return outcome;
}

BATON_EXPORT int pselect(int count, fd_set* input, fd_set* output, fd_set* exceptions, const timespec* timeout,
                         const sigset_t* signals) {
  if (!is_ours(count, input)) return real().pselect(count, input, output, exceptions, timeout, signals);
  return select_ours(count, three_sets(input, output, exceptions), from_timespec(timeout), signals);
}

}  // extern "C"
