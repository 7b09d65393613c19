// SPDX-License-Identifier: MIT
#include "preload/real.hpp"

#include <dlfcn.h>

#include <atomic>

namespace baton::preload {
namespace {

template <class Function>
void look_up(Function*& function, const char* name) noexcept {
  function = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// Filled more than once if threads are early: with the same.
Real calls;
std::atomic<bool> filled = false;

void fill() noexcept {
  look_up(calls.accept, "accept");
  look_up(calls.accept4, "accept4");
  look_up(calls.listen, "listen");
  look_up(calls.poll, "poll");
  look_up(calls.ppoll, "ppoll");
  look_up(calls.select, "select");
  look_up(calls.pselect, "pselect");
  look_up(calls.epoll_create, "epoll_create");
  look_up(calls.epoll_create1, "epoll_create1");
  look_up(calls.epoll_ctl, "epoll_ctl");
  look_up(calls.epoll_wait, "epoll_wait");
  look_up(calls.epoll_pwait, "epoll_pwait");
  look_up(calls.epoll_pwait2, "epoll_pwait2");
  look_up(calls.getpeername, "getpeername");
  look_up(calls.getsockname, "getsockname");
  look_up(calls.close, "close");
  look_up(calls.close_range, "close_range");
  look_up(calls.closefrom, "closefrom");
  look_up(calls.dup, "dup");
  look_up(calls.dup2, "dup2");
  look_up(calls.dup3, "dup3");
  look_up(calls.fcntl, "fcntl");
  look_up(calls.fcntl64, "fcntl64");
  look_up(calls.ioctl, "ioctl");
  look_up(calls.execve, "execve");
  look_up(calls.execvpe, "execvpe");
  look_up(calls.fexecve, "fexecve");
  look_up(calls.execveat, "execveat");
}

}  // namespace

const Real& real() noexcept {
  if (!filled.load(std::memory_order_acquire)) {
    fill();
    filled.store(true, std::memory_order_release);
  }
  return calls;
}

}  // namespace baton::preload
