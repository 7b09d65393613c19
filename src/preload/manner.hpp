// SPDX-License-Identifier: MIT
// baton: preload/manner.hpp: how the program has been seen to serve: one connection at a time, or many.
//
// It serves many, so several may be announced to it (door.hpp), if it accepts again before it waits and holds what it
// has accepted, or puts what it has accepted into the epoll set in which its listening socket is. Threads: any; not in
// a Section.
#pragma once

#include "base/unique_fd.hpp"
#include "preload/listeners.hpp"

namespace baton::preload {

/// This thread is about to accept.
void sees_accept(const Listener& listener);
/// It has accepted this, from the dispatcher.
void sees_accepted(FdRef connection);
/// It adds a number to an epoll set.
void sees_added(int set, int number);

}  // namespace baton::preload
