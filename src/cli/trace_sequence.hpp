// SPDX-License-Identifier: MIT
// baton: cli/trace_sequence.hpp: the events of one move, put into an order in which it can have happened.
//
// Lines are written just after their step, so a receipt can bear an earlier time than its sending: the order is that of
// the times, except that a sending stands before its receipt. The times stay as they are.
// Invariant: an arrow's `received` is behind its `sent`.
// Threads: distinct objects are independent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "cli/trace_line.hpp"
#include "cli/trace_moves.hpp"

namespace baton::cli {

/// One process does one thing.
struct Row {
  Duration time{};    // since the move's first event
  char side = '-';    // 'L' or 'S'
  std::string frame;  // sends or receives this frame, in words; else empty
  bool sends = false;
  std::string note;  // what else it does; empty where it only sends or receives
};

/// A frame's way. `received` is missing where nobody read it.
struct Arrow {
  std::string label;
  bool good = true;  // false: the move is refused or called off
  std::size_t sent = 0;
  std::optional<std::size_t> received;
};

struct Sequence {
  Move move;
  std::vector<Row> rows;
  std::vector<Arrow> arrows;
  std::optional<std::size_t> stop;  // row at which the data stop begins
  std::optional<std::size_t> go;    // row at which it ends

  /// "move 1f: moved in 182.4 us, data stop 61.2 us"
  [[nodiscard]] std::string title() const;
  /// One line for each row.
  [[nodiscard]] std::string text() const;
};

/// A move has a dozen events; what is beyond this is left out.
inline constexpr std::size_t most_events = 400;

/// Gathers the events of one move out of a trace: the last one with that id, and the end of its links.
class EventsOfMove {
 public:
  explicit EventsOfMove(std::uint64_t id) : id_{id} {}
  void add(const TraceEvent& event);
  [[nodiscard]] bool empty() const noexcept { return events_.empty(); }
  [[nodiscard]] Sequence sequence() const;

 private:
  struct End {
    std::int64_t pid;
    std::uint64_t link;
    char side;
  };

  std::uint64_t id_;
  std::vector<TraceEvent> events_;
  std::vector<End> ends_;
};

}  // namespace baton::cli
