// SPDX-License-Identifier: MIT
// baton: fuzz/input.hpp: a fuzzer's octets as a row of choices, and what ends a run that went wrong.
//
// Invariant: at the end every choice is 0. Threads: one.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "base/bytes.hpp"

/// What has to hold whatever the octets are.
#define BATON_REQUIRE(condition)                                                                              \
  do {                                                                                                        \
    if (!(condition)) [[unlikely]] {                                                                          \
      ::std::fprintf(stderr, "%s:%d: does not hold: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
      ::std::abort();                                                                                         \
    }                                                                                                         \
  } while (false)

namespace baton::fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_{std::as_bytes(std::span{data, size})} {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  std::uint8_t u8() {
    if (rest_.empty()) return 0;
    const auto value = std::to_integer<std::uint8_t>(rest_[0]);
    rest_ = rest_.subspan(1);
    return value;
  }
  /// 0 to `most`, at most 255.
  template <class T>
  T up_to(std::size_t most) {
    return static_cast<T>(u8() % (most + 1));
  }
  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  /// The next octets, fewer than `count` at the end.
  Bytes take(std::size_t count) {
    const Bytes taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  Bytes take_rest() { return take(rest_.size()); }

 private:
  Bytes rest_;
};

inline bool same(Bytes left, Bytes right) {
  return left.size() == right.size() && (left.empty() || std::memcmp(left.data(), right.data(), left.size()) == 0);
}
inline bool within(Bytes part, Bytes whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace baton::fuzz
