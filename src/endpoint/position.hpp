// SPDX-License-Identifier: MIT
// baton: endpoint/position.hpp: the stream position as the kernel gives it and as an image carries it.
#pragma once

#include "handoff/frames.hpp"
#include "os/tcp_position.hpp"

namespace baton::endpoint {

[[nodiscard]] inline handoff::Position to_image(const os::StreamPosition& position) noexcept {
  return {position.consumed, position.written, static_cast<std::uint8_t>(position.state)};
}
[[nodiscard]] inline os::StreamPosition from_image(const handoff::Position& position) noexcept {
  return {.consumed = position.consumed,
          .written = position.written,
          .unread = 0,
          .state = static_cast<os::TcpState>(position.tcp_state)};
}

/// Nobody read or wrote since `then`. The quick reading decides where it agrees; else the kernel's exact one has the
/// last word.
[[nodiscard]] inline bool untouched(FdRef end_point, const os::StreamPosition& then) noexcept {
  if (os::unmoved_since(end_point, then)) return true;
  const auto now = os::read_position(end_point);
  if (now && os::same(then, *now)) return true;
  const auto exact = os::confirm_position(end_point);
  return exact && os::same(then, *exact);
}

}  // namespace baton::endpoint
