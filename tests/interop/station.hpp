// SPDX-License-Identifier: MIT
// baton: interop/station.hpp: a server of S7 clients in one process, or in several that pass the sessions round.
//
// Process 0 accepts. Where a plan says so, a process passes a session on to the next one of the ring after some
// requests: by turns before it reads the next request, in the middle of reading it, and with the request read but not
// answered. Sessions go on side by side. Uses baton/soc.h only. Threads: one.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "ring.hpp"
#include "s7.hpp"

namespace baton::interop {

/// The TSEL of rack 0 and a slot, as S7 clients call it.
[[nodiscard]] std::string slot_tsel(unsigned slot);

struct StationPlan {
  std::string_view address = "127.0.0.1:0";  // where it listens; port 0: the kernel chooses; empty: nowhere
  std::uint16_t port = 102;                  // where it is called if it listens nowhere
  std::vector<unsigned> slots = {2};
  unsigned sessions = 1;   // when so many have ended the processes end
  unsigned processes = 1;  // of the ring
  unsigned requests = 0;   // that a process answers before it passes the session on; 0: it keeps it
  test::Waits waits = test::Waits::SocPoll;
  bool moves_unconfirmed = false;  // process 0 passes each session on before the client's request is confirmed
};

/// When a session was passed on.
enum class Moment { Unconfirmed, BetweenRequests, InARequest, BeforeAnAnswer };
inline constexpr std::size_t moments = 4;

/// What the processes share with the test.
struct StationRecord {
  s7::Plant plant;
  std::atomic<unsigned> accepted = 0;
  std::atomic<unsigned> ended = 0;
  std::array<std::atomic<unsigned>, moments> moved{};
  std::atomic<unsigned> answered = 0;
  std::atomic<std::uint16_t> port = 0;
};

/// Made before the processes are forked.
struct Station {
  explicit Station(StationPlan what) : plan{std::move(what)} {}
  StationPlan plan;
  Ring::Gathering gathering;
  test::Mailbox port;  // when it listens: one message for each session
  test::Shared<StationRecord> record;
};

/// The role of process `number`; returns when all sessions have ended.
void run_station(const Station& station, unsigned number);

}  // namespace baton::interop
