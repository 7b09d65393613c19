// SPDX-License-Identifier: MIT
// baton: preload/door.hpp: this process's link to the dispatcher, and the descriptors that wake a program for it.
//
//            retry is due         confirmed
//     Away --------------> Asking ----------> Open
//      ^                     | refused          | link ended
//      +---------------------+------------------+
//
// A **bell** is an epoll descriptor that is readable when there is something to do: a message on the link, a connection
// that the library has received and the program not yet taken, or a retry that is due. Each registration with epoll
// has one of its own, for a set takes a descriptor once; poll, select and accept share one.
// Nothing is taken before the program accepts: what waits here is the dispatcher's, and goes elsewhere if this process
// dies. Threads: in a Section.
#pragma once

#include <atomic>
#include <expected>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "os/result.hpp"
#include "os/told_addresses.hpp"
#include "tsap/selector.hpp"

namespace baton::preload {

class Door {
 public:
  /// Once: before it, the Door leads nowhere.
  void lead_to(const tsap::Selector& pool, int credit);

  /// Does what is due: connects, or hears the answer. Never waits.
  void attend();
  /// attend() has nothing to do. Asked outside of Sections too.
  [[nodiscard]] bool is_open() const noexcept { return open_.load(std::memory_order_acquire); }
  /// Whether take() has something to give, be it an error.
  [[nodiscard]] bool ready();
  /// A connection; nothing: there is none. The error: there is no descriptor for it.
  [[nodiscard]] os::Result<std::optional<os::HandedOver>> take();

  /// A bell for a registration, -1 where there is no descriptor for it. It stays the Door's: it comes back by
  /// give_back(), in no set.
  [[nodiscard]] int lend_bell();
  void give_back(int bell);
  /// The bell for poll, select and accept; -1 as above.
  [[nodiscard]] int common_bell();

  /// The link ends, what was not taken goes elsewhere. The next attend() begins again.
  void leave();
  /// leave(), and all bells are closed, the lent ones too.
  void give_up();
  /// In a child of fork(2): the parent's descriptors are closed, and nothing is said on its link.
  void begin_anew();

 private:
  enum class State { Away, Asking, Open };
  [[nodiscard]] bool make_link();
  void close_link();
  void start();
  void ask();
  void opened();
  void lost(Duration pause);
  void retry_later();
  void attach_link();
  void detach_link();
  bool furnish();
  void tell_more();
  [[nodiscard]] int make_bell();

  tsap::Selector pool_;
  int credit_ = 0;
  void enter(State state) noexcept;
  State state_ = State::Away;
  std::atomic<bool> open_ = false;
  Instant retry_at_ = Instant{0};
  Duration pause_{};
  int link_ = -1;  // the library's number: closed by soc_close
  bool more_told_ = false;
  UniqueFd more_;   // readable while received connections wait
  UniqueFd retry_;  // readable when a retry is due
  int common_ = -1;
  std::vector<int> bells_;
  std::vector<int> free_bells_;
};

/// The process's.
[[nodiscard]] Door& door() noexcept;

}  // namespace baton::preload
