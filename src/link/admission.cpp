// SPDX-License-Identifier: MIT
#include "link/admission.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <ranges>
#include <string_view>
#include <vector>

#include "os/process.hpp"
#include "os/setting.hpp"
#include "os/user_names.hpp"

namespace baton::link {
namespace {

using Entries = std::vector<std::string_view>;

// Without the blanks around them, and without empty ones.
Entries entries_of(const char* setting) {
  Entries entries;
  if (setting == nullptr) return entries;
  constexpr std::string_view blanks = " \t\n";
  for (const auto part : std::views::split(std::string_view{setting}, ',')) {
    std::string_view entry{part.begin(), part.end()};
    entry.remove_prefix(std::min(entry.find_first_not_of(blanks), entry.size()));
    entry = entry.substr(0, entry.find_last_not_of(blanks) + 1);
    if (!entry.empty()) entries.push_back(entry);
  }
  return entries;
}

bool is_number(std::string_view entry) noexcept {
  return entry.find_first_not_of("0123456789") == std::string_view::npos;
}

// The user of an entry. (uid_t)-1 is nobody: chown(2) and SO_PEERCRED use it for "none".
std::optional<uid_t> user_of(std::string_view entry) {
  std::optional<uid_t> user;
  if (!is_number(entry)) {
    user = os::user_named(entry);
  } else if (uid_t uid = 0; std::from_chars(entry.data(), entry.data() + entry.size(), uid).ec == std::errc{}) {
    user = uid;
  }
  return user == static_cast<uid_t>(-1) ? std::nullopt : user;
}

// Numbers come first: they need no file.
template <class Predicate>
bool any_listed(Predicate wanted) {
  const Entries entries = entries_of(os::setting("BATON_ALLOW_UIDS"));
  const auto is_wanted = [&](std::string_view entry) {
    const std::optional<uid_t> user = user_of(entry);
    return user && wanted(*user);
  };
  return std::ranges::any_of(entries, [&](std::string_view entry) { return is_number(entry) && is_wanted(entry); }) ||
         std::ranges::any_of(entries, [&](std::string_view entry) { return !is_number(entry) && is_wanted(entry); });
}

}  // namespace

bool admitted(uid_t uid) noexcept {
  return uid == 0 || uid == os::effective_user() || any_listed([uid](uid_t listed) { return listed == uid; });
}

mode_t listening_mode() noexcept {
  return any_listed([](uid_t) { return true; }) ? 0666 : 0600;
}

std::string unknown_users() {
  std::string text;
  for (const std::string_view entry : entries_of(os::setting("BATON_ALLOW_UIDS"))) {
    if (user_of(entry)) continue;
    text += (text.empty() ? "'" : ", '") + std::string{entry} + "'";
  }
  return text;
}

}  // namespace baton::link
