// SPDX-License-Identifier: MIT
// baton: endpoint/gate.hpp: wakes whoever waits on a link when another call has changed something.
//
// A waiter enters (under the link's lock), polls descriptor() together with what it waits for, and leaves. open() makes
// the descriptor readable for all who are inside; it closes again when the last one has left. So a waiter that has
// entered and not yet begun to poll misses nothing. Threads: all functions under the owner's lock, except polling.
#pragma once

#include "endpoint/table.hpp"
#include "os/event.hpp"

namespace baton::endpoint {

class Gate {
 public:
  /// Errors: EMFILE and the like from eventfd(2) at the first wait.
  os::Result<void> enter() {
    if (!event_.valid()) {
      auto made = os::event_descriptor();
      if (!made) return std::unexpected{made.error()};
      event_ = HiddenFd{std::move(*made)};
    }
    ++inside_;
    return {};
  }
  void leave() noexcept {
    if (--inside_ == 0 && open_) {
      os::reset_event(event_.ref());
      open_ = false;
    }
  }
  void open() noexcept {
    if (inside_ == 0 || open_) return;
    os::signal_event(event_.ref());
    open_ = true;
  }
  [[nodiscard]] FdRef descriptor() const noexcept { return event_.ref(); }

 private:
  HiddenFd event_;
  unsigned inside_ = 0;
  bool open_ = false;
};

}  // namespace baton::endpoint
