// SPDX-License-Identifier: MIT
#include "tsap/address.hpp"

#include <algorithm>
#include <cstdlib>

namespace baton::tsap {
namespace {

constexpr AddressFault fault_of(NselFault fault) noexcept {
  switch (fault) {
    case NselFault::BadCharacter:
      return AddressFault::BadNselCharacter;
    case NselFault::BlankInside:
      return AddressFault::BlankInsideNsel;
    case NselFault::OnlyDigits:
      return AddressFault::NumericNsel;
    case NselFault::BadLength:   // the area's size fixes the length
    case NselFault::OnlyBlanks:  // was taken as unspecified
      break;
  }
  std::abort();  // the caller has ruled these out
}

bool consists_of(Bytes octets, std::byte value) noexcept {
  return std::ranges::all_of(octets, [value](std::byte octet) { return octet == value; });
}

}  // namespace

std::expected<IsoAddress, AddressFault> decode_address(Bytes area, std::size_t selector_size) noexcept {
  if (area.size() != address_area_size) return std::unexpected{AddressFault::BadAreaSize};
  if (selector_size > Selector::max_size) return std::unexpected{AddressFault::SelectorTooLong};
  IsoAddress address;
  const Bytes name = area.first(Nsel::size);
  if (!consists_of(name, std::byte{0}) && !consists_of(name, std::byte{' '})) {
    const auto nsel = Nsel::parse(as_text(name));
    if (!nsel) return std::unexpected{fault_of(nsel.error())};
    address.nsel = *nsel;
  }
  address.selector = *Selector::from(area.subspan(Nsel::size, selector_size));
  return address;
}

std::expected<std::size_t, AddressFault> encode_address(const IsoAddress& address, MutableBytes area) noexcept {
  if (area.size() != address_area_size) return std::unexpected{AddressFault::BadAreaSize};
  std::ranges::fill(area, std::byte{0});
  ByteWriter writer{area};
  writer.put(as_bytes(address.nsel.text()));
  writer.put(address.selector.octets());
  return address.selector.size();
}

std::string printable(const IsoAddress& address) {
  const std::string_view host = address.nsel.is_unspecified() ? "*" : address.nsel.trimmed();
  return std::string{host} + "/" + address.selector.printable();
}

}  // namespace baton::tsap
