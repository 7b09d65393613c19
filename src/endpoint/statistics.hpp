// SPDX-License-Identifier: MIT
// baton: endpoint/statistics.hpp: counters of this process.
//
// Threads: any; each counter is exact, together they are of about the same instant.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/time.hpp"

namespace baton::endpoint {

struct Statistics {
  using Counter = std::atomic<std::uint64_t>;
  Counter offered{}, moved{}, refused{}, cancelled{}, given_back{}, in_doubt{}, touched{}, abandoned{};  // listener
  Counter received{}, taken{};                                                                           // server
  Counter links{};
  Counter pause_count{}, pause_total_ns{}, pause_longest_ns{};

  /// A pause from `begin`, which the peer has told, to `end`. What cannot be is not counted.
  void pause_since(Instant begin, Instant end) noexcept;
};

[[nodiscard]] Statistics& statistics() noexcept;

/// What the status socket answers: one JSON document with a line's end.
[[nodiscard]] std::string statistics_as_json();

}  // namespace baton::endpoint
