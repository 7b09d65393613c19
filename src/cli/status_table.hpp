// SPDX-License-Identifier: MIT
// baton: cli/status_table.hpp: what processes answer on their status sockets (endpoint/statistics.cpp) -> a table.
//
// An answer is anybody's octets. Threads: pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace baton::cli {

struct Status {
  std::int64_t pid = 0;                           // by the name of its socket
  std::map<std::string, std::uint64_t> counters;  // what else the document says, numbers only
};

/// Nothing where the document is no JSON object.
[[nodiscard]] std::optional<Status> parse_status(std::int64_t pid, std::string_view document);

/// One line for each process; "-" for what it does not say.
[[nodiscard]] std::string table_of(std::span<const Status> processes);

/// batond, and what it answers on its control socket (dispatch/control.hpp).
struct Dispatcher {
  std::int64_t pid = 0;
  nlohmann::json status;
  nlohmann::json workers;
};
/// A JSON array of the processes' objects, one on a line. batond's has the members "batond" and "pools" too.
[[nodiscard]] std::string json_of(std::span<const Status> processes, const std::optional<Dispatcher>& batond = {});

}  // namespace baton::cli
