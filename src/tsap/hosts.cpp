// SPDX-License-Identifier: MIT
#include "tsap/hosts.hpp"

#include <algorithm>
#include <charconv>

namespace baton::tsap {
namespace {

constexpr std::string_view blanks = " \t\r";

/// The next word, which is taken off the front; empty at the end.
std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(blanks));
  text.remove_prefix(word.size());
  return word;
}

std::string_view without_comment(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i)
    if (line[i] == '#' && (i == 0 || blanks.contains(line[i - 1]))) return line.substr(0, i);
  return line;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<HostAddress> with_port(std::string_view host, std::string_view port) {
  const auto number = parse_port(port);
  if (host.empty() || !number) return std::nullopt;
  return HostAddress{std::string{host}, *number};
}

}  // namespace

std::optional<HostAddress> parse_host_address(std::string_view text) {
  if (text.empty()) return std::nullopt;
  if (text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return std::nullopt;
    const std::string_view host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    if (rest.empty()) return HostAddress{std::string{host}, default_port};
    return rest.front() == ':' ? with_port(host, rest.substr(1)) : std::nullopt;
  }
  const std::size_t colon = text.find(':');
  // Two colons: an IPv6 address without brackets, and so without a port.
  if (colon == std::string_view::npos || text.find(':', colon + 1) != std::string_view::npos)
    return HostAddress{std::string{text}, default_port};
  return with_port(text.substr(0, colon), text.substr(colon + 1));
}

std::optional<std::vector<HostAddress>> parse_host_addresses(std::string_view text) {
  std::vector<HostAddress> addresses;
  for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
    auto address = parse_host_address(word);
    if (!address) return std::nullopt;
    addresses.push_back(std::move(*address));
  }
  if (addresses.empty()) return std::nullopt;
  return addresses;
}

const Hosts::Entry* Hosts::find(const Nsel& name) const noexcept {
  const auto entry = std::ranges::find(entries, name, &Entry::name);
  return entry == entries.end() ? nullptr : &*entry;
}

Hosts parse_hosts(std::string_view text) {
  Hosts hosts;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = without_comment(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    std::string_view word = next_word(line);
    if (word.empty()) continue;
    if (word.starts_with("\\#")) word.remove_prefix(1);
    const auto name = Nsel::parse_padded(word);
    auto addresses = parse_host_addresses(line);
    if (name && addresses)
      hosts.entries.push_back({*name, std::move(*addresses)});
    else if (hosts.bad_line == 0)
      hosts.bad_line = number;
  }
  return hosts;
}

}  // namespace baton::tsap
