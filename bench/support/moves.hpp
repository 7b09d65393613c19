// SPDX-License-Identifier: MIT
// baton: bench/support/moves.hpp: the calls of the seed, one function a step, in blocking mode.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace baton::bench {

/// Where the measured links meet.
inline constexpr std::string_view measured_tsap = "bench";

/// The AF_ISO listening socket that the server side waits at, in the runtime folder of this process.
[[nodiscard]] int link_listen();
/// One AF_ISO connection to link_listen().
[[nodiscard]] int link_connect(std::string_view tsap = measured_tsap);
/// Accepts and confirms it.
[[nodiscard]] int link_accept(int listening);

// Listener, in this order; `fd` is the TCP end point.
void offer(int link, int fd);
void await_answer(int link, int fd);
void call(int link, int fd);
void await_outcome(int link, int fd);
/// All four.
void move(int link, int fd);

// Server: returns the new end point.
[[nodiscard]] int await_offer(int link);
void answer(int link, int fd);
void take(int link, int fd);
/// All three.
[[nodiscard]] int take_move(int link);

/// Express: gives all of `fds` in batches, several under way, and returns when every outcome is "moved".
void give_all(int link, std::span<const int> fds);
/// Express: takes `count` end points.
[[nodiscard]] std::vector<int> take_all(int link, std::size_t count);

}  // namespace baton::bench
