// SPDX-License-Identifier: MIT
// baton: preload/listeners.hpp: the program's listening sockets that get connections.
//
// Known by number and SO_COOKIE: a number closed behind the library's back and used again is noticed.
// **Veiled**: a listening socket that the program has in blocking mode is non-blocking underneath, for its accept waits
// for the dispatcher too, and several processes may wait on one socket. Whoever asks fcntl(2) sees blocking mode. It is
// done when the socket begins to listen, so that processes forked later know of it.
// Threads: in a Section.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "preload/settings.hpp"

namespace baton::preload {

struct Listener {
  int number = -1;
  std::uint64_t cookie = 0;
  int family = 0;  // os::shown_family()
  bool veiled = false;
  /// Its program has room for addresses of both families.
  [[nodiscard]] bool shows_ipv6() const noexcept { return family != AF_INET; }
};

class Listeners {
 public:
  void mean(const Settings& settings) { settings_ = settings; }

  /// What `number` is now; learns it if it is a listening socket that is meant.
  [[nodiscard]] std::optional<Listener> learn(int number);
  /// The same for numbers that are known already.
  [[nodiscard]] std::optional<Listener> find(int number);
  /// The number is closed.
  void forget(int number);
  [[nodiscard]] bool empty() const noexcept { return known_.empty(); }

  /// The program has been told that something is at `number`, and that is from the dispatcher.
  void show_at(int number);
  /// It has been taken, or has gone elsewhere.
  void shown_is_gone() noexcept { shown_at_ = -1; }
  /// The program expects it at another socket: here it expects a connection of the socket's own.
  [[nodiscard]] bool is_shown_elsewhere(const Listener& listener) const noexcept {
    return shown_at_ >= 0 && shown_at_ != listener.number;
  }
  /// And would wait there if it were not.
  [[nodiscard]] bool is_awaited_elsewhere(const Listener& listener) const noexcept {
    return is_shown_elsewhere(listener) && shown_is_awaited_;
  }

  /// The program sets the mode of a known one, whose open file is to be non-blocking either way.
  void set_nonblocking(const Listener& listener, bool on);

 private:
  Settings settings_;
  std::vector<Listener> known_;
  int shown_at_ = -1;
  bool shown_is_awaited_ = false;
  std::set<std::uint64_t> veiled_;  // cookies: of all numbers of a socket
};

[[nodiscard]] Listeners& listeners() noexcept;

}  // namespace baton::preload
