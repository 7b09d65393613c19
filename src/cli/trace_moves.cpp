// SPDX-License-Identifier: MIT
#include "cli/trace_moves.hpp"

#include <algorithm>
#include <array>
#include <iomanip>
#include <ostream>
#include <utility>

#include "cli/units.hpp"

namespace baton::cli {
namespace {

constexpr unsigned bit_of(Step step) noexcept { return 1U << static_cast<unsigned>(step); }

std::optional<Duration> between(const std::optional<Instant>& from, const std::optional<Instant>& to) noexcept {
  if (!from || !to) return std::nullopt;
  return *to - *from;
}

}  // namespace

bool begins_move(const TraceEvent& event) noexcept {
  return event.step == Step::Offer || event.step == Step::CallExpress;
}

void Move::add(const TraceEvent& event) {
  id = event.move;
  first = std::min(first, event.time);
  const char side = side_of(event);
  if (side == 'L') listener = event.pid;
  if (side == 'S') server = event.pid;
  seen |= bit_of(event.step);
  if (event.connection != 0) connection = event.connection;
  if (!event.client.empty()) client = event.client;
  if (event.step == Step::Offer) offered = event.time;
  if (event.step == Step::DataStop) stopped = event.time;
  if (event.step == Step::Taken) taken = event.time;
  if (event.step == Step::DataStopLifted || event.step == Step::TouchedReset) lifted = event.time;
  if (event.step == Step::Received && event.detail == "CANCELLED") seen |= bit_of(Step::Cancelled);
  if (event.step == Step::NotTaken || (event.step == Step::Outcome && event.detail != "taken")) {
    seen |= bit_of(Step::NotTaken);
    why = event.detail;
  }
}

Ending Move::ending() const noexcept {
  const bool called = has(Step::Call) || has(Step::CallExpress);
  if (has(Step::TouchedReset)) return Ending::Touched;
  if (has(Step::Moved)) return Ending::Moved;
  if (has(Step::Abandoned)) return Ending::Abandoned;
  if (has(Step::Taken)) return Ending::MovedUnseen;
  if (has(Step::AnswerRefused)) return Ending::Refused;
  if (has(Step::NotTaken)) return Ending::GivenBack;
  if (has(Step::Cancelled) || (has(Step::Cancel) && !called)) return Ending::Cancelled;
  if (has(Step::DataStopLifted)) return Ending::GivenBack;
  return Ending::Open;
}

std::string Move::outcome() const {
  switch (ending()) {
    case Ending::Moved:
      return "moved";
    case Ending::MovedUnseen:
      return "moved, L has not read it";
    case Ending::Refused:
      return "refused";
    case Ending::GivenBack:
      return why.empty() ? "given back" : "given back: " + why;
    case Ending::Cancelled:
      return "cancelled";
    case Ending::Touched:
      return "touched: connection reset";
    case Ending::Abandoned:
      return has(Step::Taken) ? "abandoned by L, taken by S" : "abandoned";
    case Ending::Open:
      break;
  }
  if (has(Step::Call) || has(Step::CallExpress)) return has(Step::Cancel) ? "in doubt, called off" : "in doubt";
  if (has(Step::DataStop)) return "stopped, not called";
  return has(Step::AnswerAccepted) ? "answered, not called" : "offered";
}

std::optional<Duration> Move::duration() const noexcept {
  // S may have read the OFFER before L wrote its line.
  return offered ? between(first, taken) : std::nullopt;
}

std::optional<Duration> Move::pause() const noexcept { return between(stopped, taken ? taken : lifted); }

void MoveTable::add(const TraceEvent& event) {
  if (event.move == 0) return;
  const auto [entry, fresh] = last_.try_emplace(event.move, moves_.size());
  if (fresh || (begins_move(event) && moves_[entry->second].begun())) {
    entry->second = moves_.size();
    moves_.emplace_back();
  }
  moves_[entry->second].add(event);
}

const Move* MoveTable::find(std::uint64_t id) const {
  const auto found = last_.find(id);
  return found == last_.end() ? nullptr : &moves_[found->second];
}

std::vector<std::uint64_t> MoveTable::near(std::uint64_t id, std::size_t count) const {
  std::vector<std::uint64_t> ids;
  ids.reserve(last_.size());
  for (const auto& [each, place] : last_) ids.push_back(each);
  const auto distance = [id](std::uint64_t each) { return std::pair{each > id ? each - id : id - each, each}; };
  const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(std::min(count, ids.size()));
  std::ranges::partial_sort(ids, middle, {}, distance);
  ids.erase(middle, ids.end());
  return ids;
}

std::uint64_t write_list(std::ostream& out, const MoveTable& table, Instant since, Instant until) {
  const auto line = [&out](const std::array<std::string, 7>& cells) {
    // Fixed widths: the lines go out one by one, however many they are.
    out << std::left << std::setw(16) << cells[0] << std::right;
    constexpr std::array<int, 5> widths{9, 9, 11, 11, 11};
    for (std::size_t i = 0; i < widths.size(); ++i) out << std::setw(widths[i]) << cells[i + 1];
    out << "  " << cells[6] << '\n';
  };
  const auto process = [](std::int64_t pid) { return pid == 0 ? std::string{"-"} : std::to_string(pid); };
  std::array<std::uint64_t, 8> sums{};
  std::uint64_t shown = 0;
  Instant begin{};
  for (const Move& move : table.moves()) {
    if (move.first < since || move.first > until) continue;
    if (shown++ == 0) {
      begin = move.first;
      line({"move", "L pid", "S pid", "begins at", "duration", "data stop", "outcome"});
    }
    ++sums[static_cast<std::size_t>(move.ending())];
    line({hex(move.id), process(move.listener), process(move.server), readable(move.first - begin),
          readable(move.duration()), readable(move.pause()),
          move.outcome() + (move.has(Step::CallExpress) ? " (express)" : "")});
  }
  if (shown == 0) return 0;
  const auto sum = [&sums](Ending ending) { return sums[static_cast<std::size_t>(ending)]; };
  out << shown << (shown == 1 ? " move: " : " moves: ") << sum(Ending::Moved) + sum(Ending::MovedUnseen) << " moved";
  for (const auto& [ending, name] : std::array<std::pair<Ending, const char*>, 6>{{{Ending::Refused, "refused"},
                                                                                   {Ending::GivenBack, "given back"},
                                                                                   {Ending::Cancelled, "cancelled"},
                                                                                   {Ending::Touched, "touched"},
                                                                                   {Ending::Abandoned, "abandoned"},
                                                                                   {Ending::Open, "without outcome"}}})
    if (sum(ending) > 0) out << ", " << sum(ending) << ' ' << name;
  out << ".\n";
  return shown;
}

}  // namespace baton::cli
