// SPDX-License-Identifier: MIT
#include "endpoint/in_use.hpp"

#include <array>
#include <memory>

namespace baton::endpoint {
namespace {

constexpr std::size_t page_numbers = 1024;
constexpr std::size_t pages = 1024;
using Page = std::array<std::atomic<std::uint32_t>, page_numbers>;

// Pages live as long as the process: a counter may be touched at any time.
std::array<std::atomic<Page*>, pages> directory;

}  // namespace

std::atomic<std::uint32_t>* use_counter(int number) noexcept {
  if (number < 0 || static_cast<std::size_t>(number) >= pages * page_numbers) return nullptr;
  const auto index = static_cast<std::size_t>(number);
  std::atomic<Page*>& slot = directory[index / page_numbers];
  Page* page = slot.load(std::memory_order_acquire);
  if (page == nullptr) {
    auto fresh = std::make_unique<Page>();
    if (slot.compare_exchange_strong(page, fresh.get(), std::memory_order_acq_rel)) page = fresh.release();
  }
  return &(*page)[index % page_numbers];
}

}  // namespace baton::endpoint
