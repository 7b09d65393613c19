// SPDX-License-Identifier: MIT
// baton: cli/units.hpp: numbers as people read them, and tables.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace baton::cli {

/// "182.4 us", "12.3 ms", "4.2 s": three units, one decimal, rounded half up. Negative lengths have a minus.
[[nodiscard]] std::string readable(Duration length);
/// The same; "-" for none.
[[nodiscard]] std::string readable(std::optional<Duration> length);
/// Microseconds with one decimal and without unit; from 10000 on without decimal: "34.1", "20418".
[[nodiscard]] std::string microseconds(Duration length);
/// Lower-case, without leading zeros.
[[nodiscard]] std::string hex(std::uint64_t value);

/// "59 s", "2 min 5 s", "3 h 20 min", "12 d 4 h".
[[nodiscard]] std::string readable_uptime(std::uint64_t seconds);
/// What may go to a terminal: '?' for every octet that is no printable ASCII.
[[nodiscard]] std::string printable_ascii(std::string text);

enum class Align { Left, Right };

/// Columns that are as wide as their widest cell, two blanks apart. Cells are plain ASCII.
class Table {
 public:
  void column(std::string head, Align align);
  /// As many cells as there are columns.
  void row(std::vector<std::string> cells);
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Align> align_;
  std::vector<std::vector<std::string>> rows_{1};
};

}  // namespace baton::cli
