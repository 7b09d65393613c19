// SPDX-License-Identifier: MIT
// baton: os/accept_trap.hpp: another process answers a program's listen and accept (seccomp_unotify(2), since
// Linux 5.14).
//
// For programs whose calls no library reaches: static ones, and those that make their system calls themselves.
//
//   set_accept_trap(), then execve   ->  the program, its children, and theirs
//   accept(7) ...                    ->  next_trapped() in whoever has the descriptor  ->  answer(), give_answer(),
//   pass()
//
// A signal may end the wait of who has asked: then the answer fails with ENOENT, and most often it asks again.
// Only calls of this machine's own instruction set are trapped (seccomp(2)). Threads: any.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "base/unique_fd.hpp"
#include "os/result.hpp"
#include "os/socket.hpp"

namespace baton::os {

/// A call that waits for its answer.
struct TrappedCall {
  enum class Kind { Listen, Accept };
  std::uint64_t id = 0;
  pid_t thread = 0;
  Kind kind = Kind::Accept;
  int number = -1;            // its socket
  int backlog = 0;            // Listen
  int flags = 0;              // Accept: SOCK_NONBLOCK, SOCK_CLOEXEC
  std::uint64_t address = 0;  // Accept: where the program wants the peer's address, and its size; 0: nowhere
  std::uint64_t size = 0;
};

/// From now on listen(2), accept(2) and accept4(2) of the calling thread are trapped, and of what it becomes or starts.
/// Gives the descriptor that reads them, close-on-exec; where it is closed, they fail with ENOSYS. Polls POLLHUP when
/// no process is trapped any more. A caller without CAP_SYS_ADMIN loses what set-user-ID programs would give it
/// (PR_SET_NO_NEW_PRIVS). EBUSY: somebody traps this process already. EINVAL, ENOSYS: the kernel cannot.
[[nodiscard]] Result<UniqueFd> set_accept_trap() noexcept;

/// The next call; waits for one unless `trap` polls POLLIN. Nothing: it was given up meanwhile.
[[nodiscard]] Result<std::optional<TrappedCall>> next_trapped(FdRef trap) noexcept;
/// Whether it still waits. What was opened by `thread` before is that thread's then, for its number cannot have been
/// used again.
[[nodiscard]] bool still_waits(FdRef trap, const TrappedCall& call) noexcept;

/// The call gives `result`: 0, or an errno where it is negative.
Result<void> answer(FdRef trap, const TrappedCall& call, int result) noexcept;
/// accept gives a duplicate of `connection` in the program's table. EMFILE: the table is full.
Result<void> give_answer(FdRef trap, const TrappedCall& call, FdRef connection) noexcept;
/// The kernel does what the program asked for.
Result<void> pass(FdRef trap, const TrappedCall& call) noexcept;

/// Writes `peer` where the program wants it, cut to the room it has, as accept(2) does. EFAULT: there is no such
/// memory. ENOENT: the call waits no more. EACCES: that process may not be looked into (ptrace(2)).
Result<void> tell_peer(FdRef trap, const TrappedCall& call, const Address& peer);

/// A duplicate of the socket's descriptor, close-on-exec (pidfd_getfd(2)). ENOENT as above; EPERM: as EACCES above.
[[nodiscard]] Result<UniqueFd> socket_of(FdRef trap, const TrappedCall& call);

}  // namespace baton::os
