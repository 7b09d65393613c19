// SPDX-License-Identifier: MIT
// baton: os/wake.hpp: ends another process's wait: the mechanism under soc_wake.
//
// A process that waits in the library owns the datagram socket `wake/<pid>` of the runtime folder and waits on it too;
// waking sends it one datagram. A wake that comes before the wait stays queued for it. Where a dead user's socket of
// that name cannot be removed (sticky folder), the name is `wake/<pid>.<uid>`.
//
// Invariant: a process has at most one wake socket, made by itself: a forked child makes its own at its first call.
// Three descriptors stay open for the life of the process: the socket, one connected to it, and the folder. A number
// that somebody else closed and used again is recognised and never touched. The name goes at exit(3).
// Threads: every function is free; wake() may also be called in a signal handler.
#pragma once

#include <sys/types.h>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// This process's wake socket, made at the first call: non-blocking, close-on-exec, 0600; readable when woken.
/// wake() of this process gives ESRCH until then. Errors: those of open_for_bind("wake"), socket(2) and bind(2).
[[nodiscard]] Result<FdRef> own_wake_socket();

/// Consumes every wake that is queued; true if there was one.
bool drain_wake(FdRef socket) noexcept;

/// Wakes the process `pid`, now or in its next wait; one already pending is enough. Async-signal-safe, keeps errno.
/// Errors: ESRCH no such process, or it has no wake socket in a folder of our search; EACCES it is another user's
/// (root may wake all); EMFILE, ENFILE, ENOMEM, ENOBUFS.
Result<void> wake(pid_t pid) noexcept;

}  // namespace baton::os
