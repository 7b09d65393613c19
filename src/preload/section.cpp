// SPDX-License-Identifier: MIT
#include "preload/section.hpp"

#include <pthread.h>

#include <cerrno>
#include <mutex>

#include "base/check.hpp"
#include "os/process.hpp"

namespace baton::preload {
namespace {

// Never destroyed: other threads may call while the process exits.
std::mutex& mutex() {
  static auto* const made = new std::mutex;
  return *made;
}

thread_local int depth = 0;
pid_t owner = 0;
void (*child_hook)() = nullptr;
sigset_t signals_at_fork;

void hold_signals(sigset_t& before) noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
}

void before_fork() {
  sigset_t before;
  hold_signals(before);
  mutex().lock();
  signals_at_fork = before;
  ++depth;
}

void leave_fork() {
  --depth;
  const sigset_t before = signals_at_fork;
  mutex().unlock();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void after_fork_in_child() {
  owner = os::process_id();
  child_hook();
  leave_fork();
}

}  // namespace

Section::Section() noexcept : error_{errno} {
  hold_signals(signals_);
  ++depth;
  mutex().lock();
  ours_ = os::process_id() == owner;
}

Section::~Section() {
  mutex().unlock();
  --depth;
  ::pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
  errno = error_;
}

bool in_section() noexcept { return depth > 0; }

void on_fork(void (*in_child)()) {
  owner = os::process_id();
  child_hook = in_child;
  BATON_CHECK(::pthread_atfork(before_fork, leave_fork, after_fork_in_child) == 0);
}

}  // namespace baton::preload
