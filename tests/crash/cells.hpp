// SPDX-License-Identifier: MIT
// baton: crash/cells.hpp: what came of rounds, by cell, as tests/crash/report.py reads it.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>

namespace baton::crash {

struct Fate {
  std::uint64_t kills = 0;
  std::uint64_t kept = 0;   // connections, L's
  std::uint64_t taken = 0;  // S's
  std::uint64_t died = 0;   // ended with their owner
  std::uint64_t octets = 0;
  std::map<int, std::uint64_t> told;  // what the survivor's calls gave: errno, 0 for success
};

class Cells {
 public:
  /// `cell`: who dies, the move, when, the carrier, with tabs between.
  Fate& operator[](const std::string& cell) { return cells_[cell]; }
  void write(const std::string& file, const std::string& source) const;
  [[nodiscard]] std::uint64_t kills() const;

 private:
  std::map<std::string, Fate> cells_;
};

/// The main of a program that kills at fault points: NAME [--kills N] [--results FILE] | --cells. `cells`: all that
/// there are. `run`: until there are so many kills; `file` may be null.
int points_main(std::span<char*> arguments, const std::function<std::set<std::string>()>& cells,
                const std::function<int(std::uint64_t kills, const char* file)>& run);

}  // namespace baton::crash
