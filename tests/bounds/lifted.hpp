// SPDX-License-Identifier: MIT
// baton: bounds/lifted.hpp: a bound of the library that a test program can set from outside.
//
// lift.py puts this in place of the constants. BATON_TEST_BOUNDS is "name=number,name=number"; times in milliseconds.
// Read once, when the program starts. Threads: free.
#pragma once

#include <chrono>
#include <cstdlib>
#include <string_view>

namespace baton::bounds {

/// `usual` where the setting does not name it.
template <class Value>
Value lifted(std::string_view name, Value usual) {
  const char* const setting = std::getenv("BATON_TEST_BOUNDS");
  for (std::string_view left = setting == nullptr ? "" : setting; !left.empty();) {
    const std::string_view one = left.substr(0, left.find(','));
    left.remove_prefix(one.size() < left.size() ? one.size() + 1 : one.size());
    if (!one.starts_with(name) || one.substr(name.size(), 1) != "=") continue;
    const unsigned long long number = std::strtoull(one.data() + name.size() + 1, nullptr, 10);
    if constexpr (requires { usual.count(); })
      return std::chrono::milliseconds{number};
    else
      return static_cast<Value>(number);
  }
  return usual;
}

}  // namespace baton::bounds
