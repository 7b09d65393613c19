// SPDX-License-Identifier: MIT
// baton: interop/visitor.hpp: baton's own S7 client, whose end point may go from process to process between two reads.
//
// Reads and writes a data block in rounds and checks every octet, as the clients of peers/ do. Process 0 connects; with
// several, each does one round and passes the end point on. Uses baton/soc.h only. Threads: one.
#pragma once

#include <atomic>
#include <cstdint>

#include "ring.hpp"

namespace baton::interop {

struct VisitPlan {
  std::uint16_t port = 102;  // of the server, at 127.0.0.1
  unsigned slot = 2;
  std::uint16_t block = 1;
  int tpdu_size = 0;  // octets to propose; 0: what the library proposes
  std::uint16_t longest_message = 480;
  unsigned rounds = 1;
  unsigned processes = 1;
};

struct VisitRecord {
  std::atomic<int> agreed_tpdu_size = 0;
  std::atomic<unsigned> agreed_message = 0;
  std::atomic<unsigned> moves = 0;
};

/// Made before the processes are forked.
struct Visit {
  explicit Visit(const VisitPlan& what) : plan{what} {}
  VisitPlan plan;
  Ring::Gathering gathering;
  test::Shared<VisitRecord> record;
};

/// The role of process `number`; returns when the last round is done.
void run_visit(const Visit& visit, unsigned number);

/// What a connection request to a slot where nobody listens gives: the reason in the server's disconnect request.
[[nodiscard]] int refusal_of_slot(std::uint16_t port, unsigned slot);

}  // namespace baton::interop
