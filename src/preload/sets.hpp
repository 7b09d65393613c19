// SPDX-License-Identifier: MIT
// baton: preload/sets.hpp: the program's epoll descriptors in which listening sockets are.
//
// The listening socket itself is registered as the program says (EPOLLEXCLUSIVE and all): direct connections come as
// without this library. Beside it stands a bell (door.hpp), whose events carry a mark: the address of a Place. A wait
// turns a mark into the listening socket's event, with the program's data, if there is something to accept; else the
// event is dropped.
//
//   level, edge  the bell is registered in the same way
//   exclusive    the bell is not: it wakes only this process
//   one shot     Place::armed decides between the two descriptors, and between threads; what fires disarms both
//
// A bell is attached by the first wait in a process, not at the registration: a set made before fork(2) gets those of
// the processes that wait. Sets shared by several processes carry marks of other processes, which are dropped. Threads:
// in a Section, but has_mark(), announce() and settled().
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <map>
#include <span>

#include "preload/listeners.hpp"

namespace baton::preload {

/// One registration.
struct Place {
  int set = 0;  // Sets' own name for the epoll descriptor; 0: free
  int listener = -1;
  epoll_event wanted{};
  int bell = -1;
  bool armed = true;
  bool shows_ipv6 = false;  // as the listening socket does
  [[nodiscard]] bool one_shot() const noexcept { return (wanted.events & EPOLLONESHOT) != 0; }
  [[nodiscard]] bool reads() const noexcept { return (wanted.events & (EPOLLIN | EPOLLRDNORM)) != 0; }
};

class Sets {
 public:
  /// Before the program's epoll_ctl(2) on a listening socket: its events may come in another thread at once.
  static void announce(const epoll_event& wanted) noexcept;
  /// It has succeeded.
  void added(int set, int listener, const epoll_event& wanted);
  void modified(int set, int listener, const epoll_event& wanted);
  void removed(int set, int listener);

  /// Whether a listening socket in it is waited for; in any set.
  [[nodiscard]] bool reads(int set) const;
  [[nodiscard]] bool reads() const;

  /// Before a wait: all registrations have their bells.
  void attach(int set);
  /// attach() has nothing to do, in whatever set.
  [[nodiscard]] static bool settled() noexcept;
  /// The events of a wait on `set`, translated in place: how many are left.
  [[nodiscard]] int translate(int set, std::span<epoll_event> events);
  /// Whether translate() has anything to do.
  [[nodiscard]] static bool has_mark(std::span<const epoll_event> events) noexcept;

  /// Before a number is closed.
  void listener_closed(int listener);
  void set_closed(int set);
  /// After dup(2): another number for the same set.
  void set_duplicated(int set, int number);
  /// All bells are gone.
  void bells_lost();

 private:
  [[nodiscard]] Place* place_of(int set, int listener);
  [[nodiscard]] int number_of(int id) const;
  void attach(Place& place, int set);
  void detach(Place& place);
  void arm(Place& place);
  [[nodiscard]] bool claim(Place& place);

  std::map<int, int> ids_;  // number -> Place::set
  int last_id_ = 0;
};

[[nodiscard]] Sets& sets() noexcept;

}  // namespace baton::preload
