// SPDX-License-Identifier: MIT
// baton: endpoint/iso_listener.hpp: the passive side of AF_ISO: connection requests that wait to be accepted.
//
// The program's number is an epoll descriptor over what may bring a request: the local socket of the TSAP, local peers
// whose CR is missing, the port for other hosts (iso_port.hpp), and the requests that are there. It works in select,
// poll and epoll, and may wake without need. A local peer that connects and sends no CR holds up nobody: it waits here,
// half open, until its time is over.
//
//   kernel's backlog --> half open (no CR yet) --CR--> queue --next()--> accepted
//                           | time over, garbage, too many
//                           v closed
// Threads: guarded by the owning IsoSocket's mutex.
#pragma once

#include <list>

#include "endpoint/fault.hpp"
#include "endpoint/iso_port.hpp"
#include "endpoint/request_queue.hpp"
#include "endpoint/table.hpp"
#include "endpoint/unread_request.hpp"
#include "os/ancillary.hpp"
#include "transport/connection.hpp"

namespace baton::endpoint {

/// Local peers that have connected and not yet sent their CR; beyond it the oldest is closed of the user that has most,
/// and of its process that has most. So many are taken in at once.
inline constexpr std::size_t max_half_open = 128;

class IsoListener {
 public:
  /// `set` is the epoll set that the program's number will name; `port` may be null.
  static Result<std::unique_ptr<IsoListener>> make(UniqueFd listening, const tsap::Selector& selector, FdRef set,
                                                   std::size_t backlog, std::shared_ptr<IsoPort> port);
  ~IsoListener();
  IsoListener(const IsoListener&) = delete;
  IsoListener& operator=(const IsoListener&) = delete;

  /// Takes in what has arrived, never waits.
  /// Errors: EMFILE, ENFILE, ENOMEM, ENOBUFS of accept4(2); those already complete can be had all the same.
  os::Result<void> progress(FdRef set);
  [[nodiscard]] bool has_request() const { return !queue_->empty(); }
  /// The oldest complete request.
  std::optional<Request> next() { return queue_->pop(); }
  [[nodiscard]] const std::shared_ptr<RequestQueue>& queue() const noexcept { return queue_; }
  /// Whether `number` still names the set.
  [[nodiscard]] bool verify(int number) const noexcept;
  /// Where it takes connections from other hosts. ENOTCONN: nowhere.
  [[nodiscard]] os::Result<os::Address> remote_address() const;

 private:
  struct HalfOpen {
    HiddenFd descriptor;
    Instant until{};
    os::Credentials peer;
  };
  IsoListener(UniqueFd listening, const tsap::Selector& selector, std::shared_ptr<RequestQueue> queue,
              std::shared_ptr<IsoPort> port);
  os::Result<void> take_from_backlog(FdRef set);
  void close_most_crowded(FdRef set);
  enum class Verdict { Waits, Complete, Gone };
  Verdict read_request(HalfOpen& half, FdRef set);
  void take_over(FdRef from, const handoff::UnreadCall& call, os::Received& received, FdRef set);
  /// For connections that others have accepted, made when the first comes. False: descriptors are short.
  bool ensure_port(FdRef set);

  HiddenFd listening_;
  tsap::Selector selector_;
  std::shared_ptr<RequestQueue> queue_;
  std::shared_ptr<IsoPort> port_;
  std::list<HalfOpen> half_open_;
  std::uint16_t next_reference_ = 1;
};

}  // namespace baton::endpoint
