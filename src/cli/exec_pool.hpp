// SPDX-License-Identifier: MIT
// baton: cli/exec_pool.hpp: connections from a dispatcher's pool, and a program that gets one as its standard streams.
//
// Invariant: a connection is taken only by who can start a program for it at once.
// Threads: one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "cli/pool_link.hpp"

namespace baton::cli {

/// The next connection of a dispatcher's pool, in blocking mode, if `wanted`. Waits; nothing: `other` has something to
/// read.
[[nodiscard]] std::optional<os::HandedOver> next_connection(PoolLink& link, FdRef other, bool wanted);

struct ProgramToRun {
  std::string path;
  std::vector<std::string> words;
  bool errors_too = false;  // standard error is the connection as well
};

/// Becomes the program: standard input and output are the connection, whose addresses are in the environment. Comes
/// back only where it cannot be executed, with errno.
void become(const ProgramToRun& program, os::HandedOver client);

}  // namespace baton::cli
