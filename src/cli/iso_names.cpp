// SPDX-License-Identifier: MIT
#include "cli/iso_names.hpp"

#include <algorithm>

#include "tsap/nsel.hpp"

namespace baton::cli {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

std::expected<tsap::Selector, std::string> from_digits(std::string_view text) {
  std::string lower{text};
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (lower.find_first_not_of(digits) != std::string::npos)
    return std::unexpected{"'" + visible(text) + "' are not all hexadecimal digits"};
  if (lower.size() % 2 != 0) return std::unexpected{"a TSEL in hexadecimal has two digits for each octet"};
  if (const auto selector = tsap::Selector::from_hex(lower)) return *selector;
  return std::unexpected{"a TSEL has at most 32 octets"};
}

std::expected<tsap::Selector, std::string> from_characters(std::string_view text) {
  if (const auto selector = tsap::Selector::from_text(text)) return *selector;
  return std::unexpected{"a TSEL has at most 32 octets"};
}

bool good_host(std::string_view host) {
  return std::ranges::all_of(host, [](char c) { return c > ' ' && c <= '~' && c != '#'; });
}

}  // namespace

std::expected<tsap::Selector, std::string> parse_selector(std::string_view text) {
  if (text.starts_with("0x")) return from_digits(text.substr(2));
  const bool quoted = text.size() >= 2 && text.ends_with('\'');
  if (quoted && text.size() >= 3 && text.starts_with("X'")) return from_digits(text.substr(2, text.size() - 3));
  if (quoted && text.starts_with('\'')) return from_characters(text.substr(1, text.size() - 2));
  return from_characters(text);
}

std::string shell_word(const tsap::Selector& selector) {
  const std::string text{as_text(selector.octets())};
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
  };
  const bool as_it_is = !text.empty() && std::ranges::all_of(text, plain) && !text.starts_with("0x");
  return as_it_is ? text : "0x" + selector.hex();
}

std::string Place::text() const {
  if (kind == Kind::Local) return "this host";
  if (kind == Kind::Nsel) return nsel;
  const bool ipv6 = address.host.contains(':');
  return (ipv6 ? "[" : "") + address.host + (ipv6 ? "]:" : ":") + std::to_string(address.port);
}

std::expected<Place, std::string> parse_place(std::string_view text) {
  Place place;
  if (text.empty() || text == "." || text == "local") return place;
  if (tsap::Nsel::parse_padded(text)) {
    place.kind = Place::Kind::Nsel;
    place.nsel = text;
    return place;
  }
  const auto address = tsap::parse_host_address(text);
  if (!address || address->port == 0 || !good_host(address->host))
    return std::unexpected{"HOST[:PORT], as in plc.example.org, 192.0.2.7:1102 or [2001:db8::7]:102"};
  place.kind = Place::Kind::Address;
  place.address = *address;
  return place;
}

std::expected<std::string, std::string> parse_listen_address(std::string_view text) {
  const auto address = tsap::parse_host_address(text);
  if (address && good_host(address->host)) return std::string{text};
  return std::unexpected{"ADDRESS[:PORT], as in 127.0.0.1:0, 0.0.0.0 or [::]:1102"};
}

std::string visible(std::string_view octets) {
  std::string text;
  for (const char c : octets) {
    if (c >= ' ' && c <= '~') {
      text += c;
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    text += {'\\', 'x', digits[octet >> 4], digits[octet & 15]};
  }
  return text;
}

}  // namespace baton::cli
