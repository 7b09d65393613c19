// SPDX-License-Identifier: MIT
// baton: baton/selector.hpp: the name of a transport service access point, its TSEL: 0 to 32 octets (RFC 905, X.214).
//
//   LinkListener::listen("work");                  // a literal: its length is checked when it is compiled
//   Selector::from_text(name), from_hex("0102")    // what is known only when the program runs
//
// The empty selector of a caller's own means: any that is free. Threads: values.
#ifndef BATON_SELECTOR_HPP
#define BATON_SELECTOR_HPP

#include <baton/error.hpp>
#include <baton/octets.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

namespace baton {

class Selector {
 public:
  static constexpr std::size_t max_size = TSAPNAMMAXLEN;

  constexpr Selector() noexcept = default;
  template <std::size_t Size>
    requires(Size - 1 <= max_size)
  consteval Selector(const char (&text)[Size]) noexcept : Selector{std::string_view{text, Size - 1}} {}

  /// EINVAL: more than 32 octets.
  [[nodiscard]] static std::expected<Selector, Error> from_text(std::string_view text) noexcept {
    if (text.size() > max_size) return std::unexpected{Error{EINVAL, "a TSEL has at most 32 octets"}};
    return Selector{text};
  }
  [[nodiscard]] static std::expected<Selector, Error> from_octets(Octets octets) noexcept {
    return from_text(text_of(octets));
  }
  /// Two hexadecimal digits for each octet, "0102" or "0x0102". EINVAL.
  [[nodiscard]] static std::expected<Selector, Error> from_hex(std::string_view digits) noexcept {
    if (digits.starts_with("0x")) digits.remove_prefix(2);
    std::string octets;
    for (; digits.size() >= 2; digits.remove_prefix(2)) {
      const int high = digit(digits[0]);
      const int low = digit(digits[1]);
      if (high < 0 || low < 0) break;
      octets.push_back(static_cast<char>(16 * high + low));
    }
    if (!digits.empty()) return std::unexpected{Error{EINVAL, "a TSEL in hexadecimal has two digits for each octet"}};
    return from_text(octets);
  }

  /// The octets as they are: often text, but any value may occur.
  [[nodiscard]] constexpr std::string_view text() const noexcept { return {octets_.data(), size_}; }
  [[nodiscard]] std::string hex() const noexcept {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string written;
    for (const char octet : text()) {
      const auto value = static_cast<unsigned char>(octet);
      written.push_back(digits[value / 16]);
      written.push_back(digits[value % 16]);
    }
    return written;
  }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }

  friend constexpr bool operator==(const Selector& a, const Selector& b) noexcept { return a.text() == b.text(); }
  friend constexpr std::strong_ordering operator<=>(const Selector& a, const Selector& b) noexcept {
    return a.text() <=> b.text();
  }

 private:
  explicit constexpr Selector(std::string_view octets) noexcept : size_{octets.size()} {
    std::ranges::copy(octets, octets_.begin());
  }
  static constexpr int digit(char of) noexcept {
    if (of >= '0' && of <= '9') return of - '0';
    if (of >= 'a' && of <= 'f') return of - 'a' + 10;
    if (of >= 'A' && of <= 'F') return of - 'A' + 10;
    return -1;
  }

  std::array<char, max_size> octets_{};
  std::size_t size_ = 0;
};

}  // namespace baton
#endif
