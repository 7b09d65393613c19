// SPDX-License-Identifier: MIT
// baton: support/process.hpp: the processes of a test, how they report, and what they share.
//
// A test forks its roles from its own single-threaded process, which never calls the library. Each role is a process
// group of its own, has a deadline, dies with the test's process, and is killed with its group when its Child goes.
// A role that returns has succeeded; a failed check ends it with a report.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <source_location>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/time.hpp"
#include "base/unique_fd.hpp"

namespace baton::test {

/// Longest that a role may take. Far more than any needs: it only ends what hangs.
inline constexpr Duration role_time = std::chrono::seconds{90};

/// Ends this process and tells its parent why. Outside of a role: aborts.
[[noreturn]] void fail(const std::string& what, std::source_location where = std::source_location::current());
/// As fail, with errno's text and the library's sentence.
[[noreturn]] void fail_call(const char* what, std::source_location where = std::source_location::current());

inline void require(bool held, const char* what, std::source_location where = std::source_location::current()) {
  if (!held) fail(what, where);
}
/// A call that gives a negative value on failure.
template <class T>
T checked(T value, const char* what, std::source_location where = std::source_location::current()) {
  if (value < 0) fail_call(what, where);
  return value;
}

class Child {
 public:
  Child(std::string name, const std::function<void()>& role, Duration time = role_time);
  ~Child();
  Child(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  friend std::string finish(std::span<Child> children);
  /// Reaps it; empty if it succeeded, else what it reported or how it ended.
  std::string collect();
  void kill_group() noexcept;

  std::string name_;
  pid_t pid_ = -1;  // -1: reaped, or moved from
  Instant deadline_;
  UniqueFd pidfd_;
  UniqueFd report_;
};

/// Waits until all have succeeded: "". As soon as one fails, all are killed: what the first one reported.
[[nodiscard]] std::string finish(std::span<Child> children);

/// Memory that the roles share with the test, made before they are forked.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t size);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  [[nodiscard]] void* address() const noexcept { return address_; }

 private:
  void* address_;
  std::size_t size_;
};
template <class T>
class Shared {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  Shared() : value_{new(memory_.address()) T{}} {}
  T* operator->() const noexcept { return value_; }
  T& operator*() const noexcept { return *value_; }

 private:
  SharedMemory memory_{sizeof(T)};
  T* value_;
};

/// Numbers from one process to another, in order. Made before the fork; any process may use either end.
class Mailbox {
 public:
  Mailbox();
  void send(std::uint64_t value) const;
  [[nodiscard]] std::uint64_t receive() const;
  /// Whether receive() would not wait.
  [[nodiscard]] bool has_mail() const;

 private:
  UniqueFd reading_;
  UniqueFd writing_;
};

/// Descriptors open in a process.
[[nodiscard]] std::size_t open_descriptors(pid_t process);
/// What they are, for the report of a test that counted wrongly.
[[nodiscard]] std::string described_descriptors();
/// Memory that this process uses now: under a sanitizer, which keeps what was freed, octets allocated; else octets
/// resident.
[[nodiscard]] std::size_t memory_in_use();

}  // namespace baton::test
