// SPDX-License-Identifier: MIT
// baton: cli/exec_pool.hpp: connections from a dispatcher's pool, and a program that gets one as its standard streams.
//
// Invariant: a connection is taken only by who can start a program for it at once.
// Threads: one.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "cli/iso_connection.hpp"
#include "tsap/selector.hpp"

namespace baton::cli {

/// A link to the dispatcher, made anew when it has ended.
class PoolLink {
 public:
  /// `credit`: how many connections may wait here.
  PoolLink(const tsap::Selector& pool, int credit) : pool_{pool}, credit_{credit} {}

  /// The next connection, in blocking mode, if `wanted`. Nothing: `other` has something to read.
  [[nodiscard]] std::optional<UniqueFd> next(FdRef other, bool wanted);

 private:
  [[nodiscard]] bool connect();
  [[nodiscard]] std::optional<UniqueFd> take();

  tsap::Selector pool_;
  int credit_;
  std::optional<IsoNumber> link_;
};

struct ProgramToRun {
  std::string path;
  std::vector<std::string> words;
  bool errors_too = false;  // standard error is the connection as well
};

/// Becomes the program: standard input and output are the connection, whose addresses are in the environment. Comes
/// back only where it cannot be executed, with errno.
void become(const ProgramToRun& program, UniqueFd connection);

}  // namespace baton::cli
