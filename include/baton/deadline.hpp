// SPDX-License-Identifier: MIT
// baton: baton/deadline.hpp: until when a call may wait.
//
//   listener.accept()                       // waits for ever
//   listener.accept(5s)                     // from now on: ETIMEDOUT after five seconds
//   listener.accept(Deadline::now())        // does not wait: EWOULDBLOCK
//   Deadline until{5s}; a(until); b(until); // both within the same five seconds
//
// A deadline that has passed still gives what is there already. Numbers are none: 5 does not say of what.
// Threads: values.
#ifndef BATON_DEADLINE_HPP
#define BATON_DEADLINE_HPP

#include <chrono>
#include <limits>

namespace baton {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC

  constexpr Deadline(Clock::time_point at) noexcept : at_{at} {}
  /// So long from now on; none or less: now().
  template <class Rep, class Period>
  Deadline(std::chrono::duration<Rep, Period> from_now) noexcept : at_{after(from_now)} {}

  [[nodiscard]] static constexpr Deadline never() noexcept { return Clock::time_point::max(); }
  /// Calls do not wait, and say EWOULDBLOCK.
  [[nodiscard]] static constexpr Deadline now() noexcept { return Clock::time_point::min(); }

  [[nodiscard]] constexpr bool is_never() const noexcept { return at_ == Clock::time_point::max(); }
  [[nodiscard]] constexpr bool is_now() const noexcept { return at_ == Clock::time_point::min(); }
  [[nodiscard]] constexpr Clock::time_point at() const noexcept { return at_; }
  [[nodiscard]] bool passed() const noexcept { return !is_never() && (is_now() || Clock::now() >= at_); }

  /// Milliseconds from now on, rounded up, as poll(2) and the soc_* calls want them: 0 = past, -1 = never. A time
  /// beyond 24 days is cut to it: who waits that long waits again.
  [[nodiscard]] int milliseconds() const noexcept {
    if (is_never()) return -1;
    if (passed()) return 0;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(at_ - Clock::now()).count();
    if (left <= 0) return 0;
    return left > std::numeric_limits<int>::max() ? std::numeric_limits<int>::max() : static_cast<int>(left);
  }

 private:
  template <class Rep, class Period>
  static Clock::time_point after(std::chrono::duration<Rep, Period> from_now) noexcept {
    using Seconds = std::chrono::duration<double>;
    if (!(from_now > from_now.zero())) return Clock::time_point::min();
    const Clock::time_point current = Clock::now();
    if (Seconds{from_now} >= Seconds{Clock::time_point::max() - current}) return Clock::time_point::max();
    return current + std::chrono::ceil<Clock::duration>(from_now);
  }

  Clock::time_point at_;
};

}  // namespace baton
#endif
