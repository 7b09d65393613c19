// SPDX-License-Identifier: MIT
// The parent of the victim: waits for its death, or brings it about at a boundary of a system call (ptrace(2)).
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <map>

#include "crash/roles.hpp"
#include "support/process.hpp"

namespace baton::crash {
namespace {

using test::checked;

constexpr unsigned char frame_mark = 255;
enum FrameType : unsigned char { Offer = 2, Answer = 3, Call = 4, Taken = 5, Cancel = 6, Cancelled = 7 };
constexpr std::size_t type_at = 2;

class Tracer {
 public:
  explicit Tracer(pid_t victim) : victim_{victim} {}

  /// Until the victim is gone. True: killed at the boundary.
  bool run() {
    wait_until([] { return has_come_to(page().scenario.victim, Step::MoveBegins); });
    constexpr long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    checked(::ptrace(PTRACE_SEIZE, victim_, nullptr, options), "PTRACE_SEIZE");
    checked(::ptrace(PTRACE_INTERRUPT, victim_, nullptr, nullptr), "PTRACE_INTERRUPT");
    for (bool attached = false;;) {
      int status = 0;
      const pid_t thread = ::waitpid(-1, &status, __WALL);
      if (thread < 0 && errno == EINTR) continue;
      checked(thread, "waitpid");
      if (!WIFSTOPPED(status)) {
        if (thread != victim_) continue;
        if (!killed_ && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) ::_exit(1);  // it has reported why
        return killed_;
      }
      resume(thread, on_stop(thread, status));
      if (attached) continue;
      attached = true;
      page().attached.store(1);
      announce();
    }
  }

 private:
  /// The signal to deliver.
  int on_stop(pid_t thread, int status) {
    const int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      on_boundary(thread);
      return 0;
    }
    return status >> 16 != 0 ? 0 : signal;  // a stop of ptrace's own: a new thread, the attachment
  }
  void resume(pid_t thread, int signal) const {
    const bool over = page().attached.load() != 0 && !page().moving.load() && begun_;
    // Gone already where it has just been killed.
    (void)::ptrace(over ? PTRACE_CONT : PTRACE_SYSCALL, thread, nullptr, static_cast<long>(signal));
  }

  void on_boundary(pid_t thread) {
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) < 0) return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      entered_[thread] = info;
      if (info.entry.nr == SYS_poll || info.entry.nr == SYS_ppoll) {
        page().polls.fetch_add(1);
        announce();
      }
    } else if (const auto call = entered_.find(thread); call != entered_.end()) {
      if (info.exit.rval > 0) note_frame(thread, call->second.entry.nr, call->second.entry.args);
    }
    if (!page().moving.load() || killed_) return;
    begun_ = true;
    if (thread == victim_ && page().idle.load() > 0) return;
    if (++page().boundaries != page().scenario.nth) return;
    killed_ = true;
    Page& now = page();
    now.death.system_call = entered_[thread].entry.nr;
    now.death.listener = now.progress[0].load();
    now.death.server = now.progress[1].load();
    now.death.taken_frames = now.taken_queued.load();
    now.death.connections_taken = now.connections_taken.load();
    now.death.called = now.calls_queued.load() > 0;
    now.death.answered = answered_;
    now.death.offer_read = offer_read_;
    now.death.cancelled = cancelled_;
    now.death.happened = true;
    checked(::kill(victim_, SIGKILL), "kill");
  }

  /// What the victim has sent or received, if it was a frame.
  void note_frame(pid_t thread, std::uint64_t call, const __uint64_t* arguments) {
    constexpr std::uint64_t peek = 2;  // MSG_PEEK
    const bool sent = call == SYS_sendmsg;
    if (!sent && (call != SYS_recvmsg || (arguments[2] & peek) != 0)) return;
    msghdr message{};
    iovec part{};
    unsigned char head[type_at + 1] = {};
    if (!read(thread, arguments[1], &message, sizeof message) || message.msg_iovlen == 0) return;
    if (!read(thread, reinterpret_cast<std::uintptr_t>(message.msg_iov), &part, sizeof part)) return;
    if (part.iov_len < sizeof head || !read(thread, reinterpret_cast<std::uintptr_t>(part.iov_base), head, sizeof head))
      return;
    if (head[0] != frame_mark) return;
    if (sent && head[type_at] == Call) page().calls_queued.fetch_add(1);
    if (sent && head[type_at] == Taken) page().taken_queued.fetch_add(1);
    if (sent && head[type_at] == Answer) answered_ = true;
    if (sent && (head[type_at] == Cancel || head[type_at] == Cancelled)) cancelled_ = true;
    if (!sent && head[type_at] == Offer) offer_read_ = true;
  }
  static bool read(pid_t from, std::uint64_t address, void* to, std::size_t size) {
    iovec here{to, size};
    iovec there{reinterpret_cast<void*>(address), size};
    return ::process_vm_readv(from, &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
  }

  pid_t victim_;
  std::map<pid_t, __ptrace_syscall_info> entered_;
  bool begun_ = false;
  bool killed_ = false;
  bool answered_ = false;
  bool offer_read_ = false;
  bool cancelled_ = false;
};

/// True: it has ended itself at its fault point.
bool wait_for(pid_t victim) {
  int status = 0;
  while (::waitpid(victim, &status, 0) < 0) {
    if (errno != EINTR) test::fail_call("waitpid");
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && page().death.happened) return true;
  if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0)) ::_exit(1);  // it has reported why
  return false;
}

}  // namespace

void run_victim(void (*role)(), bool under_tracer) {
  become(Party::Fresh);
  page().traced.store(under_tracer ? 1 : 0);
  const pid_t parent = ::getpid();
  const pid_t victim = checked(::fork(), "fork of the victim");
  if (victim == 0) {
    checked(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
    if (::getppid() != parent) ::_exit(1);
    role();
    ::_exit(0);
  }
  const bool dead = under_tracer ? Tracer{victim}.run() : wait_for(victim);
  (dead ? page().victim_dead : page().victim_ended).store(true);
  announce();
  if (page().frozen.load())
    checked(::kill(page().process[static_cast<std::size_t>(survivor(page().scenario))].load(), SIGCONT), "SIGCONT");
  // A child of the victim may hold the link: it is killed with this process's group.
  const Party other = survivor(page().scenario);
  wait_until([&] { return has_come_to(other, Step::Decided); });
}

}  // namespace baton::crash
