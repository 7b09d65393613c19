// SPDX-License-Identifier: MIT
// baton: endpoint/in_use.hpp: which numbers are inside a call of the library now.
//
// A data stop may only begin while no other call is inside the kernel with the end point: such a call would still reach
// the stream (handoff-protocol.md, section 4). Every call that passes a number on to the kernel holds a UseGuard
// meanwhile. Order: a caller counts itself and then looks the number up; the data stop marks the number and then looks
// at the count. One of the two therefore sees the other. Threads: any.
#pragma once

#include <atomic>
#include <cstdint>

namespace baton::endpoint {

/// The counter of a number; nullptr for numbers beyond the limit of a process (2^20).
[[nodiscard]] std::atomic<std::uint32_t>* use_counter(int number) noexcept;

class UseGuard {
 public:
  explicit UseGuard(int number) noexcept : counter_{use_counter(number)} {
    if (counter_ != nullptr) counter_->fetch_add(1, std::memory_order_seq_cst);
  }
  UseGuard(const UseGuard&) = delete;
  UseGuard& operator=(const UseGuard&) = delete;
  ~UseGuard() {
    if (counter_ != nullptr) counter_->fetch_sub(1, std::memory_order_seq_cst);
  }

 private:
  std::atomic<std::uint32_t>* counter_;
};

/// How many calls are inside now.
[[nodiscard]] inline std::uint32_t uses(int number) noexcept {
  const auto* counter = use_counter(number);
  return counter == nullptr ? 0 : counter->load(std::memory_order_seq_cst);
}

}  // namespace baton::endpoint
