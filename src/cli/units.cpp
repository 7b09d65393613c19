// SPDX-License-Identifier: MIT
#include "cli/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace baton::cli {
namespace {

/// `magnitude` / `unit` with one decimal.
std::string one_decimal(std::uint64_t magnitude, std::uint64_t unit) {
  const std::uint64_t tenths = magnitude / (unit / 10) + (magnitude % (unit / 10) >= unit / 20 ? 1 : 0);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

std::uint64_t magnitude_of(Duration length) {
  const auto count = static_cast<std::uint64_t>(length.count());
  return length.count() < 0 ? 0 - count : count;
}

}  // namespace

std::string readable(Duration length) {
  // Where rounding would give 1000.0 of a unit, the next one serves.
  constexpr std::array<std::pair<std::uint64_t, const char*>, 2> units{{{1'000, " us"}, {1'000'000, " ms"}}};
  const std::uint64_t magnitude = magnitude_of(length);
  const std::string sign = length.count() < 0 ? "-" : "";
  for (const auto& [unit, name] : units)
    if (magnitude < unit * 1000 - unit / 20) return sign + one_decimal(magnitude, unit) + name;
  return sign + one_decimal(magnitude, 1'000'000'000) + " s";
}

std::string readable(std::optional<Duration> length) { return length ? readable(*length) : "-"; }

std::string microseconds(Duration length) {
  const std::uint64_t magnitude = magnitude_of(length);
  const std::string sign = length.count() < 0 ? "-" : "";
  if (magnitude < 9'999'950) return sign + one_decimal(magnitude, 1'000);
  return sign + std::to_string(magnitude / 1'000 + (magnitude % 1'000 >= 500 ? 1 : 0));
}

std::string hex(std::uint64_t value) {
  std::array<char, 16> digits;
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr};
}

std::string readable_uptime(std::uint64_t seconds) {
  struct Unit {
    std::uint64_t seconds;
    const char* name;
  };
  constexpr std::array<Unit, 4> units{{{86'400, " d"}, {3'600, " h"}, {60, " min"}, {1, " s"}}};
  for (std::size_t i = 0; i + 1 < units.size(); ++i) {
    if (seconds < units[i].seconds) continue;
    const std::uint64_t rest = seconds % units[i].seconds / units[i + 1].seconds;
    return std::to_string(seconds / units[i].seconds) + units[i].name + " " + std::to_string(rest) + units[i + 1].name;
  }
  return std::to_string(seconds) + " s";
}

std::string printable_ascii(std::string text) {
  std::ranges::replace_if(text, [](char each) { return each < 0x20 || each > 0x7e; }, '?');
  return text;
}

void Table::column(std::string head, Align align) {
  align_.push_back(align);
  rows_.front().push_back(std::move(head));
}

void Table::row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

std::string Table::text() const {
  std::vector<std::size_t> widths(align_.size(), 0);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - row[i].size(), ' ');
      if (i > 0) line += "  ";
      line += align_[i] == Align::Left ? row[i] + blanks : blanks + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace baton::cli
