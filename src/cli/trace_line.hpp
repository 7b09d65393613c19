// SPDX-License-Identifier: MIT
// baton: cli/trace_line.hpp: lines of a trace (os/trace.hpp) -> events.
//
// Input is anybody's: a line that is no line of a trace is an outcome, never a failure. Text comes out as printable
// ASCII, with '?' for every other octet, so that it may go to a terminal or into a drawing.
// Memory: one line at a time, at most `longest_line` octets of it. Threads: pure functions over the stream given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace baton::cli {

/// What a line tells of. Received: a frame was read, `detail` names it.
enum class Step {
  Offer,
  OfferRead,
  AnswerAccepted,
  AnswerRefused,
  DataStop,
  Call,
  CallExpress,
  CallReceived,
  Taken,
  NotTaken,
  Outcome,
  Cancel,
  Cancelled,
  DataStopLifted,
  Moved,
  Abandoned,
  TouchedReset,
  Received,
  LinkEnded,
  LinkBroken,
  Other,  // of a newer version, perhaps
};

struct TraceEvent {
  Instant time{};  // of CLOCK_MONOTONIC, just after the step
  std::int64_t pid = 0;
  std::uint64_t link = 0;  // cookie of that process's end; 0: none
  std::uint64_t move = 0;  // 0: of no move
  char role = '-';         // 'L', 'S'; '-': both or neither
  Step step = Step::Other;
  std::uint64_t connection = 0;  // of a line that begins a move: the cookie of the socket that moves; 0: not told
  std::string client;            // ... and the address at its other end
  std::string event;
  std::string detail;  // the members beyond those of every line: texts as they are, numbers as "name value"
};

/// Nothing where the line is not one of a trace.
[[nodiscard]] std::optional<TraceEvent> parse_line(std::string_view line);

/// 'L' or 'S': whose step it is. '-' where the line does not tell.
[[nodiscard]] char side_of(const TraceEvent& event) noexcept;

/// Several times what TraceLine writes (octets); what is longer is no line of a trace.
inline constexpr std::size_t longest_line = std::size_t{16} * 1024;

struct LineCount {
  std::uint64_t lines = 0;   // empty ones are not counted
  std::uint64_t broken = 0;  // of them: not understood
};

/// Calls `each` for every event, in the order of the stream, up to its end. A stream that fails ends, with badbit.
LineCount read_trace(std::istream& stream, const std::function<void(const TraceEvent&)>& each);

}  // namespace baton::cli
