// SPDX-License-Identifier: MIT
// baton: dispatch/visitor.hpp: a connection that was accepted and that no worker has taken yet.
//
//   Entrance: accepted, peeked at --> Dispatcher: routed, placed --> Worker: given --> moved: gone from here
//                   |                   |     ^         ^             |
//                   |  gone             | no  | no      |             |
//                   v                   | way | worker  |             |
//                 closed   Farewell <---+     +-> held -+-- came back-+
//
// Invariant: one owner at a time, who passes it on as a VisitorPtr; nobody has read of it what a worker is to read.
// Threads: the one of the event loop.
#pragma once

#include <baton/connection.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "recognise/facts.hpp"
#include "recognise/ip_address.hpp"
#include "routing/balance.hpp"

namespace baton::dispatch {

using Clock = std::chrono::steady_clock;

struct Visitor {
  Connection connection{};
  std::string listener{};  // its name in the configuration
  Clock::time_point accepted{};
  recognise::IpAddress peer{};
  std::uint16_t peer_port = 0;    // host byte order
  recognise::IpAddress source{};  // the client's: the peer's, or what a PROXY header says
  recognise::Facts facts{};
  std::vector<routing::WorkerId> refused{};  // workers that gave it back
  std::vector<routing::WorkerId> left{};  // of these, those that had not looked at it: where one is gone, it has left
  Clock::time_point hold_until{};         // set while no worker can take it
  Clock::time_point busy_since{};         // set when all workers of its pool were busy
  bool counted = false;                   // as one that has arrived
  bool asked_back = false;                // of the worker that it was given to
  bool resumed = false;                   // another entrance, of another batond perhaps, has admitted it
  std::string told{};                     // what its new owner is told of it: addresses; a batond that follows, all
};
using VisitorPtr = std::unique_ptr<Visitor>;

}  // namespace baton::dispatch
