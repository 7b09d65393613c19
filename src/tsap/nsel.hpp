// SPDX-License-Identifier: MIT
// baton: tsap/nsel.hpp: the 8-character name of a host (NSEL, the BCAM host name).
//
// Invariant: 8 characters: letters, digits, # @ $, then blanks up to the end; not purely numeric; or all blanks:
// unspecified, which means this host. Case counts (SOCKETS(BS2000) V21.0, AF_ISO addresses).
// Threads: a value; distinct objects are independent.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <expected>
#include <string_view>

namespace baton::tsap {

enum class NselFault {
  BadLength,     ///< not 8 characters (parse), or not 1 to 8 (parse_padded)
  BadCharacter,  ///< none of letters, digits, # @ $, blank
  BlankInside,   ///< a blank before the last other character
  OnlyBlanks,    ///< no name at all
  OnlyDigits,    ///< a purely numeric name
};

class Nsel {
 public:
  static constexpr std::size_t size = 8;

  /// Unspecified: this host.
  constexpr Nsel() noexcept { text_.fill(' '); }

  /// Exactly 8 characters, as they stand in an address.
  [[nodiscard]] static std::expected<Nsel, NselFault> parse(std::string_view text) noexcept;
  /// 1 to 8 characters, as people write it; blanks are added up to 8.
  [[nodiscard]] static std::expected<Nsel, NselFault> parse_padded(std::string_view text) noexcept;
  /// The default name of a host: its host name up to the first dot in upper case, every other character '#', cut or
  /// padded to 8; a purely numeric or empty one gets a leading 'H'. Never unspecified.
  [[nodiscard]] static Nsel from_host_name(std::string_view host_name) noexcept;

  [[nodiscard]] bool is_unspecified() const noexcept { return text_.front() == ' '; }
  /// All 8 characters. Valid as long as this object is.
  [[nodiscard]] std::string_view text() const noexcept { return {text_.data(), text_.size()}; }
  /// Without the padding.
  [[nodiscard]] std::string_view trimmed() const noexcept { return text().substr(0, text().find(' ')); }

  friend constexpr bool operator==(const Nsel&, const Nsel&) noexcept = default;
  friend constexpr auto operator<=>(const Nsel&, const Nsel&) noexcept = default;

 private:
  std::array<char, size> text_{};
};

}  // namespace baton::tsap
