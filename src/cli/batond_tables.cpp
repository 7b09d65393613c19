// SPDX-License-Identifier: MIT
#include "cli/batond_tables.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "cli/batond.hpp"
#include "cli/units.hpp"

namespace baton::cli {
namespace {

using nlohmann::json;

struct Column {
  const char* head;
  const char* member;
  Align align = Align::Right;
};

std::string table_of(std::span<const Column> columns, const std::vector<json>& rows) {
  Table table;
  for (const Column& each : columns) table.column(each.head, each.align);
  for (const json& row : rows) {
    std::vector<std::string> cells;
    for (const Column& each : columns) cells.push_back(cell_in(row, each.member));
    table.row(std::move(cells));
  }
  return table.text();
}

std::string connections_table(const json& status) {
  constexpr std::array columns{
      Column{"recognised", "arrived"}, Column{"moved", "moved"},         Column{"came back", "came_back"},
      Column{"no route", "no_route"},  Column{"no worker", "no_worker"}, Column{"refused", "refused"},
      Column{"at fault", "at_fault"},  Column{"dissolved", "dissolved"}, Column{"undecided", "undecided"},
      Column{"held", "held"},          Column{"accept to taken", "way"}};
  json row = object_in(status, "counters");
  row["way"] = mean_way(row);
  for (const char* const name : {"undecided", "held"}) row[name] = number_in(status, name);
  return table_of(columns, {row});
}

std::string listeners_table(const json& status) {
  constexpr std::array columns{Column{"listener", "name", Align::Left},
                               Column{"address", "address", Align::Left},
                               Column{"accepted", "accepted"},
                               Column{"waiting", "waiting"},
                               Column{"gone", "gone"},
                               Column{"too many", "too_many"},
                               Column{"unwelcome", "unwelcome"},
                               Column{"late", "late"}};
  return table_of(columns, list_in(status, "listeners"));
}

/// Empty where nobody has called any.
std::string called_table(const json& answer) {
  constexpr std::array columns{Column{"TSAP called", "tsap", Align::Left}, Column{"moved", "moved"},
                               Column{"refused", "refused"}};
  std::vector<json> rows = list_in(answer, "called_tsaps");
  if (rows.empty()) return {};
  for (json& each : rows)
    if (each.value("tsap", json{}).is_null()) each["tsap"] = "(others)";
  return '\n' + table_of(columns, rows);
}

std::string pools_table(const json& workers) {
  constexpr std::array columns{Column{"pool", "name", Align::Left},
                               Column{"kind", "kind", Align::Left},
                               Column{"up", "up"},
                               Column{"credit", "credit"},
                               Column{"under way", "under_way"},
                               Column{"moved", "moved"},
                               Column{"refused", "refused"},
                               Column{"lost", "lost"},
                               Column{"copying", "copying"},
                               Column{"not reached", "connect_failures"}};
  std::vector<json> pools = list_in(workers, "pools");
  for (json& pool : pools) {
    const auto members = list_in(pool, "workers");
    const auto sum = [&members](const char* name) {
      std::uint64_t all = 0;
      for (const json& each : members) all += number_in(each, name);
      return all;
    };
    const auto up = std::ranges::count_if(members, [](const json& each) { return flag_in(each, "up"); });
    pool["up"] = std::to_string(up) + " of " + std::to_string(members.size());
    for (const char* const name : {"credit", "under_way"}) pool[name] = sum(name);
  }
  return table_of(columns, pools);
}

}  // namespace

std::vector<PooledWorker> workers_in(const json& answer, const std::string& pool) {
  std::vector<PooledWorker> all;
  for (const json& each : list_in(answer, "pools")) {
    const std::string name = each.value("name", json{}).is_string() ? each["name"].get<std::string>() : "";
    if (!pool.empty() && name != pool) continue;
    for (json& worker : list_in(each, "workers")) all.push_back({name, std::move(worker)});
  }
  return all;
}

std::string state_of(const json& worker) {
  if (!flag_in(worker, "up")) return "down";
  if (flag_in(worker, "late")) return "late";
  return flag_in(worker, "draining") ? "draining" : "up";
}

std::string batond_line(const json& status) {
  return "batond " + cell_in(status, "version") + ", process " + cell_in(status, "process") + ", up " +
         readable_uptime(number_in(status, "uptime_s")) + ", configuration " + cell_in(status, "configuration") +
         (flag_in(status, "draining") ? ", draining: it accepts no more" : "");
}

std::string mean_way(const json& counters) {
  const std::uint64_t moved = number_in(counters, "moved");
  if (moved == 0) return "-";
  return readable(Duration{number_in(counters, "moved_ns") / moved});
}

std::string status_text(const json& status, const json& workers) {
  std::string text = batond_line(status) + "\n\n" + connections_table(status);
  if (!list_in(status, "listeners").empty()) text += '\n' + listeners_table(status);
  if (!list_in(workers, "pools").empty()) text += '\n' + pools_table(workers);
  return text + called_table(status);
}

std::string destination_of(const json& route) {
  if (!route.value("pool", json{}).is_null()) return cell_in(route, "pool");
  return flag_in(route, "to_called_tsap") ? "(TSAP called)" : "(refused)";
}

std::string routes_table(const json& answer) {
  constexpr std::array columns{Column{"route", "name", Align::Left}, Column{"pool", "pool", Align::Left},
                               Column{"connections", "connections"}};
  std::vector<json> routes = list_in(answer, "routes");
  for (json& each : routes) each["pool"] = destination_of(each);
  return table_of(columns, routes) + called_table(answer);
}

std::string workers_table(const std::vector<PooledWorker>& workers) {
  constexpr std::array columns{Column{"pool", "pool", Align::Left},
                               Column{"id", "id"},
                               Column{"worker", "name", Align::Left},
                               Column{"process", "process"},
                               Column{"state", "state", Align::Left},
                               Column{"weight", "weight"},
                               Column{"credit", "credit"},
                               Column{"under way", "under_way"},
                               Column{"moved", "moved"},
                               Column{"refused", "refused"},
                               Column{"lost", "lost"}};
  std::vector<json> rows;
  for (const auto& [pool, worker] : workers) {
    json row = worker;
    row["pool"] = pool;
    row["state"] = state_of(worker);
    if (number_in(worker, "process") == 0) row["process"] = "-";
    rows.push_back(std::move(row));
  }
  return table_of(columns, rows);
}

}  // namespace baton::cli
