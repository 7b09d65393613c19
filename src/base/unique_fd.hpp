// SPDX-License-Identifier: MIT
// baton: base/unique_fd.hpp: who owns a descriptor, said by the type.
//
// UniqueFd owns: move-only, closes at once on assignment and destruction.
// FdRef borrows: a trivial value that never closes.
// A function that takes a descriptor over takes UniqueFd by value; one that only uses it takes FdRef.
// Threads: distinct objects are independent.
#pragma once

#include <compare>
#include <utility>

namespace baton {

/// Says at the call that a plain number becomes an owned descriptor.
struct AdoptTag {
  explicit constexpr AdoptTag() = default;
};
inline constexpr AdoptTag adopt{};

/// A borrowed descriptor. Whoever owns it must outlive the use.
class FdRef {
 public:
  constexpr FdRef() noexcept = default;
  constexpr explicit FdRef(int number) noexcept : number_{number} {}

  [[nodiscard]] constexpr int get() const noexcept { return number_; }
  [[nodiscard]] constexpr bool valid() const noexcept { return number_ >= 0; }
  friend constexpr bool operator==(FdRef, FdRef) noexcept = default;

 private:
  int number_ = -1;
};

/// An owned descriptor, or nothing.
class UniqueFd {
 public:
  constexpr UniqueFd() noexcept = default;
  constexpr UniqueFd(AdoptTag, int number) noexcept : number_{number} {}
  constexpr UniqueFd(UniqueFd&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  /// Closes now. errno is kept.
  void reset() noexcept;
  /// Gives the number up without closing it.
  [[nodiscard]] constexpr int release() noexcept { return std::exchange(number_, -1); }
  [[nodiscard]] constexpr int get() const noexcept { return number_; }
  [[nodiscard]] constexpr bool valid() const noexcept { return number_ >= 0; }
  [[nodiscard]] constexpr FdRef ref() const noexcept { return FdRef{number_}; }

 private:
  int number_ = -1;
};

}  // namespace baton
