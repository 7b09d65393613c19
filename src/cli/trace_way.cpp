// SPDX-License-Identifier: MIT
#include "cli/trace_way.hpp"

#include <algorithm>
#include <array>
#include <ranges>

#include "cli/units.hpp"

namespace baton::cli {
namespace {

constexpr std::size_t time_width = 10;
constexpr std::size_t lane_width = 36;

bool is_of(const Move& move, std::string_view client) {
  if (move.client == client) return true;
  const std::string_view address = std::string_view{move.client}.substr(0, move.client.rfind(':'));
  return !client.empty() && (address == client || address == "[" + std::string{client} + "]");
}

template <class Wanted>
const Move* last_that(const MoveTable& table, Wanted wanted) {
  for (const Move& move : std::views::reverse(table.moves()))
    if (wanted(move)) return &move;
  return nullptr;
}

/// The life lines, and what is drawn across them.
class Lanes {
 public:
  /// Its place; processes that write nothing share one.
  std::size_t of(std::int64_t pid) {
    const auto found = std::ranges::find(pids_, pid);
    if (found != pids_.end()) return static_cast<std::size_t>(found - pids_.begin());
    pids_.push_back(pid);
    return pids_.size() - 1;
  }

  [[nodiscard]] std::string heads() const {
    std::string text(time_width - 2, ' ');
    text += "us";
    for (std::size_t i = 0; i < pids_.size(); ++i) {
      text.resize(at(i), ' ');
      text += pids_[i] == 0 ? "(no trace)" : std::to_string(pids_[i]);
    }
    return text + '\n';
  }

  /// "|" at each life line.
  [[nodiscard]] std::string line(const std::string& time) const {
    std::string text(time_width - std::min(time_width, time.size()), ' ');
    text += time;
    for (std::size_t i = 0; i < pids_.size(); ++i) {
      text.resize(at(i), ' ');
      text += '|';
    }
    return text;
  }

  [[nodiscard]] std::string note(const std::string& time, std::size_t lane, const std::string& words) const {
    std::string text = line(time);
    text[at(lane)] = '*';
    put(text, at(lane) + 2, words, lane + 1 < pids_.size() ? lane_width - 3 : words.size());
    return ended(std::move(text));
  }

  /// `read`: how long after it was sent; empty: nobody wrote that it was.
  [[nodiscard]] std::string arrow(const std::string& time, std::size_t from, std::size_t to, const std::string& label,
                                  const std::string& read) const {
    std::string text = line(time);
    const std::size_t left = at(std::min(from, to)) + 1;
    const std::size_t size = at(std::max(from, to)) - left;
    for (std::size_t i = left; i < left + size; ++i) text[i] = '-';
    const bool right = from < to;
    text[right ? left + size - 1 : left] = read.empty() ? 'x' : right ? '>' : '<';
    const std::string shown = " " + label.substr(0, size - std::min<std::size_t>(size, 8)) + " ";
    put(text, left + (size - std::min(size, shown.size())) / 2, shown, shown.size());
    if (!read.empty()) text += "  read after " + read;
    return ended(std::move(text));
  }

 private:
  static std::size_t at(std::size_t lane) { return time_width + 2 + lane * lane_width; }
  static std::string ended(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    return text + '\n';
  }
  static void put(std::string& text, std::size_t where, const std::string& words, std::size_t most) {
    const std::string shown = words.substr(0, most);
    if (text.size() < where + shown.size()) text.resize(where + shown.size(), ' ');
    text.replace(where, shown.size(), shown);
  }

  std::vector<std::int64_t> pids_;
};

void draw(const Sequence& sequence, Instant begun, Lanes& lanes, std::string& text) {
  const auto lane = [&](char side) { return lanes.of(side == 'L' ? sequence.move.listener : sequence.move.server); };
  const Duration offset = sequence.move.first - begun;
  for (std::size_t i = 0; i < sequence.rows.size(); ++i) {
    const Row& row = sequence.rows[i];
    const std::string time = microseconds(offset + row.time);
    const auto sent = std::ranges::find(sequence.arrows, i, &Arrow::sent);
    if (row.sends && sent != sequence.arrows.end()) {
      const std::string read =
          sent->received ? readable(sequence.rows[*sent->received].time - row.time) : std::string{};
      text += lanes.arrow(time, lane(row.side), lane(row.side == 'L' ? 'S' : 'L'), sent->label, read);
    } else if (!row.note.empty()) {
      text += lanes.note(time, lane(row.side), row.note);
    }
  }
}

}  // namespace

const Move* newest_of_client(const MoveTable& table, std::string_view client) {
  return last_that(table, [&](const Move& move) { return is_of(move, client); });
}

const Move* newest_of_connection(const MoveTable& table, std::uint64_t cookie) {
  return last_that(table, [&](const Move& move) { return move.connection == cookie; });
}

const Move* newest(const MoveTable& table) {
  return last_that(table, [](const Move& move) { return move.begun(); });
}

std::vector<std::uint64_t> way_of(const MoveTable& table, const Move& move) {
  if (move.connection == 0) return {move.id};
  std::vector<std::uint64_t> ids;
  for (const Move& each : table.moves())
    if (each.connection == move.connection) ids.push_back(each.id);
  return ids;
}

std::string way_text(const std::vector<Sequence>& moves) {
  if (moves.empty()) return {};
  const Move& first = moves.front().move;
  Lanes lanes;
  // A process that the connection leaves and comes back to has one life line.
  for (const Sequence& each : moves) {
    (void)lanes.of(each.move.listener);
    (void)lanes.of(each.move.server);
  }
  std::string text = first.connection == 0 ? "connection" : "connection " + hex(first.connection);
  if (!first.client.empty()) text += " of client " + first.client;
  text += ": " + std::to_string(moves.size()) + (moves.size() == 1 ? " move\n\n" : " moves\n\n") + lanes.heads();
  for (const Sequence& each : moves) {
    text += lanes.line({}) + "\n" + std::string(time_width + 2, ' ') + "== " + each.title() + "\n";
    draw(each, first.first, lanes, text);
  }
  return text;
}

}  // namespace baton::cli
