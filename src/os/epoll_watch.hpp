// SPDX-License-Identifier: MIT
// baton: os/epoll_watch.hpp: whether an epoll set of this process still watches a descriptor.
//
// A registration belongs to the open file: it goes on telling of an end point that has long been moved, and cannot be
// removed any more once the number is closed (epoll(7)). Reading all fdinfo takes a system call for each epoll
// descriptor: for tests. Threads: any; what other threads register meanwhile may be missed.
#pragma once

#include "base/unique_fd.hpp"

namespace baton::os {

/// True if some epoll descriptor of this process has the file that `descriptor` names, under whatever number.
[[nodiscard]] bool watched_by_epoll(FdRef descriptor);

}  // namespace baton::os
