// SPDX-License-Identifier: MIT
// baton: crash/orders.hpp: every fault point of the library, who dies there, in which manner of move, and in which
// column of the table that is.
#pragma once

#include <span>
#include <string_view>

#include "crash/scenario.hpp"

namespace baton::crash {

struct Order {
  const char* point;
  Party victim;
  Manner manner;
  Stage stage;  // of a connection that moves alone; in a batch each connection has its own
  std::uint64_t nth = 1;
  Step hold = Step::None;
  Step reached = Step::None;
  // Passing this point, the victim stops the survivor, which waits in poll(2); it goes on when the victim is dead, and
  // finds the last frame and the death at the same time.
  const char* freeze = nullptr;
};
[[nodiscard]] std::span<const Order> orders();

/// The number of a fault point; -1: the table has no such name.
[[nodiscard]] int point_named(std::string_view name);
/// nullptr: there are no more.
[[nodiscard]] const char* name_of_point(std::size_t point);

}  // namespace baton::crash
