// SPDX-License-Identifier: MIT
// baton: cli/status_processes.hpp: asks the processes of this host that answer on a status socket.
//
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "cli/status_table.hpp"

namespace baton::cli {

/// Of each process.
inline constexpr std::chrono::seconds status_patience{2};

/// Each process once, by the number of the process; `pid` 0: all of them. `failed` gets an errno: ENOENT no such name,
/// ECONNREFUSED it has ended, EACCES it is another user's, ETIMEDOUT no answer within status_patience, EBADMSG an
/// answer that is none.
void ask_processes(std::int64_t pid, const std::function<void(Status)>& answered,
                   const std::function<void(std::int64_t pid, int error)>& failed);

}  // namespace baton::cli
