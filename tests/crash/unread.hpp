// SPDX-License-Identifier: MIT
// baton: crash/unread.hpp: one round of the crash tests of unread CRs: a giver has accepted a client's TCP connection
// and gives it, its CR unread, to the listener S of the TSAP that is called. The giver or S, the victim, is killed on
// the way. What S has not taken the giver, if it lives, gives to F, which has bound the name after S; the client finds
// out by a CC and an echo who owns its connection, and whether each octet arrives.
//
// The giver is in the place of L. It uses endpoint::UnreadRequest, as batond does; S, F and the client know the public
// calls only. How the victim dies is the program's: at a fault point (unread_main.cpp) or at a boundary of a system
// call (unread_boundaries_main.cpp). Threads: one in each role.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "crash/cells.hpp"
#include "crash/scenario.hpp"
#include "support/process.hpp"

namespace baton::crash::unread {

enum class Manner {
  Takes,
  NoRoom,
  GivenUp
};  // S takes; has no descriptor free; does not look until the giver gives up
/// Whom the connection belongs to. Unsaid: whether S had sent TAKEN cannot be seen; then all have to agree.
enum class Owner { Giver, Server, Nobody, Unsaid };
/// When S looks into its backlog for the first time.
enum class Looks {
  AtOnce,       // it waits for what comes
  WhenQueued,   // CALL is in it; GivenUp: the giver has given up
  WhenAwaited,  // under the tracer: the giver waits in poll(2)
  WhenGone      // the giver is dead
};
/// What a giver may do wrong: that the judge would see it.
enum class Bug {
  None,
  LetsGoAtCall,           // closes the connection as soon as CALL is queued
  GivesUpWithoutLooking,  // believes Declined, and lets S answer later
  ForgetsAfterDeath       // closes what S has not taken
};

// The columns of docs/crashes.md.
inline constexpr const char* unread = "before the CALL is read";
inline constexpr const char* called = "CALL..TAKEN";
inline constexpr const char* taken = "after TAKEN";
inline constexpr const char* back = "after the end point is back";

struct Round {
  Party victim;  // Listener: the giver
  Manner manner = Manner::Takes;
  Carrier carrier = Carrier::Ipv4;
  Looks looks = Looks::WhenQueued;
  Bug bug = Bug::None;
  std::function<void()> begins = {};  // in the victim: its way begins
  /// In the judge's process, with the victim's number, while the victim runs.
  std::function<void(pid_t)> watch = {};
};

/// What the roles of a round share.
struct Page {
  std::atomic<unsigned> served_by_server, served_by_fresh;
  std::atomic<bool> client_completed;
  std::atomic<std::uint64_t> octets;  // both directions, compared by the client
  std::atomic<int> told;              // what the survivor's calls gave: errno, 0 for success
  std::atomic<bool> was_told;
  std::atomic<bool> taken_by_server;  // its accept has given the connection
  std::atomic<bool> peer_there;       // whoever is not the victim has come to where it is to stay
  std::atomic<bool> victim_gone;
  std::atomic<bool> moving;  // the victim is on its way
  std::atomic<bool> killed;
  // Of a victim that was killed from outside.
  std::atomic<const char*> stage;
  std::atomic<Owner> owner;
};
extern Page* page;

/// Lets S look, if it still waits for that. Of the round that is played here.
void let_server_look();

/// Plays a round in processes of its own: what went wrong, or "". `owner`: asked when the victim is dead.
[[nodiscard]] std::string play(const Round& round, const std::function<Owner()>& owner);

/// The round that has just been played.
void count(Cells& cells, const Round& round, const char* stage);
[[nodiscard]] std::string cell_of(const Round& round, const char* stage);

inline constexpr std::array carriers{Carrier::Ipv4, Carrier::Ipv6};

}  // namespace baton::crash::unread
