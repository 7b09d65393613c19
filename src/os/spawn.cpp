// SPDX-License-Identifier: MIT
#include "os/spawn.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "os/process.hpp"

namespace baton::os {
namespace {

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// posix_spawnattr_t and posix_spawn_file_actions_t, destroyed at the end.
struct Manner {
  Manner() noexcept {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
  }
  ~Manner() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  Manner(const Manner&) = delete;
  Manner& operator=(const Manner&) = delete;

  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
};

}  // namespace

Result<Child> spawn(const std::vector<std::string>& words, const std::vector<std::string>& environment,
                    FdRef inherited) {
  if (words.empty()) return failure(EINVAL);
  Manner manner;
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&manner.attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&manner.attributes, &signals);
  posix_spawnattr_setflags(&manner.attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  // Also where it is number 3 already: that clears close-on-exec.
  if (const int error = posix_spawn_file_actions_adddup2(&manner.actions, inherited.get(), inherited_number))
    return failure(error);
  Child child;
  const auto argv = pointers_to(words);
  const auto envp = pointers_to(environment);
  if (const int error =
          ::posix_spawnp(&child.process, argv[0], &manner.actions, &manner.attributes, argv.data(), envp.data()))
    return failure(error);
  auto pidfd = open_pidfd(child.process);
  if (!pidfd) {
    ::kill(child.process, SIGKILL);
    (void)::waitpid(child.process, nullptr, 0);
    return std::unexpected{pidfd.error()};
  }
  child.pidfd = std::move(*pidfd);
  return child;
}

std::vector<std::string> environment_without(const std::string& name) {
  std::vector<std::string> kept;
  for (char** each = ::environ; each != nullptr && *each != nullptr; ++each) {
    const std::string text = *each;
    if (!text.starts_with(name + "=")) kept.push_back(text);
  }
  return kept;
}

void kill_child(const Child& child) noexcept {
  // Its number is its own until it is reaped.
  if (child.process > 0 && child.pidfd.valid()) ::kill(child.process, SIGKILL);
}

std::optional<Ending> reap(const Child& child) noexcept {
  int status = 0;
  if (child.process <= 0 || ::waitpid(child.process, &status, WNOHANG) != child.process) return std::nullopt;
  if (WIFSIGNALED(status)) return Ending{true, WTERMSIG(status)};
  return Ending{false, WEXITSTATUS(status)};
}

}  // namespace baton::os
