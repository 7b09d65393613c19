// SPDX-License-Identifier: MIT
// baton: endpoint/request_queue.hpp: complete connection requests for one TSAP, whatever carried them.
//
// Invariant: at most `backlog` wait; the event is readable exactly while some do.
// Threads: any; its lock is below those of sockets and of the port.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "endpoint/fault.hpp"
#include "endpoint/table.hpp"
#include "transport/connection.hpp"

namespace baton::endpoint {

/// How long a request may stay half open, or wait to be accepted (BCAM's default of 30 s).
inline constexpr Duration request_time = std::chrono::seconds{30};

struct Request {
  HiddenFd descriptor;
  transport::Connection machine;  // Indicated
  bool remote = false;            // RFC 1006
  Instant until{};                // whom nobody accepts by then is turned away
};

/// Sends what the machine has to say to a peer that is turned away, as far as there is room for it: nobody waits.
void send_refusal(FdRef descriptor, transport::Connection& machine, bool remote);

class RequestQueue {
 public:
  static Result<std::shared_ptr<RequestQueue>> make(std::size_t backlog);

  [[nodiscard]] bool full() const;
  [[nodiscard]] bool empty() const;
  /// The caller has looked whether there is room.
  void push(Request request);
  std::optional<Request> pop();
  /// Takes out whose time is over.
  std::optional<Request> pop_expired(Instant now);
  /// Nobody accepts any more: who waits is woken, for good.
  void close();
  /// Readable while there are requests, or when closed.
  [[nodiscard]] FdRef event() const noexcept { return event_.ref(); }

  RequestQueue(UniqueFd event, std::size_t backlog) : event_{std::move(event)}, backlog_{backlog} {}

 private:
  std::optional<Request> take_front();

  mutable std::mutex mutex_;
  std::deque<Request> requests_;
  HiddenFd event_;
  std::size_t backlog_;
  bool closed_ = false;
};

}  // namespace baton::endpoint
