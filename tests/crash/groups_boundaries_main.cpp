// SPDX-License-Identifier: MIT
// The shipped library: L or S of a group is killed from outside at every entry into and return from a system call, from
// the beginning of the group to its end.
//
//   crash_groups_boundaries [--all [RESULTS]]   --all: every carrier, manner and victim, results to a file; else some
//
// Who has to own the connections then follows from the frames that the victim had sent and received by its system
// calls. Not under sanitizers, as crash_boundaries.
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "crash/groups.hpp"
#include "handoff/frames.hpp"
#include "support/process.hpp"

namespace {

using namespace baton;
using namespace baton::crash::groups;
using crash::Party;
using handoff::FrameType;

/// Counts the victim's boundaries, and kills it at one.
class Tracer {
 public:
  Tracer(const Round& round, pid_t victim, std::uint64_t nth) : round_{round}, victim_{victim}, nth_{nth} {}

  /// Until the victim is gone, or its part of the group is over. It has stopped itself where the group begins.
  void run() {
    int status = 0;
    test::checked(::waitpid(victim_, &status, 0), "waitpid");
    test::require(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "the victim stops where its group begins");
    test::checked(::ptrace(PTRACE_SETOPTIONS, victim_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), "options");
    bool over = false;
    for (long signal = 0;;) {
      // Gone already where it has just been killed.
      (void)::ptrace(over ? PTRACE_CONT : PTRACE_SYSCALL, victim_, nullptr, signal);
      if (::waitpid(victim_, &status, 0) != victim_) test::fail_call("waitpid");
      if (!WIFSTOPPED(status)) break;
      signal = WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
      if (signal != 0) continue;
      on_boundary();
      over = !page->moving;
    }
    test::require(page->killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "the victim failed");
  }

 private:
  void on_boundary() {
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, victim_, sizeof info, &info) < 0) return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
      entered_ = info;
    else if (info.exit.rval > 0)
      note_frame(entered_.entry.nr, entered_.entry.args);
    if (!page->moving || ++boundaries_ != nth_) return;
    page->stage = stage();
    page->owner = owner();
    page->killed = true;
    test::checked(::kill(victim_, SIGKILL), "kill");
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
    switch (static_cast<FrameType>(handoff::type_of(head))) {
      case FrameType::Held:
        held_ = true;
        return;
      case FrameType::Commit:
        committed_ = true;
        return;
      case FrameType::Taken:
        taken_ = true;
        return;
      case FrameType::Abort:
        aborted_ = true;
        return;
      case FrameType::Hello:
      case FrameType::Offer:
      case FrameType::Answer:
      case FrameType::Call:
      case FrameType::Cancel:
      case FrameType::Cancelled:
      case FrameType::Credit:
      case FrameType::Complete:
        return;
    }
  }
  [[nodiscard]] const char* stage() const {
    if (aborted_) return called_off;
    if (taken_) return taken;
    if (committed_) return committed;
    return held_ ? ready_to_commit : holding;
  }
  [[nodiscard]] Owner owner() const {
    if (round_.victim == Party::Server) return taken_ ? Owner::Server : Owner::Listener;
    return committed_ ? Owner::Server : Owner::Nobody;
  }
  bool read(std::uint64_t address, void* to, std::size_t size) const {
    iovec here{to, size};
    iovec there{reinterpret_cast<void*>(address), size};
    return ::process_vm_readv(victim_, &here, 1, &there, 1, 0) == static_cast<ssize_t>(size);
  }

  const Round& round_;
  const pid_t victim_;
  const std::uint64_t nth_;
  std::uint64_t boundaries_ = 0;
  __ptrace_syscall_info entered_{};
  bool held_ = false;
  bool committed_ = false;
  bool taken_ = false;
  bool aborted_ = false;
};

/// The victim asks to be traced, and waits for that.
void ask_for_the_tracer() {
  test::checked(::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr), "PTRACE_TRACEME");
  test::checked(::kill(::getpid(), SIGSTOP), "SIGSTOP");
}

/// Every boundary of one victim's way through a group: the way is done when three runs in turn had no more.
bool walk(Results& results, Party victim, Manner manner, crash::Carrier carrier) {
  constexpr int enough = 3;
  int beyond = 0;
  std::uint64_t nth = 1;
  for (; beyond < enough; ++nth) {
    Round round{victim, manner, carrier, false, ask_for_the_tracer};
    round.watch = [&](pid_t process) { Tracer{round, process, nth}.run(); };
    const std::string failure = play(round, [] { return page->owner.load(); });
    if (!failure.empty()) {
      std::cout << "boundary " << nth << ", " << cell_of(round, page->killed ? page->stage.load() : "not killed")
                << ": " << failure << '\n';
      return false;
    }
    if (page->killed) results.count(round, page->stage);
    beyond = page->killed ? 0 : beyond + 1;
  }
  std::cout << crash::name_of(victim) << ", " << crash::name_of(carrier) << ", "
            << (manner == Manner::Commits ? "group" : "group, called off") << ": " << nth - 1 - enough << " boundaries"
            << std::endl;
  return true;
}

int run(bool all, const char* file) {
  Results results;
  for (const Manner manner : {Manner::Commits, Manner::ListenerAborts, Manner::ServerAborts})
    for (const crash::Carrier carrier : carriers)
      for (const Party victim : {Party::Listener, Party::Server}) {
        const bool some = manner == Manner::Commits &&
                          carrier == (victim == Party::Listener ? crash::Carrier::Ipv4 : crash::Carrier::IsoRemote);
        if ((all || some) && !walk(results, victim, manner, carrier)) return 1;
      }
  std::cout << results.kills() << " groups with a death in them\n";
  if (file != nullptr) results.write(file, "system calls");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool all = argc > 1 && std::string_view{argv[1]} == "--all";
  if (argc == 1 || (all && argc <= 3)) return run(all, argc == 3 ? argv[2] : nullptr);
  std::cerr << "usage: crash_groups_boundaries [--all [RESULTS]]\n";
  return 2;
}
