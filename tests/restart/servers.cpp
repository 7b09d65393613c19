// SPDX-License-Identifier: MIT
#include "restart/servers.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "support/process.hpp"

namespace baton::restart {

Process::Process(const std::vector<std::string>& command) {
  std::array<int, 2> ends{};
  test::checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  said_ = UniqueFd{adopt, ends[0]};
  const UniqueFd writing{adopt, ends[1]};
  test::checked(::fcntl(said_.get(), F_SETFL, O_NONBLOCK), "fcntl");
  std::vector<char*> arguments;
  for (const std::string& each : command) arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = test::checked(::fork(), "fork");
  if (pid_ != 0) return;
  (void)::setpgid(0, 0);
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);
  (void)::dup2(writing.get(), STDOUT_FILENO);
  (void)::dup2(writing.get(), STDERR_FILENO);
  ::execvp(arguments[0], arguments.data());
  ::_exit(127);
}

Process::~Process() {
  if (status()) return;
  kill(SIGKILL);
  (void)::waitpid(pid_, nullptr, 0);
}

void Process::kill(int signal) noexcept {
  // Its group is there once it has made it.
  if (::kill(-pid_, signal) < 0) (void)::kill(pid_, signal);
}

void Process::hear() {
  std::array<char, 4096> room;
  for (ssize_t size = 0; (size = ::read(said_.get(), room.data(), room.size())) > 0;)
    text_.append(room.data(), static_cast<std::size_t>(size));
}

bool Process::has_said(const std::string& words) {
  hear();
  return text_.find(words) != text_.npos;
}

std::optional<int> Process::status() {
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  if (status_) hear();
  return status_;
}

}  // namespace baton::restart
