// SPDX-License-Identifier: MIT
#include "cli/batond_findings.hpp"

#include <algorithm>

#include "cli/batond.hpp"
#include "cli/units.hpp"

namespace baton::cli {

using dispatch::LocatedFinding;
using nlohmann::json;

std::string finding_line(const json& finding, std::string_view file) {
  const LocatedFinding found{
      {static_cast<std::uint32_t>(number_in(finding, "line")),
       static_cast<std::uint32_t>(number_in(finding, "column"))},
      {cell_in(finding, "severity") == "warning" ? routing::Severity::Warning : routing::Severity::Error,
       cell_in(finding, "path"), cell_in(finding, "what"), cell_in(finding, "advice")}};
  return dispatch::printable(found, file);
}

std::string excerpt(const LocatedFinding& found, std::string_view text) {
  constexpr std::size_t longest = 160;
  if (text.empty()) return {};
  for (std::uint32_t line = 1; line < found.position.line; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  const std::size_t column = found.position.column - 1;
  // Behind the last octet is where something is missing.
  if (column > text.size() || column >= longest) return {};
  const std::string number = std::to_string(found.position.line);
  constexpr std::size_t width = 6;
  const std::string margin(width - std::min(width, number.size()), ' ');
  return margin + number + " | " + printable_ascii(std::string{text.substr(0, longest)}) + '\n' +
         std::string(std::max(width, number.size()), ' ') + " | " + std::string(column, ' ') + "^\n";
}

}  // namespace baton::cli
