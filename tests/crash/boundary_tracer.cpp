// SPDX-License-Identifier: MIT
#include "crash/boundary_tracer.hpp"

#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "support/process.hpp"

namespace baton::crash {
namespace {

class Tracer {
 public:
  Tracer(const Boundary& boundary, pid_t victim) : boundary_{boundary}, victim_{victim} {}

  void run() {
    int status = 0;
    test::checked(::waitpid(victim_, &status, 0), "waitpid");
    test::require(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "the victim stops where its way begins");
    test::checked(::ptrace(PTRACE_SETOPTIONS, victim_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), "options");
    for (long signal = 0;;) {
      test::checked(::ptrace(PTRACE_SYSCALL, victim_, nullptr, signal), "PTRACE_SYSCALL");
      if (::waitpid(victim_, &status, 0) != victim_) test::fail_call("waitpid");
      test::require(WIFSTOPPED(status), "the victim failed");
      signal = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
      if (signal != 0) continue;
      if (on_boundary()) return;
      if (boundary_.moving()) continue;
      test::checked(::ptrace(PTRACE_DETACH, victim_, nullptr, nullptr), "PTRACE_DETACH");
      return;
    }
  }

 private:
  /// True: that was the one.
  bool on_boundary() {
    __ptrace_syscall_info info{};
    test::checked(::ptrace(PTRACE_GET_SYSCALL_INFO, victim_, sizeof info, &info), "PTRACE_GET_SYSCALL_INFO");
    const bool begins = info.op == PTRACE_SYSCALL_INFO_ENTRY;
    if (begins) {
      entered_ = info;
    } else {
      if (info.exit.rval > 0) note_frame(entered_.entry.nr, entered_.entry.args);
      boundary_.on_return(entered_.entry.nr);
    }
    if (boundary_.moving() && ++passed_ == boundary_.nth) {
      boundary_.on_kill();
      test::checked(::kill(victim_, SIGKILL), "kill");
      return true;
    }
    if (begins) boundary_.on_entry(entered_.entry.nr);
    return false;
  }

  /// What the victim has sent or received, if it was a frame.
  void note_frame(std::uint64_t call, const __uint64_t* arguments) {
    constexpr std::uint64_t peek = 2;  // MSG_PEEK
    if (call != SYS_sendmsg && (call != SYS_recvmsg || (arguments[2] & peek) != 0)) return;
    msghdr message{};
    iovec part{};
    std::array<std::byte, handoff::header_size> head{};
    if (!read(arguments[1], &message, sizeof message) || message.msg_iovlen == 0) return;
    if (!read(reinterpret_cast<std::uintptr_t>(message.msg_iov), &part, sizeof part)) return;
    if (part.iov_len < head.size() || !read(reinterpret_cast<std::uintptr_t>(part.iov_base), head.data(), head.size()))
      return;
    if (handoff::is_frame(head))
      boundary_.on_frame(static_cast<handoff::FrameType>(handoff::type_of(head)), call == SYS_sendmsg);
  }
  bool read(std::uint64_t address, void* to, std::size_t size) const {
    iovec here{to, size};
    iovec there{reinterpret_cast<void*>(address), size};
    return ::process_vm_readv(victim_, &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
  }

  const Boundary& boundary_;
  const pid_t victim_;
  std::uint64_t passed_ = 0;
  __ptrace_syscall_info entered_{};
};

}  // namespace

void ask_for_the_tracer() {
  test::checked(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr), "PTRACE_TRACEME");
  test::checked(::kill(::getpid(), SIGSTOP), "SIGSTOP");
}

void kill_at(const Boundary& boundary, pid_t victim) { Tracer{boundary, victim}.run(); }

}  // namespace baton::crash
