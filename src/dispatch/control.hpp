// SPDX-License-Identifier: MIT
// baton: dispatch/control.hpp: batond's requests and answers, over the control socket.
//
// An AF_UNIX stream socket of mode 0600, for batond's own user and root: at [batond] control, or at `batond/control` in
// the runtime folder. A request is one JSON object in a line of at most 4096 octets, an answer is one in a line; as
// many of them as the caller likes, one after the other.
//
//   {"do": "status"}   -> {"ok": true, "process": 4711, "version": "0.1.0", "configuration": "/etc/baton/batond.toml",
//                          "uptime_s": 60, "draining": false, "undecided": 0, "held": 0, "parting": 0,
//                          "counters": {"arrived": 9, "moved": 9, "moved_ns": 900000, "no_route": 0, "no_worker": 0,
//                                       "refused": 0, "at_fault": 0, "dissolved": 0, "came_back": 0, "told": 0,
//                                       "reset": 0},
//                          "listeners": [{"name": "web", "address": "[::]:443", "waiting": 0, "accepted": 9, "gone": 0,
//                                         "too_many": 0, "unwelcome": 0, "late": 0}],
//                          "called_tsaps": [...]}, as of "routes"
//   {"do": "routes"}   -> {"ok": true, "routes": [{"name": "shop", "pool": "shop", "to_called_tsap": false,
//                          "connections": 9}], "called_tsaps": [{"tsap": "'APPL'", "moved": 9, "refused": 0}]};
//                         "pool": null where the route leads to the TSAP called, or refuses; of the TSAPs called those
//                         are listed whose server has taken a connection, at most 256; "tsap": null: all others
//   {"do": "workers"}  -> {"ok": true, "pools": [{"name": "shop", "kind": "workers", "moved": 9, "refused": 0,
//                          "lost": 0, "recalled": 0, "dissolved": 0, "copying": 0, "copied": 0, "copied_octets": 0,
//                          "connect_failures": 0,
//                          "workers": [{"id": 1, "name": "'w1'", "process": 4712, "weight": 1, "credit": 64,
//                                       "under_way": 0, "up": true, "late": false, "draining": false, "moved": 9,
//                                       "refused": 0, "lost": 0, "asked_back": 0, "recalled": 0}]}]}; "kind":
//                                       "workers", "tsaps"
//                         or "connect"
//   {"do": "drain"}    -> {"ok": true}; accepts no more, and ends when nothing is under way
//   {"do": "drain", "pool": "shop", "worker": 1, "on": true}  -> {"ok": true}; that worker (without "worker": each of
//                         the pool) gets nothing new; "on": false: it does again. Not without "pool"
//   {"do": "reload"}   -> {"ok": true, "findings": []}, or "ok": false: the configuration before goes on
//                         findings: {"severity": "error", "line": 12, "column": 7, "path": "route[0].pool",
//                                    "what": "...", "advice": "..."}
//   {"do": "upgrade"}  -> when it is over, {"ok": true, "process": 4713, "version": "0.1.0", "sockets": 2, "clients":
//   3,
//                         "pause_us": 1500}: process 4713 has taken over, with so many listening sockets and clients
//                         that waited; so long nobody was served, new clients waited in the kernel. This connection,
//                         and all others to the batond that goes, are closed then. Else "ok": false, "error": why this
//                         batond goes on, as if nothing had happened
//   anything else      -> {"ok": false, "error": "a sentence"}
//
// Threads: the one of the event loop.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "base/unique_fd.hpp"
#include "dispatch/accept_pause.hpp"
#include "dispatch/dispatcher.hpp"

namespace baton::dispatch {

/// What the answers say of the process.
struct ServiceView {
  std::string configuration{};  // its path
  Clock::time_point started{};
};

[[nodiscard]] nlohmann::json status_of(const Dispatcher& dispatcher, const ServiceView& service);
[[nodiscard]] nlohmann::json routes_of(const Dispatcher& dispatcher);
[[nodiscard]] nlohmann::json workers_of(const Dispatcher& dispatcher);

/// An answer that comes later.
using Reply = std::function<void(nlohmann::json)>;

/// What a request may do besides looking.
struct ControlActions {
  std::function<void()> drain;
  std::function<nlohmann::json()> reload;  // gives the answer
  std::function<void(Reply)> upgrade;
};

class Control {
 public:
  /// `listening`: of os::listen_for_requests().
  Control(asio::io_context& loop, UniqueFd listening, Dispatcher& dispatcher, const ServiceView& service,
          ControlActions actions);
  /// Answers from now on.
  void watch();
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  /// Nothing: it comes by `later`.
  [[nodiscard]] std::optional<nlohmann::json> answer(std::string_view request, Reply later);

  [[nodiscard]] FdRef listening() const noexcept { return listening_.ref(); }
  /// Takes no more requests: each caller gets the answer that it waits for, and is closed.
  void stop();
  /// Callers wait for an answer.
  [[nodiscard]] bool is_busy() const noexcept;

 private:
  class Session;
  void accept_all();
  [[nodiscard]] nlohmann::json drain(const nlohmann::json& request);

  asio::io_context& loop_;
  UniqueFd listening_;
  asio::posix::stream_descriptor watched_;  // the number, which it does not own
  AcceptPause pause_;
  Dispatcher& dispatcher_;
  const ServiceView& service_;
  ControlActions actions_;
  std::set<Session*> sessions_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::dispatch
