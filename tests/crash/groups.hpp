// SPDX-License-Identifier: MIT
// baton: crash/groups.hpp: one round of the crash tests of groups: L moves a group of three connections to S, over TCP
// with its listening socket and a client in the accept queue; L or S, the victim, is killed on the way, and the clients
// find out who owns their connections.
//
// The roles know the public calls only. How the victim dies is the program's: at a fault point (groups_main.cpp) or at
// a boundary of a system call (groups_boundaries_main.cpp). Threads: one in each role.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "crash/cells.hpp"
#include "crash/scenario.hpp"

namespace baton::crash::groups {

enum class Manner { Commits, ListenerAborts, ServerAborts };
/// Whom the table of docs/handoff-protocol.md gives the connections to. Server: also where it dies with them.
enum class Owner { Listener, Server, Nobody };

inline constexpr std::size_t connections = 3;
inline constexpr std::size_t most = connections + 1;  // and the client in the accept queue

// The columns of docs/crashes.md.
inline constexpr const char* holding = "before HELD";
inline constexpr const char* ready_to_commit = "HELD..COMMIT";
inline constexpr const char* committed = "COMMIT..TAKEN";
inline constexpr const char* taken = "after TAKEN";
inline constexpr const char* called_off = "after ABORT";

struct Round {
  Party victim;
  Manner manner;
  Carrier carrier;
  bool helper = false;                // a forked child of the victim holds the link
  std::function<void()> begins = {};  // the group begins, in the victim
  /// In the judge's process, with the victim's number, while the victim runs.
  std::function<void(pid_t)> watch = {};
  [[nodiscard]] bool is_tcp() const { return !is_iso(carrier); }
  [[nodiscard]] std::size_t clients() const { return is_tcp() ? most : connections; }
};

/// What the roles of a round share.
struct Page {
  std::atomic<unsigned> served_by_listener;
  std::atomic<unsigned> served_by_server;
  // What the survivor's calls gave for each end point: an errno, 0 for success.
  std::array<std::atomic<int>, most> told;
  std::atomic<unsigned> told_count;
  std::atomic<bool> moving;  // the victim has begun, and owns nothing that it serves
  // Of a victim that was killed from outside.
  std::atomic<bool> killed;
  std::atomic<const char*> stage;
  std::atomic<Owner> owner;
};
extern Page* page;

/// Plays a round in processes of its own: what went wrong, or "". `owner`: asked when the victim is dead; a victim that
/// was not killed leaves the group to S, or called off to L.
[[nodiscard]] std::string play(const Round& round, const std::function<Owner()>& owner);

/// The round that has just been played.
void count(Cells& cells, const Round& round, const char* stage);
[[nodiscard]] std::string cell_of(const Round& round, const char* stage);

inline constexpr std::array carriers{Carrier::Ipv4, Carrier::Ipv6, Carrier::IsoRemote, Carrier::IsoLocal};

}  // namespace baton::crash::groups
