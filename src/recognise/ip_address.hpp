// SPDX-License-Identifier: MIT
// baton: recognise/ip_address.hpp: an IP address and a network of them, as values.
//
// Invariant: an IPv4 address is always of family IPv4: one that came as an IPv4-mapped IPv6 address (RFC 4291
// §2.5.5.2), as accept(2) tells it on a socket for both families, is turned round. So one network matches a client on
// any socket. Threads: values.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace baton::recognise {

class IpAddress {
 public:
  /// 0.0.0.0
  constexpr IpAddress() noexcept = default;
  /// 4 or 16 octets in network order; nothing for any other number.
  [[nodiscard]] static std::optional<IpAddress> from(Bytes octets) noexcept;
  /// "192.0.2.7", "2001:db8::7"; no zone, no brackets.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text) noexcept;

  [[nodiscard]] bool is_v4() const noexcept { return size_ == 4; }
  /// 4 or 16, valid as long as the address is.
  [[nodiscard]] Bytes octets() const noexcept { return Bytes{octets_}.first(size_); }
  /// As RFC 5952 has it.
  [[nodiscard]] std::string text() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) noexcept = default;

 private:
  std::uint8_t size_ = 4;
  std::array<std::byte, 16> octets_{};
};

/// Addresses that share their first `bits` bits.
struct Network {
  IpAddress address;
  std::uint8_t bits = 0;  ///< 0 to 32 or 128

  /// "192.0.2.0/24", or an address alone. Nothing: not of that form, or too many bits.
  [[nodiscard]] static std::optional<Network> parse(std::string_view text) noexcept;
  [[nodiscard]] bool contains(const IpAddress& other) const noexcept;
  /// Whether every address in `other` is in this network.
  [[nodiscard]] bool covers(const Network& other) const noexcept {
    return bits <= other.bits && contains(other.address);
  }
  /// Whether no bit behind the first `bits` is set in `address`.
  [[nodiscard]] bool is_exact() const noexcept;
  [[nodiscard]] std::string text() const { return address.text() + '/' + std::to_string(bits); }
  friend bool operator==(const Network&, const Network&) noexcept = default;
};

}  // namespace baton::recognise
