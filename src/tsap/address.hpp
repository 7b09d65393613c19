// SPDX-License-Identifier: MIT
// baton: tsap/address.hpp: an AF_ISO address, and its octets in the `isoa_genaddr` area of struct sockaddr_iso.
//
// The area has 40 octets: the NSEL in the first 8, then the TSEL, `siso_tlen` octets (0 to 32). The structure itself
// belongs to the C API; here there are only octets and lengths.
// Threads: values; distinct objects are independent.
#pragma once

#include <compare>
#include <cstddef>
#include <expected>
#include <string>

#include "base/bytes.hpp"
#include "tsap/nsel.hpp"
#include "tsap/selector.hpp"

namespace baton::tsap {

/// An unspecified NSEL is this host; in bind an empty selector asks for any free one.
struct IsoAddress {
  Nsel nsel;
  Selector selector;

  friend bool operator==(const IsoAddress&, const IsoAddress&) noexcept = default;
  friend auto operator<=>(const IsoAddress&, const IsoAddress&) noexcept = default;
};

/// sizeof(isoa_genaddr).
inline constexpr std::size_t address_area_size = Nsel::size + Selector::max_size;

enum class AddressFault {
  BadAreaSize,       ///< the area is not 40 octets
  SelectorTooLong,   ///< the selector's length is above 32
  BadNselCharacter,  ///< a character that no NSEL may have; NUL padding of a name is one
  BlankInsideNsel,   ///< a blank before the NSEL's last character
  NumericNsel,       ///< a purely numeric NSEL
};

/// Reads NSEL and `selector_size` octets of TSEL. All blanks or all NUL in the NSEL: unspecified.
/// Octets behind the selector are not looked at.
[[nodiscard]] std::expected<IsoAddress, AddressFault> decode_address(Bytes area, std::size_t selector_size) noexcept;

/// Writes NSEL (blanks when unspecified) and TSEL, and zeroes the rest; returns the selector's length for `siso_tlen`.
/// The only fault: BadAreaSize; the area is then left as it was.
[[nodiscard]] std::expected<std::size_t, AddressFault> encode_address(const IsoAddress& address,
                                                                      MutableBytes area) noexcept;

/// For messages: NSEL (or *), a slash and the selector, as in HOST0001/'SERVER'.
[[nodiscard]] std::string printable(const IsoAddress& address);

}  // namespace baton::tsap
