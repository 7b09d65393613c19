// SPDX-License-Identifier: MIT
// baton: dispatch/accept_pause.hpp: what to do when accept(2) fails for want of descriptors or memory.
//
// What waits in the queue stays there, and a listening socket stays readable: who asked again at once would spin.
// Threads: the one of the event loop.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <utility>

namespace baton::dispatch {

class AcceptPause {
 public:
  explicit AcceptPause(asio::io_context& loop) : timer_{loop} {}
  AcceptPause(const AcceptPause&) = delete;
  AcceptPause& operator=(const AcceptPause&) = delete;
  ~AcceptPause() { *alive_ = false; }

  /// `then` after 100 ms, if this still lives and cancel() was not called.
  template <class Then>
  void begin(Then then) {
    timer_.expires_after(std::chrono::milliseconds{100});
    timer_.async_wait([then = std::move(then), alive = alive_](const std::error_code& cancelled) {
      if (*alive && !cancelled) then();
    });
  }
  void cancel() { timer_.cancel(); }

 private:
  asio::steady_timer timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::dispatch
