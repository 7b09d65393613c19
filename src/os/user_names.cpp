// SPDX-License-Identifier: MIT
#include "os/user_names.hpp"

#include <charconv>
#include <ranges>

#include "os/text_file.hpp"

namespace baton::os {
namespace {

constexpr std::size_t most_users_text = 4 << 20;

// The part before the colon; `line` is left with what is behind it.
std::string_view next_field(std::string_view& line) noexcept {
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  line.remove_prefix(colon == std::string_view::npos ? line.size() : colon + 1);
  return field;
}

}  // namespace

std::optional<uid_t> user_named(std::string_view name, std::string_view passwd) noexcept {
  if (name.empty()) return std::nullopt;
  for (const auto each : std::views::split(passwd, '\n')) {
    std::string_view line{each.begin(), each.end()};
    if (next_field(line) != name) continue;
    (void)next_field(line);  // the password
    const std::string_view number = next_field(line);
    uid_t uid = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), uid);
    if (error == std::errc{} && end == number.data() + number.size()) return uid;
  }
  return std::nullopt;
}

std::optional<uid_t> user_named(std::string_view name) {
  const Result<std::string> passwd = read_text_file("/etc/passwd", most_users_text);
  return passwd ? user_named(name, *passwd) : std::nullopt;
}

}  // namespace baton::os
