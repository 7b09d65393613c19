// SPDX-License-Identifier: MIT
// baton: dispatch/service.hpp: the process batond: its configuration file, signals, systemd, control socket, metrics.
//
//   start --> runs --SIGHUP, {"do": "reload"}--> the new configuration, or the one before with a sentence why
//              |
//              +--SIGTERM, SIGINT, {"do": "drain"}--> drains --nothing is under way any more, or a second signal-->
//              |                                        ^                                                       ended
//              +--SIGUSR2, {"do": "upgrade"}--> another batond takes over, or this one goes on (upgrade.hpp)
//
// One that another batond has started takes over before it runs (predecessor.hpp).
// Threads: one.
#pragma once

#include <string>
#include <vector>

namespace baton::dispatch {

enum class ExitStatus : int {
  Ok = 0,
  Failed = 1,         // it could not start; a sentence says why
  Usage = 2,          // the words of the command line are wrong
  Configuration = 3,  // the configuration has errors
};

/// `check`: says what is wrong with the configuration, on standard output, and ends. `words`: the command line, with
/// which an upgrade starts the program again.
[[nodiscard]] ExitStatus run_service(const std::string& path, bool check, std::vector<std::string> words);

}  // namespace baton::dispatch
