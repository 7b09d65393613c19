// SPDX-License-Identifier: MIT
#include "os/setting.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace baton::os {
namespace {

struct Kept {
  std::string name;
  std::string value;
};
std::atomic<const std::vector<Kept>*> kept = nullptr;

}  // namespace

const char* setting(const char* name) noexcept {
  const std::vector<Kept>* const settings = kept.load(std::memory_order_acquire);
  if (settings == nullptr) return ::secure_getenv(name);
  for (const Kept& each : *settings)
    if (each.name == name) return each.value.c_str();
  return nullptr;
}

void keep_settings() {
  auto* const settings = new std::vector<Kept>;  // for ever: readers hold pointers into it
  for (char** each = ::environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view variable{*each};
    const std::size_t sign = variable.find('=');
    if (sign == std::string_view::npos) continue;
    std::string name{variable.substr(0, sign)};
    if (!name.starts_with("BATON_") && name != "XDG_RUNTIME_DIR") continue;
    if (const char* const value = ::secure_getenv(name.c_str())) settings->push_back({std::move(name), value});
  }
  kept.store(settings, std::memory_order_release);
}

}  // namespace baton::os
