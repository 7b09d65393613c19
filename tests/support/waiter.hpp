// SPDX-License-Identifier: MIT
// baton: support/waiter.hpp: the four ways in which a program may wait for a link or an end point.
//
//   Blocking  the calls themselves wait
//   Select    non-blocking, and the library's select
//   SocPoll   non-blocking, and the library's soc_poll
//   Epoll     non-blocking, and epoll(7) as it is, with soc_pending asked before; a number is registered only while it
//             is waited for, so never during a step of a move
//
// Threads: one.
#pragma once

#include <poll.h>

#include <cerrno>
#include <source_location>
#include <span>

#include "base/unique_fd.hpp"
#include "support/process.hpp"

namespace baton::test {

enum class Waits { Blocking, Select, SocPoll, Epoll };
[[nodiscard]] const char* name_of(Waits how) noexcept;

class Waiter {
 public:
  explicit Waiter(Waits how);
  [[nodiscard]] Waits how() const noexcept { return how_; }
  [[nodiscard]] bool nonblocking() const noexcept { return how_ != Waits::Blocking; }
  /// Puts a number into the mode that this way of waiting needs.
  void prepare(int number) const;
  [[nodiscard]] bool is_prepared(int number) const;

  /// Waits until at least one entry has events (POLLIN, POLLOUT).
  void wait(std::span<pollfd> entries) const;

  /// Makes a call of the library until it has something to give. -1 for the errors that `or_error` names.
  template <class Call>
  auto retry(const char* what, int number, short events, Call call, int or_error = 0,
             std::source_location where = std::source_location::current()) const {
    for (;;) {
      const auto value = call();
      if (value >= 0) return value;
      if (or_error != 0 && errno == or_error) return value;
      if (errno != EWOULDBLOCK || !nonblocking()) fail_call(what, where);
      pollfd entry{number, events, 0};
      wait({&entry, 1});
    }
  }

 private:
  void select(std::span<pollfd> entries) const;
  void epoll(std::span<pollfd> entries) const;

  Waits how_;
  UniqueFd set_;
};

}  // namespace baton::test
