// SPDX-License-Identifier: MIT
#include "cli/trace_diagram.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>

#include "cli/units.hpp"

namespace baton::cli {
namespace {

// All lengths are pixels at the drawing's own size.
constexpr int width = 1000;
constexpr int client_x = 130;
constexpr int listener_x = 400;
constexpr int server_x = 740;
constexpr int title_y = 34;
constexpr int heads_y = 56;
constexpr int head_width = 120;
constexpr int head_height = 44;
constexpr int first_row_y = 136;
constexpr int row_height = 34;
constexpr int time_width = 62;
constexpr int bar_width = 14;
/// Characters of a note that fit beside a life line.
constexpr std::size_t longest_note = 28;
constexpr std::size_t longest_label = 44;
constexpr std::size_t longest_title = 96;

// Every mark is told by shape or words as well: colour alone says nothing.
constexpr std::string_view style = R"(<style>
text { font-family: system-ui, "DejaVu Sans", Verdana, sans-serif; font-size: 13px; fill: #1d2733; }
.title { font-size: 16px; font-weight: bold; }
.small { font-size: 12px; fill: #55616e; }
.paper { fill: #ffffff; stroke: #c9d1d9; }
.head { fill: #eef2f6; stroke: #55616e; }
.life { stroke: #8b97a3; stroke-width: 1.5; }
.dot { fill: #1d2733; }
.frame { stroke: #0b5cad; stroke-width: 1.8; fill: none; }
.tip { fill: #0b5cad; }
.off { stroke: #b3261e; stroke-width: 1.8; fill: none; stroke-dasharray: 6 3; }
.offtip { fill: #b3261e; }
.lost { stroke: #b3261e; stroke-width: 2; }
.stop { fill: #d98a00; }
.band { fill: #d98a00; fill-opacity: 0.13; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.small { fill: #9aa6b2; }
.paper { fill: #12171d; stroke: #38424d; }
.head { fill: #1f2730; stroke: #9aa6b2; }
.life { stroke: #6b7681; }
.dot { fill: #e6edf3; }
.frame { stroke: #6cb2ff; }
.tip { fill: #6cb2ff; }
.off, .lost { stroke: #ff8a80; }
.offtip { fill: #ff8a80; }
.stop { fill: #f0a830; }
.band { fill: #f0a830; fill-opacity: 0.16; }
}
</style>
)";

std::string shortened(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string{text};
  return std::string{text.substr(0, most - 3)} + "...";
}

int row_y(std::size_t row) { return first_row_y + static_cast<int>(row) * row_height; }
int side_x(char side) { return side == 'L' ? listener_x : server_x; }

std::string number(int value) { return std::to_string(value); }

std::string attribute(std::string_view name, std::string_view value) {
  return " " + std::string{name} + "=\"" + escaped(value) + "\"";
}

enum class Anchor { Start, Middle, End };

std::string text(int x, int y, Anchor anchor, std::string_view kind, std::string_view words) {
  constexpr std::array<std::string_view, 3> anchors{"start", "middle", "end"};
  std::string element = "<text" + attribute("x", number(x)) + attribute("y", number(y)) +
                        attribute("text-anchor", anchors[static_cast<std::size_t>(anchor)]);
  if (!kind.empty()) element += attribute("class", kind);
  return element + ">" + escaped(words) + "</text>\n";
}

std::string rectangle(int x, int y, int w, int h, std::string_view kind, int round = 0) {
  std::string element = "<rect" + attribute("class", kind) + attribute("x", number(x)) + attribute("y", number(y)) +
                        attribute("width", number(w)) + attribute("height", number(h));
  if (round > 0) element += attribute("rx", number(round));
  return element + "/>\n";
}

std::string line(int x1, int y1, int x2, int y2, std::string_view kind) {
  return "<line" + attribute("class", kind) + attribute("x1", number(x1)) + attribute("y1", number(y1)) +
         attribute("x2", number(x2)) + attribute("y2", number(y2)) + "/>\n";
}

std::string head(int x, std::string_view name, std::string_view below) {
  std::string drawn = rectangle(x - head_width / 2, heads_y, head_width, head_height, "head", 6);
  drawn += text(x, heads_y + 19, Anchor::Middle, {}, name);
  return drawn + text(x, heads_y + 36, Anchor::Middle, "small", below);
}

/// A group in which the arrow lies on the x axis, from 0 to `length`; its words stand upright above it.
std::string arrow(const Arrow& arrow, char from) {
  const int x1 = side_x(from);
  const int x2 = from == 'L' ? server_x : listener_x;
  const int y1 = row_y(arrow.sent);
  const int y2 = arrow.received ? row_y(*arrow.received) : y1 + row_height / 2;
  const double length = std::hypot(x2 - x1, y2 - y1);
  // From right to left the group is not turned by half a circle, which would turn the words over: its axis points left.
  const int way = from == 'L' ? 1 : -1;
  constexpr double degrees_in_radian = 57.29577951308232;
  const double angle = std::atan2(way * (y2 - y1), way * (x2 - x1)) * degrees_in_radian;
  std::array<char, 64> turn;
  std::snprintf(turn.data(), turn.size(), "translate(%d %d) rotate(%.2f)", x1, y1, angle);
  const int end = way * static_cast<int>(std::lround(length));
  const int reach = arrow.received ? end : end * 3 / 4;
  std::string drawn = "<g" + attribute("transform", turn.data()) + ">\n";
  drawn += line(0, 0, arrow.received ? reach - way * 9 : reach, 0, arrow.good ? "frame" : "off");
  if (arrow.received) {
    const int back = reach - way * 11;
    drawn += "<polygon" + attribute("class", arrow.good ? "tip" : "offtip") +
             attribute("points", number(reach) + ",0 " + number(back) + ",-5 " + number(back) + ",5") + "/>\n";
  } else {
    drawn += line(reach - 5, -5, reach + 5, 5, "lost") + line(reach - 5, 5, reach + 5, -5, "lost");
  }
  const std::string label = arrow.label + (arrow.received ? "" : " (not read)");
  drawn += text(end / 2, -6, Anchor::Middle, {}, shortened(label, longest_label));
  return drawn + "</g>\n";
}

std::string row(const Row& row, std::size_t place) {
  const int y = row_y(place);
  const int x = side_x(row.side);
  const bool left = row.side == 'L';
  const Anchor anchor = left ? Anchor::End : Anchor::Start;
  const int way = left ? -1 : 1;
  std::string drawn = "<circle" + attribute("class", "dot") + attribute("cx", number(x)) + attribute("cy", number(y)) +
                      attribute("r", "3.5") + "/>\n";
  drawn += text(x + way * 10, y + 4, anchor, "small", microseconds(row.time));
  if (!row.note.empty())
    drawn += text(x + way * (10 + time_width), y + 4, anchor, {}, shortened(row.note, longest_note));
  return drawn;
}

/// The client's life line: who serves it, and the bar of the data stop.
std::string client(const Sequence& sequence, int bottom) {
  const int beside = client_x - 16;
  std::string drawn = text(beside, first_row_y + 4, Anchor::End, "small", "served by L");
  if (!sequence.stop) return drawn;
  const int from = row_y(*sequence.stop);
  const int to = sequence.go && *sequence.go > *sequence.stop ? row_y(*sequence.go) : bottom;
  if (*sequence.stop == 0) drawn.clear();  // an express move: there is no row before the data stop
  drawn += rectangle(client_x, from, server_x - client_x, to - from, "band");
  drawn += rectangle(client_x - bar_width / 2, from, bar_width, to - from, "stop", 3);
  const int middle = (from + to) / 2;
  const auto pause = sequence.move.pause();
  drawn += text(beside, middle - 2, Anchor::End, {}, "data stop");
  if (pause)
    drawn += text(beside, middle + 14, Anchor::End, {}, microseconds(*pause) + " \u00b5s");
  else if (to == bottom)
    drawn += text(beside, middle + 14, Anchor::End, {}, "not ended");
  if (to != bottom)
    drawn += text(beside, std::max(to + 4, middle + 34), Anchor::End, "small",
                  sequence.move.taken                         ? "served by S"
                  : sequence.move.ending() == Ending::Touched ? "reset"
                                                              : "served by L");
  return drawn;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string result;
  for (const char each : text) {
    if (each == '&')
      result += "&amp;";
    else if (each == '<')
      result += "&lt;";
    else if (each == '>')
      result += "&gt;";
    else if (each == '"')
      result += "&quot;";
    else
      result += each;
  }
  return result;
}

std::string svg_of(const Sequence& sequence) {
  const std::size_t rows = std::max<std::size_t>(sequence.rows.size(), 1);
  const int bottom = row_y(rows - 1) + 24;
  const int height = bottom + 56;
  std::string title = shortened(sequence.title(), longest_title);
  for (std::size_t at = title.find(" us"); at != std::string::npos; at = title.find(" us", at + 1))
    title.replace(at, 3, " \u00b5s");
  const auto process = [](std::int64_t pid) { return pid == 0 ? "wrote no trace" : "pid " + std::to_string(pid); };
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"" + attribute("width", number(width)) +
                    attribute("height", number(height)) +
                    attribute("viewBox", "0 0 " + number(width) + " " + number(height)) + " role=\"img\">\n";
  svg += "<title>" + escaped(title) + "</title>\n";
  svg += style;
  svg += rectangle(1, 1, width - 2, height - 2, "paper", 8);
  svg += text(24, title_y, Anchor::Start, "title", title);
  for (const int x : {client_x, listener_x, server_x}) svg += line(x, heads_y + head_height, x, bottom, "life");
  svg += client(sequence, bottom);
  svg += head(client_x, "client C", "sends on");
  svg += head(listener_x, "listener L", process(sequence.move.listener));
  svg += head(server_x, "server S", process(sequence.move.server));
  for (const Arrow& each : sequence.arrows) svg += arrow(each, sequence.rows[each.sent].side);
  for (std::size_t place = 0; place < sequence.rows.size(); ++place) svg += row(sequence.rows[place], place);
  svg += text(24, bottom + 24, Anchor::Start, "small",
              "Times in \u00b5s since the first line of this move; not to scale. Each is that of a line written just "
              "after the step, so a receipt can bear an earlier time");
  svg += text(
      24, bottom + 41, Anchor::Start, "small",
      "than its sending. During the data stop nobody reads the connection; the kernel takes what the client sends.");
  return svg + "</svg>\n";
}

}  // namespace baton::cli
