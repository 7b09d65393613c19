// SPDX-License-Identifier: MIT
// baton: baton/detail.hpp: what the other headers of the C++ API are made of; not for programs.
//
// Threads: as the caller.
#ifndef BATON_DETAIL_HPP
#define BATON_DETAIL_HPP

#include <baton/soc.h>
#include <fcntl.h>
#include <baton/deadline.hpp>
#include <baton/error.hpp>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <limits>
#include <utility>

namespace baton::detail {

/// Owns a number of the library or of the kernel; closes it at once when it goes. errno stays as it is.
class Handle {
 public:
  constexpr Handle() noexcept = default;
  explicit constexpr Handle(int number) noexcept : number_{number} {}
  Handle(Handle&& other) noexcept : number_{other.release()} {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = other.release();
    }
    return *this;
  }
  ~Handle() { reset(); }

  [[nodiscard]] constexpr int get() const noexcept { return number_; }
  [[nodiscard]] constexpr bool valid() const noexcept { return number_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }
  void reset() noexcept {
    if (number_ < 0) return;
    const int error = errno;
    ::soc_close(release());
    errno = error;
  }

 private:
  int number_ = -1;
};

/// Makes and opens what programs may not: end points of any kind.
struct Construct {
  template <class EndPoint>
  static EndPoint from(Handle handle, int family) noexcept {
    return EndPoint{std::move(handle), family};
  }
  template <class EndPoint>
  static Handle take(EndPoint& from) noexcept {
    return std::move(from.handle_);
  }
};

[[nodiscard]] inline std::unexpected<Error> failed() noexcept { return std::unexpected{Error::last()}; }
[[nodiscard]] inline std::unexpected<Error> failed(int number, const char* text) noexcept {
  return std::unexpected{Error{number, text}};
}
/// Nothing came until `deadline`.
[[nodiscard]] inline std::unexpected<Error> late(Deadline deadline) noexcept {
  if (deadline.is_now()) return std::unexpected{Error{EWOULDBLOCK}};
  return failed(ETIMEDOUT, "the deadline has passed");
}

/// While it lives, the calls of this thread that wait for AF_ISO sockets and moves do so until `deadline`.
class Limit {
 public:
  explicit Limit(Deadline deadline) noexcept {
    using std::chrono::seconds;
    timespec until{};  // now()
    if (deadline.is_never()) {
      until.tv_sec = std::numeric_limits<std::time_t>::max();
    } else if (!deadline.is_now()) {
      const auto at = deadline.at().time_since_epoch();
      const auto whole = std::chrono::floor<seconds>(at);
      until.tv_sec = whole.count();
      until.tv_nsec = std::chrono::nanoseconds{at - whole}.count();
      if (until.tv_sec < 0 || (until.tv_sec == 0 && until.tv_nsec == 0)) until = {0, 1};  // past
    }
    ::soc_deadline(&until);
  }
  ~Limit() { ::soc_deadline(nullptr); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;
};

/// A call that is made again when a signal has ended it.
template <class Call>
auto repeat(Call call) noexcept {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

/// Waits with the library's poll until `number` has one of `events`, an error, or an end.
[[nodiscard]] inline std::expected<void, Error> wait(int number, short events, Deadline deadline) noexcept {
  for (;;) {
    pollfd entry{number, events, 0};
    const int ready = repeat([&] { return ::soc_poll_ms(&entry, 1, deadline.milliseconds()); });
    if (ready < 0) return failed();
    if (ready > 0) return {};
    if (deadline.passed()) return late(deadline);
  }
}

/// A call that never waits by itself, made until it has something to give or the deadline comes.
template <class Call>
[[nodiscard]] auto attempt(int number, short events, Deadline deadline, Call call) noexcept
    -> std::expected<decltype(call()), Error> {
  for (;;) {
    const auto result = repeat(call);
    if (result >= 0) return result;
    if (errno != EWOULDBLOCK || deadline.is_now()) return failed();
    if (auto ready = wait(number, events, deadline); !ready) return std::unexpected{std::move(ready.error())};
  }
}

[[nodiscard]] inline std::expected<void, Error> set_nonblocking(int number, bool on) noexcept {
  const int flags = ::fcntl(number, F_GETFL);
  if (flags < 0) return std::unexpected{Error{errno}};
  const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (wanted != flags && ::fcntl(number, F_SETFL, wanted) < 0) return std::unexpected{Error{errno}};
  return {};
}

}  // namespace baton::detail
#endif
