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
// dies.
//
// What is **announced** may come at any time, and waits until the program accepts again: for long, if it serves one
// client at a time, or waits for another process's leave to accept (a mutex of all workers). So nothing is announced by
// itself, but when the program waits, or has seen that nothing is there: one for each thread that waits; as many as
// `baton serve` was told where the program has shown that it serves many at once (manner.hpp). Where it turns away with
// something announced, to a connection of its own or with its sockets out of its sets, the link ends: what comes goes
// elsewhere. Threads: in a Section.
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

/// A thread that waits for connections.
class Waiting {
 public:
  Waiting() noexcept {
    ++threads_;
    ++turn_;
  }
  ~Waiting() { --threads_; }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  /// How many there are.
  [[nodiscard]] static int threads() noexcept { return threads_; }
  /// How often this thread has waited.
  [[nodiscard]] static unsigned turn() noexcept { return turn_; }
  /// In a child of fork(2).
  static void begin_anew() noexcept { threads_ = 0; }

 private:
  static inline std::atomic<int> threads_ = 0;
  static inline thread_local unsigned turn_ = 0;
};

class Door {
 public:
  /// Once: before it, the Door leads nowhere.
  void lead_to(const tsap::Selector& pool, int credit);

  /// Does what is due: connects, or hears the answer. Never waits.
  void attend();
  /// The program is about to wait for connections, or has found none: attend(), and room is announced.
  void expect();
  /// expect() has nothing to do. Asked outside of Sections too.
  [[nodiscard]] bool expects() const noexcept { return expects_; }
  /// Whether take() has something to give, be it an error.
  [[nodiscard]] bool ready();
  /// A connection; nothing: there is none. The error: there is no descriptor for it.
  [[nodiscard]] os::Result<std::optional<os::HandedOver>> take();
  /// The program has been seen to (manner.hpp).
  void has_served_many() noexcept;
  [[nodiscard]] bool serves_many() const noexcept { return serves_many_; }
  /// The program has accepted a connection of its own. True: leave(), as nobody knows when it comes to what it was
  /// announced for.
  bool passed_by();
  /// The program's sockets are in none of its sets any more.
  void turned_from();

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
  void announce();
  [[nodiscard]] bool has_announced();
  void has_returned();
  void enter(State state) noexcept;

  tsap::Selector pool_;
  int credit_ = 0;
  State state_ = State::Away;
  std::atomic<bool> expects_ = false;  // Open, and what is announced is as it should be
  std::atomic<bool> serves_many_ = false;
  Instant away_since_ = never;  // the last accept; never: the program has waited since
  int quick_returns_ = 0;       // in a row
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
