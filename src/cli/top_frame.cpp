// SPDX-License-Identifier: MIT
#include "cli/top_frame.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <span>
#include <sstream>
#include <utility>

#include "cli/batond.hpp"
#include "cli/batond_tables.hpp"
#include "cli/units.hpp"

namespace baton::cli {
namespace {

using nlohmann::json;

/// A row of a table, and how much it had to do.
struct Row {
  std::vector<std::string> cells;
  std::uint64_t busy = 0;
};

struct Column {
  const char* head;
  Align align = Align::Right;
};

/// What has been added between two samples.
class Growth {
 public:
  Growth(const std::optional<Sample>& before, const Sample& now) {
    // Another process counts from 0.
    if (!before || number_in(before->status, "process") != number_in(now.status, "process")) return;
    before_ = &*before;
    seconds_ = std::chrono::duration<double>(now.time - before->time).count();
  }

  [[nodiscard]] const Sample* before() const noexcept { return before_; }
  /// "12.5", "1250"; "-" where nothing is known of the time before.
  [[nodiscard]] std::string rate(std::optional<std::uint64_t> grown) const {
    if (!grown || seconds_ <= 0) return "-";
    const double each_second = static_cast<double>(*grown) / seconds_;
    const double tenths = std::round(each_second * 10);
    if (tenths >= 1000) return std::to_string(std::llround(each_second));
    const auto whole = static_cast<std::uint64_t>(tenths);
    return std::to_string(whole / 10) + "." + std::to_string(whole % 10);
  }

