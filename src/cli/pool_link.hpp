// SPDX-License-Identifier: MIT
// baton: cli/pool_link.hpp: the link to a dispatcher's pool, and the connections that come over it.
//
//            retry is due         confirmed
//     Away --------------> Asking ----------> Open
//      ^                     | refused          | link ended
//      +---------------------+------------------+
//
// Nothing waits here: whoever does polls number() for input, at most until due(), and calls attend().
// Invariant: what is not taken is the dispatcher's, and goes elsewhere when the link ends.
// Threads: one.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "cli/iso_connection.hpp"
#include "os/told_addresses.hpp"
#include "tsap/selector.hpp"

namespace baton::cli {

class PoolLink {
 public:
  /// `credit`: how many connections may wait here. `tell` gets a sentence without its full stop, when it is another one
  /// than before: why there is no link, and that there is one after all.
  PoolLink(const tsap::Selector& pool, int credit, std::function<void(const std::string&)> tell)
      : pool_{pool}, credit_{credit}, tell_{std::move(tell)} {}

  /// Connects, hears the answer, reads what has come: whatever is due.
  void attend();
  /// -1: there is none.
  [[nodiscard]] int number() const noexcept { return state_ == State::Away ? -1 : link_->get(); }
  /// When attend() has something to do though there is no input.
  [[nodiscard]] Instant due() const noexcept { return state_ == State::Open ? never : retry_at_; }

  /// Connections that have been read from the link and not taken.
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
  /// A TCP connection, in blocking mode. Nothing: there is none.
  [[nodiscard]] std::optional<os::HandedOver> take();
  /// What was not taken goes elsewhere. The next attend() begins again.
  void leave();

 private:
  enum class State { Away, Asking, Open };
  [[nodiscard]] bool answered();
  void read();
  void lost(Duration pause);
  void retry_later();
  void complain();

  tsap::Selector pool_;
  int credit_;
  std::function<void(const std::string&)> tell_;
  std::string complaint_;
  State state_ = State::Away;
  std::optional<IsoNumber> link_;
  std::size_t waiting_ = 0;
  Instant retry_at_ = Instant{0};
  Duration pause_{};
};

}  // namespace baton::cli
