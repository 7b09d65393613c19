// SPDX-License-Identifier: MIT
// baton: baton/octets.hpp: octets to be written, wherever they stand: text, vectors and arrays of octets, spans.
//
// A view, as std::string_view is: what it shows has to live as long as it is used. Threads: values.
#ifndef BATON_OCTETS_HPP
#define BATON_OCTETS_HPP

#include <cstddef>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>

namespace baton {

class Octets {
 public:
  constexpr Octets() noexcept = default;
  /// Of text, without the NUL behind it.
  Octets(const char* text) noexcept : Octets{std::string_view{text}} {}
  /// Nor is 0 any text.
  Octets(std::nullptr_t) = delete;
  /// Of any string, vector, array or span of char, unsigned char or std::byte.
  template <class Range>
    requires(std::ranges::contiguous_range<const Range> && std::ranges::sized_range<const Range> &&
             !std::is_array_v<std::remove_cvref_t<Range>> && sizeof(std::ranges::range_value_t<Range>) == 1 &&
             std::is_trivially_copyable_v<std::ranges::range_value_t<Range>>)
  Octets(const Range& range) noexcept
      : octets_{std::as_bytes(std::span{std::ranges::data(range), std::ranges::size(range)})} {}

  [[nodiscard]] constexpr std::span<const std::byte> span() const noexcept { return octets_; }
  [[nodiscard]] constexpr const std::byte* data() const noexcept { return octets_.data(); }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return octets_.size(); }
  [[nodiscard]] constexpr bool empty() const noexcept { return octets_.empty(); }
  /// Without the first `count`.
  [[nodiscard]] constexpr Octets from(std::size_t count) const noexcept {
    Octets rest;
    rest.octets_ = octets_.subspan(count);
    return rest;
  }

 private:
  std::span<const std::byte> octets_;
};

/// The same octets as text.
[[nodiscard]] inline std::string_view text_of(Octets octets) noexcept {
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

}  // namespace baton
#endif
