// SPDX-License-Identifier: MIT
// baton: cli/verbs.hpp: the verbs of the command line, one file each.
//
// add_*() describes a verb's options to CLI11; when the words of the command line name the verb, `action` becomes what
// it does. Exit statuses are those of ExitStatus, and those of programs that a verb runs. Threads: one.
#pragma once

#include <functional>
#include <iosfwd>

namespace CLI {  // NOLINT(readability-identifier-naming): the name is the library's
class App;
}

namespace baton::cli {

enum class ExitStatus : int {
  Ok = 0,
  Failed = 1,    // not found, or it could not be done; a sentence on `err` says why
  Usage = 2,     // the words of the command line are wrong
  Findings = 3,  // of `check` and `reload`: the configuration has errors, which are on `out`
  // Of verbs that run another program, as env(1) and timeout(1) have them; else the status is that program's.
  NotBegun = 125,       // baton's own failure, wrong words too
  CannotExecute = 126,  // the program is there and cannot be executed
  NoProgram = 127,      // the program is not there
};

/// Writes results to `out` and sentences about failures to `err`.
using Action = std::function<ExitStatus(std::ostream& out, std::ostream& err)>;

/// `baton trace`: trace_verb.cpp.
void add_trace(CLI::App& app, Action& action);
/// `baton status`: status_verb.cpp.
void add_status(CLI::App& app, Action& action);
/// `baton iso`: iso_verbs.cpp.
void add_iso(CLI::App& app, Action& action);
/// `baton serve`: serve_verb.cpp.
void add_serve(CLI::App& app, Action& action);
/// `baton exec`: exec_verb.cpp.
void add_exec(CLI::App& app, Action& action);

/// `baton routes`, `workers`, `drain`, `reload`, `upgrade`: batond_verbs.cpp.
void add_batond(CLI::App& app, Action& action);
/// `baton top`: top_verb.cpp.
void add_top(CLI::App& app, Action& action);
/// `baton check`: check_verb.cpp.
void add_check(CLI::App& app, Action& action);

/// The whole program: `words` without the program's name.
[[nodiscard]] ExitStatus run(int count, const char* const* words, std::ostream& out, std::ostream& err);

}  // namespace baton::cli
