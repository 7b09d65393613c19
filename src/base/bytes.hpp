// SPDX-License-Identifier: MIT
// baton: base/bytes.hpp: bounded reading and writing of octets.
//
// ByteReader never reads past its span: a read that does not fit fails, gives zero, and so does every later one;
// check ok() once at the end. ByteWriter never writes past its span, in the same manner.
// Big endian ("network order") throughout: the only order on baton's wires.
// Threads: distinct objects are independent.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace baton {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span{text.data(), text.size()});
}
[[nodiscard]] inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ByteReader {
 public:
  explicit constexpr ByteReader(Bytes bytes) noexcept : rest_{bytes} {}

  [[nodiscard]] constexpr bool ok() const noexcept { return ok_; }
  [[nodiscard]] constexpr bool at_end() const noexcept { return rest_.empty(); }
  [[nodiscard]] constexpr std::size_t remaining() const noexcept { return rest_.size(); }

  /// The next `count` octets, or an empty span and a failed reader.
  constexpr Bytes take(std::size_t count) noexcept {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  constexpr Bytes take_rest() noexcept { return take(rest_.size()); }

  template <std::unsigned_integral T>
  constexpr T number() noexcept {
    const Bytes octets = take(sizeof(T));
    std::uint64_t value = 0;
    for (const std::byte octet : octets) value = value << 8 | std::to_integer<std::uint64_t>(octet);
    return static_cast<T>(value);
  }
  constexpr std::uint8_t u8() noexcept { return number<std::uint8_t>(); }
  constexpr std::uint16_t u16() noexcept { return number<std::uint16_t>(); }
  constexpr std::uint32_t u32() noexcept { return number<std::uint32_t>(); }
  constexpr std::uint64_t u64() noexcept { return number<std::uint64_t>(); }

 private:
  Bytes rest_;
  bool ok_ = true;
};

class ByteWriter {
 public:
  explicit constexpr ByteWriter(MutableBytes room) noexcept : room_{room} {}

  [[nodiscard]] constexpr bool ok() const noexcept { return ok_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr std::size_t room() const noexcept { return room_.size() - size_; }
  /// What has been written so far.
  [[nodiscard]] constexpr Bytes written() const noexcept { return room_.first(size_); }

  constexpr void put(Bytes octets) noexcept {
    if (!ok_ || octets.size() > room()) {
      ok_ = false;
      return;
    }
    std::ranges::copy(octets, room_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += octets.size();
  }
  template <std::unsigned_integral T>
  constexpr void number(T value) noexcept {
    std::byte octets[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i)
      octets[i] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * (sizeof(T) - 1 - i)));
    put(octets);
  }
  constexpr void u8(std::uint8_t value) noexcept { number(value); }
  constexpr void u16(std::uint16_t value) noexcept { number(value); }
  constexpr void u32(std::uint32_t value) noexcept { number(value); }
  constexpr void u64(std::uint64_t value) noexcept { number(value); }

 private:
  MutableBytes room_;
  std::size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace baton
