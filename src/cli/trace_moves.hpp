// SPDX-License-Identifier: MIT
// baton: cli/trace_moves.hpp: the moves of a trace, one record each, and how each of them ended.
//
// Memory goes with the number of moves, not with the length of the trace. A move's id belongs to one move of a host;
// where a trace was written over several starts of it, a second beginning under the same id is a new move.
// Threads: distinct objects are independent.
#pragma once

#include <cstdint>
#include <deque>
#include <iosfwd>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/time.hpp"
#include "cli/trace_line.hpp"

namespace baton::cli {

/// OFFER of the listener, or CALL of an express move.
[[nodiscard]] bool begins_move(const TraceEvent& event) noexcept;

enum class Ending {
  Open,         // no outcome in the trace
  Moved,        // S has taken
  MovedUnseen,  // S has taken, and nothing tells that L knows
  Refused,      // ANSWER refused
  GivenBack,    // called, and L has it back
  Cancelled,
  Touched,  // the connection was reset
  Abandoned,
};

struct Move {
  std::uint64_t id = 0;
  std::int64_t listener = 0;  // pid; 0: it wrote no line of this move
  std::int64_t server = 0;
  Instant first = never;
  std::optional<Instant> offered;
  std::optional<Instant> stopped;  // the data stop begins
  std::optional<Instant> taken;
  std::optional<Instant> lifted;  // the data stop ends without TAKEN: lifted, or the connection reset
  std::uint32_t seen = 0;         // a bit for each Step
  std::string why;                // why S has not taken
  std::uint64_t connection = 0;   // the cookie of the socket that moves; 0: the trace does not tell
  std::string client{};           // the address at its other end

  void add(const TraceEvent& event);
  [[nodiscard]] bool has(Step step) const noexcept { return (seen >> static_cast<unsigned>(step) & 1U) != 0; }
  [[nodiscard]] bool begun() const noexcept { return has(Step::Offer) || has(Step::CallExpress); }
  /// Both processes wrote of it, and it has an outcome.
  [[nodiscard]] bool complete() const noexcept { return listener != 0 && server != 0 && ending() != Ending::Open; }
  [[nodiscard]] Ending ending() const noexcept;
  /// "moved", "given back: no descriptor", "in doubt" ...
  [[nodiscard]] std::string outcome() const;
  /// OFFER -> TAKEN. Not of an express move: its first line is written after the sending, perhaps after TAKEN.
  [[nodiscard]] std::optional<Duration> duration() const noexcept;
  /// What the client had to wait: data stop -> TAKEN, or -> lifted. Not of an express move.
  [[nodiscard]] std::optional<Duration> pause() const noexcept;
};

class MoveTable {
 public:
  void add(const TraceEvent& event);

  /// In the order in which the trace first names them.
  [[nodiscard]] const std::deque<Move>& moves() const noexcept { return moves_; }
  /// The last one with that id, or nullptr.
  [[nodiscard]] const Move* find(std::uint64_t id) const;
  /// At most `count` ids, those with the smallest difference first.
  [[nodiscard]] std::vector<std::uint64_t> near(std::uint64_t id, std::size_t count) const;

 private:
  std::deque<Move> moves_;
  std::unordered_map<std::uint64_t, std::size_t> last_;  // id -> place in moves_
};

/// Writes one line for each move that begins in [since, until], and one with the sums. Returns how many there are;
/// nothing is written where there is none.
std::uint64_t write_list(std::ostream& out, const MoveTable& table, Instant since, Instant until);

}  // namespace baton::cli
