// SPDX-License-Identifier: MIT
// baton: preload/listeners.hpp: the program's listening sockets that get connections.
//
// Known by number and SO_COOKIE: a number closed behind the library's back and used again is noticed.
// **Veiled**: a listening socket that the program has in blocking mode is non-blocking underneath, for its accept waits
// for the dispatcher too, and several processes may wait on one socket. Whoever asks fcntl(2) sees blocking mode. It is
// done when the socket begins to listen, so that processes forked later know of it; a program that this process
// executes in its own place is told (settings.hpp). Threads: in a Section, but Veiled.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
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

/// Cookies of the veiled sockets, each of all numbers of its socket. Any thread may look, signal handlers too.
class Veiled {
 public:
  static constexpr std::size_t most = 64;

  [[nodiscard]] bool contains(std::uint64_t cookie) const noexcept;
  /// False: there are too many.
  bool insert(std::uint64_t cookie) noexcept;
  void erase(std::uint64_t cookie) noexcept;
  /// 0: none there.
  [[nodiscard]] std::uint64_t at(std::size_t place) const noexcept { return cookies_[place].load(); }

 private:
  std::array<std::atomic<std::uint64_t>, most> cookies_{};
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

  /// The program sets the mode of a known one, whose open file is to be non-blocking either way. False: it cannot be.
  bool set_nonblocking(const Listener& listener, bool on) noexcept;
  [[nodiscard]] const Veiled& veiled() const noexcept { return veiled_; }

 private:
  /// False: too many are already; it stays as it is, and has connections of its own alone where the program blocks.
  bool veil(std::uint64_t cookie) noexcept;

  Settings settings_;
  std::vector<Listener> known_;
  int shown_at_ = -1;
  bool shown_is_awaited_ = false;
  Veiled veiled_;
};

[[nodiscard]] Listeners& listeners() noexcept;

}  // namespace baton::preload
