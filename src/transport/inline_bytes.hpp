// SPDX-License-Identifier: MIT
// baton: transport/inline_bytes.hpp: a few octets that live inside their owner and are copied with it.
//
// Invariant: size() <= capacity.
// Threads: distinct objects are independent.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace baton::transport {

template <std::size_t Capacity>
class InlineBytes {
  static_assert(Capacity <= UINT16_MAX);

 public:
  static constexpr std::size_t capacity = Capacity;

  constexpr InlineBytes() noexcept = default;

  /// Nothing, if there are more than `Capacity` octets.
  [[nodiscard]] static constexpr std::optional<InlineBytes> from(Bytes octets) noexcept {
    if (octets.size() > Capacity) return std::nullopt;
    InlineBytes made;
    made.assign_front(octets);
    return made;
  }

  /// Takes as many octets as fit.
  constexpr void assign_front(Bytes octets) noexcept {
    const Bytes kept = octets.first(std::min(octets.size(), Capacity));
    std::ranges::copy(kept, octets_.begin());
    size_ = static_cast<std::uint16_t>(kept.size());
  }
  /// The whole room, to be written to; what counts is said by resize().
  [[nodiscard]] constexpr MutableBytes room() noexcept { return octets_; }
  /// More than `Capacity` counts as `Capacity`.
  constexpr void resize(std::size_t size) noexcept { size_ = static_cast<std::uint16_t>(std::min(size, Capacity)); }
  constexpr void clear() noexcept { size_ = 0; }

  [[nodiscard]] constexpr Bytes bytes() const noexcept { return Bytes{octets_}.first(size_); }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }

  friend constexpr bool operator==(const InlineBytes& left, const InlineBytes& right) noexcept {
    return std::ranges::equal(left.bytes(), right.bytes());
  }

 private:
  std::array<std::byte, Capacity> octets_{};
  std::uint16_t size_ = 0;
};

}  // namespace baton::transport
