// SPDX-License-Identifier: MIT
#include "cli/trapped_program.hpp"

#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <utility>

#include "os/accept_trap.hpp"
#include "os/ancillary.hpp"
#include "os/socket.hpp"

namespace baton::cli {
namespace {

constexpr std::array passed_on{SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGALRM};

NoProgram no_program(std::string sentence, int error) {
  return {std::move(sentence) + ": " + std::strerror(error), ExitStatus::NotBegun};
}

/// What the child says before it is the program.
struct Failed {
  bool to_execute = false;  // else to set the trap
  int error = 0;
};

/// In the child. Its half of `line` closes when it becomes the program.
[[noreturn]] void become(const std::string& path, const std::vector<std::string>& words, FdRef line, pid_t parent,
                         const sigset_t& mask) {
  const auto say = [line](const Failed& failed, std::span<const int> descriptors) {
    const iovec octets{const_cast<Failed*>(&failed), sizeof failed};
    return os::send_message(line, {&octets, 1}, descriptors).has_value();
  };
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(static_cast<int>(ExitStatus::NotBegun));
  std::vector<char*> pointers;
  for (const std::string& each : words) pointers.push_back(const_cast<char*>(each.c_str()));
  pointers.push_back(nullptr);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  if (auto trap = os::set_accept_trap(); !trap) {
    (void)say({.error = os::number(trap.error())}, {});
  } else {
    const int number = trap->get();
    if (say({}, {&number, 1})) ::execv(path.c_str(), pointers.data());
    (void)say({.to_execute = true, .error = errno}, {});
  }
  ::_exit(static_cast<int>(ExitStatus::NotBegun));
}

}  // namespace

std::expected<TrappedProgram, NoProgram> TrappedProgram::start(const std::string& path,
                                                               const std::vector<std::string>& words) {
  TrappedProgram program;
  auto line = os::seqpacket_pair();
  if (!line) return std::unexpected{no_program("no descriptors", os::number(line.error()))};
  const UniqueFd own = std::move(line->first);
  UniqueFd its = std::move(line->second);
  // By a descriptor: a signal that comes just before a wait is not missed.
  sigset_t signals;
  sigset_t before;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGCHLD);
  for (const int each : passed_on) ::sigaddset(&signals, each);
  ::sigprocmask(SIG_BLOCK, &signals, &before);
  program.signals_ = UniqueFd{adopt, ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!program.signals_.valid()) return std::unexpected{no_program("no descriptors", errno)};
  const pid_t parent = ::getpid();
  program.process_ = ::fork();
  if (program.process_ == 0) become(path, words, its.ref(), parent, before);
  if (program.process_ < 0) return std::unexpected{no_program("no process", errno)};
  its.reset();
  for (;;) {
    Failed failed;
    os::Received received;
    const auto said = os::receive_message(own.ref(), std::as_writable_bytes(std::span{&failed, 1}), received);
    if (!said && said.error() == os::Errno{EINTR}) continue;
    if (!said || received.end) break;  // it is the program now, or has died: then its status says so
    if (received.descriptors.size() == 1) {
      program.trap_ = std::move(received.descriptors[0]);
      continue;
    }
    (void)::waitpid(program.process_, nullptr, 0);
    if (failed.to_execute)
      return std::unexpected{NoProgram{path + " cannot be executed: " + std::strerror(failed.error),
                                       failed.error == ENOENT ? ExitStatus::NoProgram : ExitStatus::CannotExecute}};
    return std::unexpected{no_program(
        failed.error == EBUSY ? "the calls of this process are answered by somebody already (seccomp_unotify)"
                              : "the kernel does not let another process answer accept (seccomp_unotify; Linux 5.14)",
        failed.error)};
  }
  if (!program.trap_.valid()) {
    (void)::waitpid(program.process_, nullptr, 0);
    return std::unexpected{NoProgram{path + " was killed before it began", ExitStatus::NotBegun}};
  }
  return program;
}

void TrappedProgram::hear_signals() {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal)
    if (signal.ssi_signo != SIGCHLD && signal.ssi_code <= 0 && !status_)
      ::kill(process_, static_cast<int>(signal.ssi_signo));
  reap(WNOHANG);
}

ExitStatus TrappedProgram::status() {
  while (!status_) reap(0);
  return *status_;
}

void TrappedProgram::reap(int options) {
  int how = 0;
  if (status_ || ::waitpid(process_, &how, options) != process_) return;
  constexpr int by_signal = 128;  // as shells have it
  status_ = static_cast<ExitStatus>(WIFSIGNALED(how) ? by_signal + WTERMSIG(how) : WEXITSTATUS(how));
}

}  // namespace baton::cli
