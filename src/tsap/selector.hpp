// SPDX-License-Identifier: MIT
// baton: tsap/selector.hpp: a transport selector (TSEL): 0 to 32 octets, any values.
//
// Invariant: size() <= 32, and the octets beyond it are zero, so that equal selectors are equal objects.
// ISO 8073 gives a selector no character set: it is compared as octets and never as text.
// Threads: a value; distinct objects are independent.
#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace baton::tsap {

class Selector {
 public:
  /// TSAPNAMMAXLEN: what `siso_tlen` may say (sockaddr_iso).
  static constexpr std::size_t max_size = 32;

  /// The empty selector.
  constexpr Selector() noexcept = default;

  /// Nothing when there are more than max_size octets.
  [[nodiscard]] static constexpr std::optional<Selector> from(Bytes octets) noexcept {
    if (octets.size() > max_size) return std::nullopt;
    Selector selector;
    std::ranges::copy(octets, selector.octets_.begin());
    selector.size_ = static_cast<std::uint8_t>(octets.size());
    return selector;
  }
  [[nodiscard]] static std::optional<Selector> from_text(std::string_view text) noexcept {
    return from(as_bytes(text));
  }
  /// The reverse of hex(): lower-case digits only, so that every selector has exactly one hex text.
  [[nodiscard]] static constexpr std::optional<Selector> from_hex(std::string_view hex) noexcept {
    if (hex.size() % 2 != 0 || hex.size() > 2 * max_size) return std::nullopt;
    Selector selector;
    selector.size_ = static_cast<std::uint8_t>(hex.size() / 2);
    for (std::size_t i = 0; i < hex.size(); ++i) {
      const std::size_t digit = digits.find(hex[i]);
      if (digit == std::string_view::npos) return std::nullopt;
      selector.octets_[i / 2] = selector.octets_[i / 2] << 4 | static_cast<std::byte>(digit);
    }
    return selector;
  }

  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  /// Valid as long as the selector is.
  [[nodiscard]] constexpr Bytes octets() const noexcept { return Bytes{octets_}.first(size_); }

  /// Two lower-case digits an octet, at most 64 characters: a file name for every selector but the empty one.
  [[nodiscard]] std::string hex() const {
    std::string text;
    text.reserve(2 * max_size);
    for (const std::byte octet : octets()) {
      text += digits[std::to_integer<std::size_t>(octet >> 4)];
      text += digits[std::to_integer<std::size_t>(octet & std::byte{0x0f})];
    }
    return text;
  }

  /// For messages: 'TEXT' when every octet is a visible ASCII character other than the quote, else X'hex'.
  [[nodiscard]] std::string printable() const {
    const auto visible = [](char c) { return c > ' ' && c <= '~' && c != '\''; };
    const std::string_view text = as_text(octets());
    if (std::ranges::all_of(text, visible)) return "'" + std::string{text} + "'";
    return "X'" + hex() + "'";
  }

  friend constexpr bool operator==(const Selector&, const Selector&) noexcept = default;
  /// Octet by octet, a prefix before what it begins.
  friend constexpr std::strong_ordering operator<=>(const Selector& left, const Selector& right) noexcept {
    const Bytes a = left.octets();
    const Bytes b = right.octets();
    return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  static constexpr std::string_view digits = "0123456789abcdef";

  std::array<std::byte, max_size> octets_{};
  std::uint8_t size_ = 0;
};

}  // namespace baton::tsap
