// SPDX-License-Identifier: MIT
// baton: cli/batond_tables.hpp: batond's answers (dispatch/control.hpp) -> what people read.
//
// Threads: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace baton::cli {

/// One worker, and the pool that it is in.
struct PooledWorker {
  std::string pool;
  nlohmann::json worker;
};
/// Of the answer to "workers": all of them, or those of the pool.
[[nodiscard]] std::vector<PooledWorker> workers_in(const nlohmann::json& answer, const std::string& pool = {});
/// "up", "down", "draining".
[[nodiscard]] std::string state_of(const nlohmann::json& worker);

/// "batond 0.1.0, process 4711, up 2 min 5 s, configuration /etc/baton/batond.toml".
[[nodiscard]] std::string batond_line(const nlohmann::json& status);
/// From accept to taken, on the average of all moves: "81.5 us", "-".
[[nodiscard]] std::string mean_way(const nlohmann::json& counters);
/// Of the answers to "status" and "workers": connections, listeners, pools.
[[nodiscard]] std::string status_text(const nlohmann::json& status, const nlohmann::json& workers);
/// Where a route leads: the pool, "(TSAP called)" or "(refused)".
[[nodiscard]] std::string destination_of(const nlohmann::json& route);
/// Of the answer to "routes".
[[nodiscard]] std::string routes_table(const nlohmann::json& answer);
[[nodiscard]] std::string workers_table(const std::vector<PooledWorker>& workers);

}  // namespace baton::cli
