// SPDX-License-Identifier: MIT
// baton: cli/top_frame.hpp: what `baton top` shows: batond's routes and workers, and what they did since the last look.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "cli/status_table.hpp"
#include "cli/terminal.hpp"

namespace baton::cli {

/// What there was at one time: batond's answers (dispatch/control.hpp), and those of its workers that answer.
struct Sample {
  Instant time{};
  nlohmann::json status;
  nlohmann::json routes;
  nlohmann::json workers;
  std::map<std::int64_t, Status> processes;
};

/// Lines of printable ASCII, at most as many and as long as the screen has room for. Rates need a sample before, of the
/// same batond. Where not all routes or workers have room, those with the most to do are shown.
[[nodiscard]] std::vector<std::string> top_frame(const std::optional<Sample>& before, const Sample& now,
                                                 ScreenSize screen);

}  // namespace baton::cli
