// SPDX-License-Identifier: MIT
// baton: cotp/classes.hpp: transport classes, and when a class 0 responder may answer.
//
// Threads: pure functions and a value.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace baton::cotp {

/// The highest class there is: 0..4 (RFC 905 §13.3.3).
inline constexpr std::uint8_t max_class = 4;

/// A set of transport classes, as parameter C7 lists them.
class ClassSet {
 public:
  constexpr ClassSet() noexcept = default;
  constexpr ClassSet(std::initializer_list<std::uint8_t> classes) noexcept {
    for (const std::uint8_t each : classes) insert(each);
  }

  /// A class above 4 is left out.
  constexpr void insert(std::uint8_t transport_class) noexcept {
    if (transport_class <= max_class) bits_ = static_cast<std::uint8_t>(bits_ | 1U << transport_class);
  }
  [[nodiscard]] constexpr bool contains(std::uint8_t transport_class) const noexcept {
    return transport_class <= max_class && (bits_ >> transport_class & 1U) != 0;
  }
  [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
  friend constexpr bool operator==(ClassSet, ClassSet) noexcept = default;

 private:
  std::uint8_t bits_ = 0;
};

/// May a responder select class 0 (RFC 905 table 3; RFC 2126 §6.3)? Class 1 implies 0. If not, the CR is refused with
/// DR reason 130.
[[nodiscard]] constexpr bool class_0_allowed(std::uint8_t preferred, ClassSet alternatives) noexcept {
  switch (preferred) {
    case 0:
    case 1:
      return true;
    case 2:
      return alternatives.contains(0);
    case 3:
    case 4:
      return alternatives.contains(0) || alternatives.contains(1);
    default:
      return false;
  }
}

}  // namespace baton::cotp
