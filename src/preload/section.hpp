// SPDX-License-Identifier: MIT
// baton: preload/section.hpp: who may touch the library's state.
//
// Invariant: the state is touched inside a Section only. In it this thread takes no signal (a handler may fork, close
//            or accept), and its calls of libc are the real ones. Nobody waits in a Section.
// fork:      happens outside of Sections of other threads; the child's state is made anew (on_fork()).
// vfork:     the child shares its parent's memory; its Section is not ours(), and it leaves everything alone.
// Threads:   any; one at a time.
#pragma once

#include <csignal>

namespace baton::preload {

class Section {
 public:
  Section() noexcept;
  ~Section();  // keeps errno as it was before the Section
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;

  [[nodiscard]] bool ours() const noexcept { return ours_; }

 private:
  sigset_t signals_;
  int error_;
  bool ours_;
};

/// Whether this thread is in a Section: the call that asks was made by the library itself.
[[nodiscard]] bool in_section() noexcept;

/// `in_child` is called in each child of fork(2), in a Section. Once, before there are other threads.
void on_fork(void (*in_child)());

}  // namespace baton::preload
