// SPDX-License-Identifier: MIT
// baton: dispatch/journal.hpp: batond's log: lines on standard error, as systemd's journal takes them.
//
// Where standard error is the stream that $JOURNAL_STREAM names, a line begins with its priority (sd-daemon(3)) and has
// no time, else with the time: the variable alone is inherited by processes whose standard error goes elsewhere.
// Threads: any.
#pragma once

#include <spdlog/spdlog.h>

#include "routing/configuration.hpp"

namespace baton::dispatch {

[[nodiscard]] spdlog::logger& journal();
void set_log_level(routing::LogLevel level);

}  // namespace baton::dispatch
