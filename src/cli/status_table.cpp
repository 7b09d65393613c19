// SPDX-License-Identifier: MIT
#include "cli/status_table.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "cli/units.hpp"

namespace baton::cli {
namespace {

std::optional<std::uint64_t> counter(const Status& status, const char* name) {
  const auto found = status.counters.find(name);
  if (found == status.counters.end()) return std::nullopt;
  return found->second;
}

std::string pause(std::optional<std::uint64_t> ns) {
  if (!ns || *ns > std::numeric_limits<std::int64_t>::max()) return "-";
  return readable(Duration{*ns});
}

std::optional<std::uint64_t> mean_pause(const Status& status) {
  const auto count = counter(status, "pause_count");
  const auto total = counter(status, "pause_total_ns");
  if (!count || !total || *count == 0) return std::nullopt;
  return *total / *count;
}

}  // namespace

std::optional<Status> parse_status(std::int64_t pid, std::string_view document) {
  const auto parsed = nlohmann::json::parse(document, nullptr, false);
  if (!parsed.is_object()) return std::nullopt;
  Status status{.pid = pid, .counters = {}};
  for (const auto& [name, value] : parsed.items())
    if (value.is_number_unsigned() && name != "pid") status.counters.emplace(name, value.get<std::uint64_t>());
  return status;
}

std::string table_of(std::span<const Status> processes) {
  constexpr std::array<std::pair<const char*, const char*>, 7> columns{{{"moved", "moved"},
                                                                        {"taken", "taken"},
                                                                        {"in doubt", "in_doubt"},
                                                                        {"given back", "given_back"},
                                                                        {"refused", "refused"},
                                                                        {"touched", "touched"},
                                                                        {"links", "links"}}};
  Table table;
  table.column("pid", Align::Right);
  for (const auto& [head, name] : columns) table.column(head, Align::Right);
  table.column("longest pause", Align::Right);
  table.column("mean pause", Align::Right);
  for (const Status& status : processes) {
    std::vector<std::string> cells{std::to_string(status.pid)};
    for (const auto& [head, name] : columns) {
      const auto value = counter(status, name);
      cells.push_back(value ? std::to_string(*value) : "-");
    }
    const bool paused = counter(status, "pause_count").value_or(0) > 0;
    cells.push_back(paused ? pause(counter(status, "pause_longest_ns")) : "-");
    cells.push_back(pause(mean_pause(status)));
    table.row(std::move(cells));
  }
  return table.text();
}

std::string json_of(std::span<const Status> processes, const std::optional<Dispatcher>& batond) {
  std::vector<nlohmann::json> objects;
  if (batond && std::ranges::find(processes, batond->pid, &Status::pid) == processes.end())
    objects.push_back({{"pid", batond->pid}});
  for (const Status& status : processes) {
    objects.emplace_back(status.counters);
    objects.back()["pid"] = status.pid;
  }
  std::string text = "[";
  for (nlohmann::json& object : objects) {
    if (batond && object["pid"] == batond->pid) {
      object["batond"] = batond->status;
      object["batond"].erase("ok");
      object["pools"] = batond->workers.value("pools", nlohmann::json::array());
    }
    constexpr int on_one_line = -1;
    text += (text.size() == 1 ? "\n" : ",\n") +
            object.dump(on_one_line, ' ', true, nlohmann::json::error_handler_t::replace);
  }
  return text + "\n]\n";
}

}  // namespace baton::cli
