// SPDX-License-Identifier: MIT
#include "link/admission.hpp"

#include <charconv>
#include <ranges>
#include <string_view>

#include "os/process.hpp"
#include "os/setting.hpp"

namespace baton::link {
namespace {

// Whether `wanted` accepts one of the listed users.
template <class Predicate>
bool any_listed(Predicate wanted) noexcept {
  const char* const setting = os::setting("BATON_ALLOW_UIDS");
  if (setting == nullptr) return false;
  for (const auto part : std::views::split(std::string_view{setting}, ',')) {
    const std::string_view entry{part.begin(), part.end()};
    uid_t uid = 0;
    const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), uid);
    const bool is_number = error == std::errc{} && end == entry.data() + entry.size();
    // (uid_t)-1 is nobody: chown(2) and SO_PEERCRED use it for "none".
    if (is_number && uid != static_cast<uid_t>(-1) && wanted(uid)) return true;
  }
  return false;
}

}  // namespace

bool admitted(uid_t uid) noexcept {
  return uid == 0 || uid == os::effective_user() || any_listed([uid](uid_t listed) { return listed == uid; });
}

mode_t listening_mode() noexcept {
  return any_listed([](uid_t) { return true; }) ? 0666 : 0600;
}

}  // namespace baton::link
