// SPDX-License-Identifier: MIT
// baton: crash/round.hpp: plays rounds, judges them, and counts them cell by cell.
//
// The judge knows from outside of the library whether CALL and TAKEN had been queued when the victim died: from the
// fault point's name, or from the system calls that the tracer saw. From that alone follows who has to own each
// connection; what the survivor was told and what the client saw must agree with it.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crash/scenario.hpp"

namespace baton::crash {

struct Cell {
  Party victim;
  Stage stage;
  Manner manner;
  Carrier carrier;
  friend auto operator<=>(const Cell&, const Cell&) = default;
};
/// All that there are: what docs/crashes.md has to name.
[[nodiscard]] std::vector<Cell> all_cells();
[[nodiscard]] std::string describe(const Cell& cell);

struct Count {
  std::uint64_t kills = 0;
  // Connections:
  std::uint64_t kept = 0;    // L's, served to their end
  std::uint64_t taken = 0;   // S's, served to their end
  std::uint64_t died = 0;    // ended with their owner
  std::uint64_t closed = 0;  // came back to an L that had closed them, or were closed by S, who would not have them
  std::uint64_t lost = 0;    // otherwise
  std::uint64_t octets = 0;  // of those served to their end, both directions, compared
  std::map<int, std::uint64_t> told;  // what the survivor's calls gave
};

class Results {
 public:
  /// Plays a round with the victim's way of dying set. What went wrong, or "". `stage`: where a fault point of a
  /// connection that moves alone belongs; nothing under the tracer.
  std::string play(const Scenario& scenario, std::optional<Stage> stage);
  /// Whether the last round had a death.
  [[nodiscard]] bool killed() const { return killed_; }
  [[nodiscard]] const std::map<Cell, Count>& cells() const { return cells_; }
  [[nodiscard]] std::uint64_t kills() const { return kills_; }
  [[nodiscard]] std::uint64_t passed(std::size_t point) const { return passed_[point]; }
  /// One line for each cell: what report.py reads.
  void write(const std::string& file, const std::string& source) const;
  void print() const;

 private:
  std::string judge(std::optional<Stage> stage);
  std::string judge_one(std::size_t index, Stage at, Count& count) const;

  std::map<Cell, Count> cells_;
  std::array<std::uint64_t, most_points> passed_{};
  std::uint64_t kills_ = 0;
  bool killed_ = false;
};

}  // namespace baton::crash