 private:
  const Sample* before_ = nullptr;
  double seconds_ = 0;
};

std::optional<std::uint64_t> grown(const json* before, const json& now, const char* name) {
  if (before == nullptr) return std::nullopt;
  const std::uint64_t was = number_in(*before, name);
  const std::uint64_t is = number_in(now, name);
  return is >= was ? is - was : 0;
}

/// The mean of what was measured between two sums and counts; "-" where nothing was.
std::string mean(std::optional<std::uint64_t> sum, std::optional<std::uint64_t> count) {
  if (!sum || !count || *count == 0 || *sum / *count > std::numeric_limits<std::int64_t>::max()) return "-";
  return readable(Duration{*sum / *count});
}

std::optional<std::uint64_t> counter(const Status& status, const char* name) {
  const auto found = status.counters.find(name);
  return found == status.counters.end() ? std::nullopt : std::optional{found->second};
}

std::string summary(const Growth& growth, const Sample& now) {
  const json counters = object_in(now.status, "counters");
  const json before = growth.before() == nullptr ? json{} : object_in(growth.before()->status, "counters");
  const json* was = growth.before() == nullptr ? nullptr : &before;
  const auto rate = [&](const char* name) { return growth.rate(grown(was, counters, name)); };
  std::optional<std::uint64_t> ended = 0;
  for (const char* const name : {"no_route", "no_worker", "at_fault", "dissolved"}) {
    const auto each = grown(was, counters, name);
    ended = ended && each ? std::optional{*ended + *each} : std::nullopt;
  }
  return rate("moved") + " moves/s, accept to taken " +
         mean(grown(was, counters, "moved_ns"), grown(was, counters, "moved")) + "; each second refused " +
         rate("refused") + ", ended " + growth.rate(ended) + ", came back " + rate("came_back") + "; undecided " +
         cell_in(now.status, "undecided") + ", held " + cell_in(now.status, "held");
}

/// The member whose `key` is the same.
const json* same_in(const std::vector<json>& all, const json& one, const char* key) {
  const auto found = std::ranges::find_if(
      all, [&](const json& each) { return each.contains(key) && one.contains(key) && each[key] == one[key]; });
  return found == all.end() ? nullptr : &*found;
}

std::vector<Row> route_rows(const Growth& growth, const Sample& now) {
  const auto before = growth.before() == nullptr ? std::vector<json>{} : list_in(growth.before()->routes, "routes");
  std::vector<Row> rows;
  for (const json& route : list_in(now.routes, "routes")) {
    const auto more = grown(same_in(before, route, "name"), route, "connections");
    rows.push_back({{cell_in(route, "name"), destination_of(route), growth.rate(more), cell_in(route, "connections")},
                    more.value_or(0)});
  }
  return rows;
}

/// How long its clients waited: in the time since the last look, and the longest of all.
std::pair<std::string, std::string> pauses(const Growth& growth, const Sample& now, std::int64_t process) {
  const auto is = now.processes.find(process);
  if (is == now.processes.end()) return {"-", "-"};
  const auto longest = counter(is->second, "pause_longest_ns");
  const std::string worst = mean(longest, counter(is->second, "pause_count").value_or(0) > 0 ? 1 : 0);
  if (growth.before() == nullptr) return {"-", worst};
  const auto was = growth.before()->processes.find(process);
  if (was == growth.before()->processes.end()) return {"-", worst};
  const auto more = [&](const char* name) {
    const auto then = counter(was->second, name);
    const auto here = counter(is->second, name);
    return then && here && *here >= *then ? std::optional{*here - *then} : std::nullopt;
  };
  return {mean(more("pause_total_ns"), more("pause_count")), worst};
}

std::vector<Row> worker_rows(const Growth& growth, const Sample& now) {
  std::vector<json> before;
  if (growth.before() != nullptr)
    for (auto& each : workers_in(growth.before()->workers)) before.push_back(std::move(each.worker));
  std::vector<Row> rows;
  for (const auto& [pool, worker] : workers_in(now.workers)) {
    const auto more = grown(same_in(before, worker, "id"), worker, "moved");
    const auto process = static_cast<std::int64_t>(number_in(worker, "process"));
    const auto [pause, longest] = pauses(growth, now, process);
    rows.push_back({{printable_ascii(pool), cell_in(worker, "id"), cell_in(worker, "name"),
                     process == 0 ? "-" : std::to_string(process), state_of(worker), growth.rate(more),
                     cell_in(worker, "moved"), cell_in(worker, "under_way"), cell_in(worker, "credit"),
                     cell_in(worker, "refused"), cell_in(worker, "lost"), pause, longest},
                    more.value_or(0) + number_in(worker, "under_way")});
  }
  return rows;
}

/// A table of at most `room` lines; of the rows, those with the most to do, in their own order.
std::vector<std::string> table_lines(std::span<const Column> columns, std::vector<Row> rows, std::size_t room,
                                     const char* what) {
  std::size_t left_out = 0;
  if (room < 2) return {};
  if (rows.size() + 1 > room) {
    const std::size_t shown = room - 2;  // a head, and a line about the others
    std::vector<std::uint64_t> busy;
    for (const Row& each : rows) busy.push_back(each.busy);
    std::ranges::sort(busy, std::greater{});
    const std::uint64_t least = shown == 0 ? std::numeric_limits<std::uint64_t>::max() : busy[shown - 1];
    std::size_t equals =
        shown - static_cast<std::size_t>(std::ranges::count_if(busy, [&](std::uint64_t each) { return each > least; }));
    left_out = rows.size() - shown;
    std::erase_if(rows, [&](const Row& each) {
      if (each.busy > least) return false;
      return each.busy < least || equals == 0 || equals-- == 0;
    });
  }
  Table table;
  for (const Column& each : columns) table.column(each.head, each.align);
  for (Row& each : rows) table.row(std::move(each.cells));
  std::vector<std::string> lines;
  std::istringstream text{table.text()};
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  if (left_out > 0) lines.push_back("... " + std::to_string(left_out) + " " + what + " with less to do");
  return lines;
}

}  // namespace

std::vector<std::string> top_frame(const std::optional<Sample>& before, const Sample& now, ScreenSize screen) {
  constexpr std::array route_columns{Column{"route", Align::Left}, Column{"pool", Align::Left}, Column{"per s"},
                                     Column{"connections"}};
  constexpr std::array worker_columns{Column{"pool", Align::Left},
                                      Column{"id"},
                                      Column{"worker", Align::Left},
                                      Column{"process"},
                                      Column{"state", Align::Left},
                                      Column{"moves/s"},
                                      Column{"moved"},
                                      Column{"under way"},
                                      Column{"credit"},
                                      Column{"refused"},
                                      Column{"lost"},
                                      Column{"pause"},
                                      Column{"longest"}};
  const Growth growth{before, now};
  std::vector<std::string> lines{batond_line(now.status), summary(growth, now), ""};
  std::vector<Row> routes = route_rows(growth, now);
  std::vector<Row> workers = worker_rows(growth, now);
  const std::size_t room = screen.rows > lines.size() + 1 ? screen.rows - lines.size() - 1 : 0;
  // Half of it for each, and what one does not need for the other.
  const std::size_t for_workers = std::max(room / 2, room - std::min(room, routes.size() + 1));
  const std::size_t for_routes = room - std::min(room, std::min(for_workers, workers.size() + 1));
  for (std::string& line : table_lines(route_columns, std::move(routes), for_routes, "routes"))
    lines.push_back(std::move(line));
  lines.emplace_back();
  for (std::string& line : table_lines(worker_columns, std::move(workers), for_workers, "workers"))
    lines.push_back(std::move(line));
  if (lines.size() > screen.rows) lines.resize(screen.rows);
  for (std::string& line : lines)
    if (line.size() > screen.columns) line.resize(screen.columns);
  return lines;
}

}  // namespace baton::cli
