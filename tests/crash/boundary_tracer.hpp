// SPDX-License-Identifier: MIT
// baton: crash/boundary_tracer.hpp: kills a process from outside at an entry into or a return from a system call.
//
// For rounds whose victim is a child of the judge and has one thread that matters (groups, unread CRs). What had been
// sent and received by then is read from the system calls, without the library's own word. Not under sanitizers:
// LeakSanitizer traces the process itself. Threads: one.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>

#include "handoff/frames.hpp"

namespace baton::crash {

struct Boundary {
  std::uint64_t nth = 1;
  /// Whether the victim is on its way. Only then boundaries count; once it no longer is, it is let go.
  std::function<bool()> moving;
  /// A frame has been sent, or received and not only looked at.
  std::function<void(handoff::FrameType type, bool sent)> on_frame = [](handoff::FrameType, bool) {};
  /// A system call has returned.
  std::function<void(std::uint64_t call)> on_return = [](std::uint64_t) {};
  /// One begins, and the victim lives.
  std::function<void(std::uint64_t call)> on_entry = [](std::uint64_t) {};
  /// Just before the kill.
  std::function<void()> on_kill;
};

/// In the victim, where its way begins: waits for the tracer.
void ask_for_the_tracer();
/// In its parent. Returns when the victim has been killed or let go; it is still to be reaped. One that ends before
/// that fails the caller.
void kill_at(const Boundary& boundary, pid_t victim);

}  // namespace baton::crash
