// SPDX-License-Identifier: MIT
// baton: cotp/tpdu_size.hpp: the maximum TPDU size, its codes and how two sides agree on one.
//
// A size counts the TPDU with its header, without the TPKT header (RFC 905 §13.3.4b): a DT carries size - 3 octets.
// The standard ends at code 0D; over TCP the codes up to 10 are in use, and 10 means 65531, because a TPKT holds no
// more (RFC 1006 §6). 65536 does not exist.
// Threads: pure functions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace baton::cotp {

/// The largest TPDU that a TPKT can hold (65535 - 4), and the size that RFC 1006 §5 assumes where none is named.
inline constexpr std::size_t max_tpdu_octets = 65531;

/// The value of parameter C0. Enumerators compare as the sizes do.
enum class TpduSize : std::uint8_t {
  Octets128 = 0x07,
  Octets256 = 0x08,
  Octets512 = 0x09,
  Octets1024 = 0x0A,
  Octets2048 = 0x0B,
  Octets4096 = 0x0C,
  Octets8192 = 0x0D,
  Octets16384 = 0x0E,
  Octets32768 = 0x0F,
  Octets65531 = 0x10,
};

/// The size that a C0 octet names, or nothing for a code outside 07..10.
[[nodiscard]] constexpr std::optional<TpduSize> tpdu_size_from_code(std::uint8_t code) noexcept {
  if (code < static_cast<std::uint8_t>(TpduSize::Octets128) || code > static_cast<std::uint8_t>(TpduSize::Octets65531))
    return std::nullopt;
  return static_cast<TpduSize>(code);
}

[[nodiscard]] constexpr std::size_t octets(TpduSize size) noexcept {
  return std::min(std::size_t{1} << static_cast<unsigned>(size), max_tpdu_octets);
}

/// The largest size that does not exceed `limit` octets; 128 where even that is too much (no TPDU size is smaller).
[[nodiscard]] constexpr TpduSize largest_size_within(std::size_t limit) noexcept {
  auto code = static_cast<std::uint8_t>(TpduSize::Octets65531);
  while (code > static_cast<std::uint8_t>(TpduSize::Octets128) && octets(static_cast<TpduSize>(code)) > limit) --code;
  return static_cast<TpduSize>(code);
}

/// What a responder answers: never more than was proposed (RFC 905 §13.4.4), nor more than it allows itself.
/// A CR without a size takes `otherwise`.
[[nodiscard]] constexpr TpduSize select_size(std::optional<TpduSize> proposed, TpduSize otherwise,
                                             TpduSize maximum) noexcept {
  return std::min(proposed.value_or(otherwise), maximum);
}

/// What an initiator makes of a CC. A CC without a size leaves the proposal as it is: RFC 1006's default of 65531
/// would exceed it, which RFC 2126 §6.4 names a fault of the older text. Nothing: the CC exceeds the proposal.
[[nodiscard]] constexpr std::optional<TpduSize> agreed_size(TpduSize proposed,
                                                            std::optional<TpduSize> selected) noexcept {
  if (!selected) return proposed;
  if (*selected > proposed) return std::nullopt;
  return selected;
}

}  // namespace baton::cotp
