// SPDX-License-Identifier: MIT
#include "tsap/nsel.hpp"

#include <algorithm>

namespace baton::tsap {
namespace {

// Not <cctype>: an NSEL must not depend on the locale.
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }
constexpr bool is_letter(char c) noexcept { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
constexpr bool is_nsel_character(char c) noexcept {
  return is_letter(c) || is_digit(c) || c == '#' || c == '@' || c == '$';
}

}  // namespace

std::expected<Nsel, NselFault> Nsel::parse(std::string_view text) noexcept {
  if (text.size() != size) return std::unexpected{NselFault::BadLength};
  return parse_padded(text);
}

std::expected<Nsel, NselFault> Nsel::parse_padded(std::string_view text) noexcept {
  if (text.empty() || text.size() > size) return std::unexpected{NselFault::BadLength};
  const std::size_t last = text.find_last_not_of(' ');
  if (last == std::string_view::npos) return std::unexpected{NselFault::OnlyBlanks};
  const std::string_view name = text.substr(0, last + 1);
  if (!std::ranges::all_of(name, [](char c) { return is_nsel_character(c) || c == ' '; }))
    return std::unexpected{NselFault::BadCharacter};
  if (name.contains(' ')) return std::unexpected{NselFault::BlankInside};
  if (std::ranges::all_of(name, is_digit)) return std::unexpected{NselFault::OnlyDigits};
  Nsel nsel;
  std::ranges::copy(name, nsel.text_.begin());
  return nsel;
}

Nsel Nsel::from_host_name(std::string_view host_name) noexcept {
  const std::string_view label = host_name.substr(0, host_name.find('.')).substr(0, size);
  Nsel nsel;
  auto out = nsel.text_.begin();
  const auto room = [&] { return static_cast<std::size_t>(nsel.text_.end() - out); };
  if (std::ranges::all_of(label, is_digit)) *out++ = 'H';
  std::ranges::transform(label.substr(0, room()), out, [](char c) {
    if (is_lower(c)) return static_cast<char>(c - 'a' + 'A');
    return is_nsel_character(c) ? c : '#';
  });
  return nsel;
}

}  // namespace baton::tsap
