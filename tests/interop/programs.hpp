// SPDX-License-Identifier: MIT
// baton: interop/programs.hpp: programs that are not ours, as children of a test.
//
// become() is for a role, the others are for the test's process, which forks. Threads: one.
#pragma once

#include <string>
#include <vector>

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "support/process.hpp"

namespace baton::interop {

using Command = std::vector<std::string>;

/// Longest that a program may take.
inline constexpr Duration program_time = std::chrono::seconds{60};

/// A program of peers/ in node.
[[nodiscard]] Command node_program(std::string name, std::vector<std::string> arguments);
/// The role's process becomes the program.
[[noreturn]] void become(Command command);
/// Runs it: what it has written to its standard output. Its success is required.
[[nodiscard]] std::string output_of(const Command& command);

/// A program that serves the test while it lives, and says so in a line on its standard output.
class Background {
 public:
  Background(std::string name, Command command);
  /// The next line that it writes.
  [[nodiscard]] std::string line();
  /// Asks it to end (SIGTERM). Its success is required.
  void end();

 private:
  UniqueFd output_;
  std::vector<test::Child> child_;
};

}  // namespace baton::interop
