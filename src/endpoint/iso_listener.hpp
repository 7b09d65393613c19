// SPDX-License-Identifier: MIT
// baton: endpoint/iso_listener.hpp: the passive side of AF_ISO: connection requests that wait to be accepted.
//
// The program's number is an epoll descriptor over what may bring a request: it works in select, poll and epoll, and
// may wake without need. A peer that connects and sends no CR holds up nobody: it waits here, half open, until its time
// is over.
//
//   kernel's backlog --> half open (no CR yet) --CR--> ready --next()--> accepted
//                           | time over, garbage, too many
//                           v closed
// Threads: guarded by the owning IsoSocket's mutex.
#pragma once

#include <deque>
#include <list>
#include <vector>

#include "endpoint/fault.hpp"
#include "endpoint/table.hpp"
#include "os/ancillary.hpp"
#include "transport/connection.hpp"

namespace baton::endpoint {

/// Peers that have connected and not yet sent their CR; beyond it the oldest is closed.
inline constexpr std::size_t max_half_open = 128;
/// How long a request may stay half open, or wait to be accepted (BCAM's default of 30 s).
inline constexpr Duration request_time = std::chrono::seconds{30};

struct Request {
  UniqueFd descriptor;
  transport::Connection machine;
};

class IsoListener {
 public:
  /// `set` is the epoll set that the program's number will name.
  static Result<std::unique_ptr<IsoListener>> make(UniqueFd listening, FdRef set, std::size_t backlog);

  /// Takes in what has arrived, never waits.
  /// Errors: EMFILE, ENFILE, ENOMEM, ENOBUFS of accept4(2); those already complete can be had all the same.
  os::Result<void> progress(FdRef set);
  [[nodiscard]] bool has_request() const noexcept { return !ready_.empty(); }
  /// The oldest complete request; there is one.
  Request next();
  /// Whether `number` still names the set.
  [[nodiscard]] bool verify(int number) const noexcept;

 private:
  struct HalfOpen {
    HiddenFd descriptor;
    Instant until{};
  };
  struct Ready {
    HiddenFd descriptor;
    transport::Connection machine;
    Instant until{};
  };
  IsoListener(UniqueFd listening, UniqueFd event, std::size_t backlog)
      : listening_{std::move(listening)}, event_{std::move(event)}, backlog_{backlog} {}
  os::Result<void> take_from_backlog(FdRef set);
  enum class Verdict { Waits, Complete, Gone };
  Verdict read_request(HalfOpen& half);

  HiddenFd listening_;
  HiddenFd event_;  // readable while there are requests, so that the set is
  std::size_t backlog_;
  std::list<HalfOpen> half_open_;
  std::deque<Ready> ready_;
  std::uint16_t next_reference_ = 1;
};

}  // namespace baton::endpoint
