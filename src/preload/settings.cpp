// SPDX-License-Identifier: MIT
#include "preload/settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <ranges>
#include <string>
#include <string_view>

namespace baton::preload {
namespace {

constexpr std::string_view own_name = "libbaton-serve.so";
constexpr const char* preload_variable = "LD_PRELOAD";
constexpr const char* inherit_variable = "BATON_SERVE_INHERIT";
constexpr const char* variables[] = {"BATON_SERVE_TSAP", "BATON_SERVE_LISTEN", "BATON_SERVE_CREDIT"};

std::string_view value_of(const char* name) {
  const char* const value = ::secure_getenv(name);
  return value != nullptr ? value : "";
}

std::string assignment(std::string_view name, std::string_view value) {
  return std::string{name}.append("=").append(value);
}

/// Never destroyed: programs execute others while they exit, too.
Taken& taken() noexcept {
  static auto* const made = new Taken;
  return *made;
}
pid_t taken_in = 0;

/// LD_PRELOAD without this library, whose path is kept; others that the user has put there stay.
void leave_preload_list() {
  const std::string before{value_of(preload_variable)};
  std::string after;
  for (std::size_t from = 0; from < before.size();) {
    const std::size_t end = std::min(before.find_first_of(": ", from), before.size());
    const std::string_view path{before.data() + from, end - from};
    from = end + 1;
    if (path.empty()) continue;
    if (path.substr(path.rfind('/') + 1) == own_name)
      taken().preload = assignment(preload_variable, path);
    else
      (after += after.empty() ? "" : ":") += path;
  }
  if (after.empty())
    ::unsetenv(preload_variable);
  else
    ::setenv(preload_variable, after.c_str(), 1);
}

}  // namespace

bool Settings::mean(const os::Address& local) const {
  return listening.empty() || std::ranges::any_of(listening, [&](const tsap::ListeningAddress& each) {
           return os::is_address(local, each.host, each.port);
         });
}

Settings take_settings() {
  Settings settings;
  if (const auto pool = tsap::Selector::from_hex(value_of(variables[0]))) settings.pool = *pool;
  for (const auto part : std::views::split(value_of(variables[1]), ','))
    if (const auto address = tsap::parse_listening_address({part.begin(), part.end()}))
      settings.listening.push_back(*address);
  const std::string_view credit = value_of(variables[2]);
  int number = 0;
  if (std::from_chars(credit.data(), credit.data() + credit.size(), number).ec == std::errc{} && number > 0)
    settings.credit = std::min(number, max_credit);
  for (const auto part : std::views::split(value_of(veiled_variable.data()), ',')) {
    std::uint64_t cookie = 0;
    if (std::from_chars(part.data(), part.data() + part.size(), cookie).ec == std::errc{})
      settings.veiled.push_back(cookie);
  }
  ::unsetenv(veiled_variable.data());
  if (value_of(inherit_variable) != "1") {
    for (const char* const each : variables) {
      if (const auto value = value_of(each); !value.empty()) taken().others.push_back(assignment(each, value));
      ::unsetenv(each);
    }
    leave_preload_list();
    if (!taken().preload.empty()) taken_in = ::getpid();
  }
  return settings;
}

const Taken* taken_here() noexcept { return taken_in == ::getpid() ? &taken() : nullptr; }

}  // namespace baton::preload
