// SPDX-License-Identifier: MIT
// baton: cli/program_file.hpp: the file of a program that is to be run, and whether a library can be put before it.
//
// Threads: one.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "cli/verbs.hpp"

namespace baton::cli {

/// Why there is no such program: a sentence without its full stop, and the status to exit with.
struct NoProgram {
  std::string sentence;
  ExitStatus status = ExitStatus::NoProgram;
};

/// The file that execvp(3) would take for `name`.
[[nodiscard]] std::expected<std::string, NoProgram> find_program(std::string_view name);

/// Why LD_PRELOAD does not reach the calls of a program.
struct Obstacle {
  std::string sentence;      // without its full stop
  bool only_preload = true;  // the program's calls can be answered from outside
};
/// Of the program in this file, or of the interpreter that its first line names. Nothing: there is none, as far as the
/// file tells.
[[nodiscard]] std::optional<Obstacle> preload_obstacle(const std::string& path);

}  // namespace baton::cli
