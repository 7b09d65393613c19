// SPDX-License-Identifier: MIT
#include "recognise/host_name.hpp"

#include <algorithm>

#include "recognise/ip_address.hpp"

namespace baton::recognise {
namespace {

constexpr std::size_t max_port_digits = 5;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) noexcept { return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z'); }
bool is_name_character(char c) noexcept {
  return is_alphanumeric(c) || std::string_view{"-._~!$&'()*+,;="}.contains(c);
}
bool is_port(std::string_view digits) noexcept {
  return digits.size() <= max_port_digits && std::ranges::all_of(digits, is_digit);
}

/// ".", "..", with each dot as itself or as %2e.
bool is_dot_segment(std::string_view segment) noexcept {
  int dots = 0;
  while (!segment.empty()) {
    if (segment.front() == '.')
      segment.remove_prefix(1);
    else if (segment.starts_with("%2e") || segment.starts_with("%2E"))
      segment.remove_prefix(3);
    else
      return false;
    ++dots;
  }
  return dots == 1 || dots == 2;
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lowered{text};
  std::ranges::transform(lowered, lowered.begin(), lower);
  return lowered;
}

std::optional<std::string> normalise_name(std::string_view name) {
  if (const auto address = IpAddress::parse(name)) return address->text();
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > max_host_name || name.starts_with('.') || name.ends_with('.')) return std::nullopt;
  if (name.contains("..") || !std::ranges::all_of(name, is_name_character)) return std::nullopt;
  return lower_case(name);
}

std::optional<std::string> normalise_authority(std::string_view authority) {
  if (authority.empty()) return std::string{};
  if (authority.front() == '[') {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view port = authority.substr(end + 1);
    const auto address = IpAddress::parse(authority.substr(1, end - 1));
    if (!address || !(port.empty() || (port.front() == ':' && is_port(port.substr(1))))) return std::nullopt;
    return address->text();
  }
  const std::size_t colon = authority.find(':');
  if (colon != std::string_view::npos && !is_port(authority.substr(colon + 1))) return std::nullopt;
  return normalise_name(authority.substr(0, colon));
}

bool has_dot_segments(std::string_view path) noexcept {
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    if (is_dot_segment(path.substr(0, end))) return true;
    if (end == std::string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace baton::recognise
