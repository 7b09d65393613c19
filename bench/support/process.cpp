// SPDX-License-Identifier: MIT
#include "support/process.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace baton::bench {
namespace {

void become_child(pid_t parent, unsigned deadline) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) std::_Exit(1);
  alarm(deadline);
}

void pin(int processor) {
  if (processor == any_processor) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(processor), &set);
  require(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

}  // namespace

void begin_process(unsigned deadline) {
  alarm(deadline);
  signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  require(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  require(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

std::vector<int> processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  require(sched_getaffinity(0, sizeof set, &set), "sched_getaffinity");
  std::vector<int> found;
  for (unsigned processor = 0; processor < CPU_SETSIZE; ++processor)
    if (CPU_ISSET(processor, &set)) found.push_back(static_cast<int>(processor));
  return found;
}

Child Child::run(const char* name, int processor, unsigned deadline, const std::function<void()>& body) {
  const pid_t parent = getpid();
  const pid_t pid = require(fork(), "fork");
  if (pid > 0) return {name, pid};
  become_child(parent, deadline);
  pin(processor);
  body();
  std::_Exit(0);
}

Child Child::execute(const std::vector<std::string>& arguments, unsigned deadline, int standard_output) {
  const pid_t parent = getpid();
  const pid_t pid = require(fork(), "fork");
  if (pid > 0) return {arguments[0], pid};
  become_child(parent, deadline);
  if (standard_output >= 0) require(dup2(standard_output, STDOUT_FILENO), "dup2");
  std::vector<char*> words;
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  fail("execvp " + arguments[0]);
}

Child::~Child() { end(); }

Child::Child(Child&& other) noexcept : name_{std::move(other.name_)}, pid_{std::exchange(other.pid_, -1)} {}

void Child::end() noexcept {
  if (pid_ <= 0) return;
  // The group too: a child may have started a process of its own.
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void wait_for(std::span<Child> children) {
  for (auto left = children.size(); left > 0; --left) {
    int status = 0;
    const pid_t pid = require(waitpid(-1, &status, 0), "waitpid");
    const auto ended = std::ranges::find(children, pid, &Child::pid_);
    if (ended != children.end()) ended->pid_ = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && ended != children.end()) continue;
    std::fprintf(stderr, "bench: process %s ended %s %d\n", ended != children.end() ? ended->name_.c_str() : "?",
                 WIFSIGNALED(status) ? "by signal" : "with status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    for (Child& child : children) child.end();
    std::exit(1);
  }
}

void* shared_memory(std::size_t size) {
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  return memory;
}

RuntimeFolder::RuntimeFolder() : path_{std::filesystem::temp_directory_path() / "baton-bench-XXXXXX"} {
  if (mkdtemp(path_.data()) == nullptr) fail("mkdtemp " + path_);
  setenv("BATON_RUNTIME_DIR", path_.c_str(), 1);
  // What the user may have set for other programs would slow these down.
  for (const char* name : {"BATON_STRICT", "BATON_STATUS", "BATON_TRACE"}) unsetenv(name);
}

RuntimeFolder::~RuntimeFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace baton::bench
