// SPDX-License-Identifier: MIT
// baton: os/descriptors.hpp: the open descriptors of this process, as /proc shows them.
//
// Threads: any; what others open and close meanwhile may be missed.
#pragma once

#include <cstddef>
#include <vector>

#include "base/unique_fd.hpp"

namespace baton::os {

/// Their numbers; empty where /proc cannot be read. Slow: a call for each few hundred.
[[nodiscard]] std::vector<int> open_descriptors();

/// How many this process may have (RLIMIT_NOFILE, soft), at least 1.
[[nodiscard]] std::size_t descriptor_limit() noexcept;

/// Whether it is the file that JOURNAL_STREAM names, "device:inode" in decimal (systemd.exec(5)); `named` may be null.
[[nodiscard]] bool is_journal_stream(FdRef descriptor, const char* named) noexcept;

}  // namespace baton::os
