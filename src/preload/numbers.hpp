// SPDX-License-Identifier: MIT
// baton: preload/numbers.hpp: what the library knows a descriptor number as, in one load.
//
// A number of which nothing is known costs its calls no more than this. Numbers above the table's are never known.
// Threads: any; written in a Section, but for None -> Waited -> None.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace baton::preload {

enum class Kind : std::uint8_t {
  None,
  Listener,  // listening sockets that get connections (listeners.hpp)
  Set,       // an epoll descriptor in which a Listener is (sets.hpp)
  Waited,    // one in which none is, that the program has waited on
  Told,      // a connection whose addresses the dispatcher has told (told.hpp)
  Own,       // the library's
};

class Numbers {
 public:
  [[nodiscard]] static Kind kind(int number) noexcept {
    return in_table(number) ? kinds_[static_cast<std::size_t>(number)].load(std::memory_order_acquire) : Kind::None;
  }
  static void set(int number, Kind kind) noexcept {
    if (in_table(number)) kinds_[static_cast<std::size_t>(number)].store(kind, std::memory_order_release);
  }
  /// `kind` from now on; what it was.
  static Kind exchange(int number, Kind kind) noexcept {
    return in_table(number) ? kinds_[static_cast<std::size_t>(number)].exchange(kind) : Kind::None;
  }
  /// A number that is being waited on, unless a Section has made it something else meanwhile.
  static void waited(int number) noexcept {
    Kind none = Kind::None;
    if (in_table(number)) kinds_[static_cast<std::size_t>(number)].compare_exchange_strong(none, Kind::Waited);
  }
  [[nodiscard]] static bool in_table(int number) noexcept { return number >= 0 && number < size; }
  static constexpr int size = 1 << 16;

 private:
  static inline std::array<std::atomic<Kind>, size> kinds_{};
};

}  // namespace baton::preload
