// SPDX-License-Identifier: MIT
// baton: sim/unread_world.hpp: the model world of unread CRs: a giver G has a client's connection and gives it to the
// listener of the TSAP, S or, when S is dead or has closed the name, T.
//
// Real are what decides and what is sent: handoff/unread.hpp, and the codec of the frames. The model has the kernel
// (descriptors, a link, its two ends, the stream's position), the programs, and in which order src/endpoint and batond
// call: one function here is one step between two moments at which another process, or a kill, can make a difference.
//
//  * A link is its two ends, each held by a process and perhaps by a forked child, and a message in each direction. A
//    message that was queued outlives its sender; a descriptor in it keeps the connection open.
//  * Shutting the receiving side makes every later send to it fail, and leaves what is queued (unix(7)).
//  * A listener accepts a link, reads the CALL, and answers in three steps; between them it may die, not close the
//  name:
//    the library has all three under one lock.
//  * A listener may have no room, or lose the descriptor to a full table; one that has the descriptor may read an octet
//    that is not its own, and die.
//
// The books (`owner`) follow from what was queued and who died: G owns the connection until TAKEN is queued, then the
// listener. Threads: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "scenarios.hpp"
#include "search.hpp"

namespace baton::sim::unread {

enum class Mutant : std::uint8_t {
  None,
  DecidesWithoutLooking,  // G shuts its receiving side, and does not look whether TAKEN had come
  LooksThenShuts,         // ... looks first
  TimeDecides,            // G neither shuts nor looks
  LetsGoAtCall,           // G closes the connection as soon as CALL is queued
  EndIsTaken,             // G takes the end of the link for TAKEN
  GoesOnUnverified,       // G does not look where the stream is before it goes on
  TakesUnanswered,        // S takes although TAKEN could not be sent
  ReadsBeforeTaken,       // S reads the CR before it answers
  KeepsRefused,           // S refuses and keeps the descriptor
};
struct MutantName {
  Mutant mutant;
  const char* name;
};
inline constexpr std::array mutant_names{
    MutantName{Mutant::DecidesWithoutLooking, "G gives up without looking again"},
    MutantName{Mutant::LooksThenShuts, "G looks, and then shuts its receiving side"},
    MutantName{Mutant::TimeDecides, "G takes back when its time is over"},
    MutantName{Mutant::LetsGoAtCall, "G closes its duplicate before TAKEN"},
    MutantName{Mutant::EndIsTaken, "G takes the end of the link for TAKEN"},
    MutantName{Mutant::GoesOnUnverified, "G goes on without looking at the position"},
    MutantName{Mutant::TakesUnanswered, "S takes although TAKEN could not be sent"},
    MutantName{Mutant::ReadsBeforeTaken, "S reads the CR before TAKEN"},
    MutantName{Mutant::KeepsRefused, "S refuses and keeps the descriptor"},
};

/// What may go wrong in one run.
struct Setup {
  std::string name;
  std::uint8_t mortal = 0b111;  // G, S, T: who may die
  std::uint8_t gives = 2;       // how often G tries
  std::uint8_t shortages = 1;   // a listener has no room, or no descriptor
  std::uint8_t strays = 1;      // a listener reads what is not its own, and dies
  std::uint8_t forks = 1;       // a child of a listener or of G holds a link's end, and may exit
  std::uint8_t closes = 1;      // a listener closes its name
  std::uint8_t client = 2;      // C sends the rest of its CR, C closes
  Mutant mutant = Mutant::None;
};
[[nodiscard]] std::vector<Setup> setups(Extent extent);

inline constexpr std::uint8_t giver = 0;
inline constexpr std::size_t processes = 3;
inline constexpr std::size_t most_links = 3;
inline constexpr std::uint8_t nobody = 0xff;

enum class Life : std::uint8_t { Alive, Dead };
enum class Asking : std::uint8_t {
  No,         // the connection is G's to do with as it likes
  Connected,  // CALL is not queued yet
  Waits,      // for the outcome
  Deaf,       // the receiving side is shut
  Ended       // G has nothing to do with the connection any more
};
enum class Stage : std::uint8_t { Unused, Backlog, Accepted, Received, Gone };

/// One give: a link to the name. All members are octets, so that a world is its own key.
struct Link {
  Stage stage = Stage::Unused;
  std::uint8_t listener = nobody;
  std::uint8_t giver_holds = 0, giver_child = 0;
  std::uint8_t listener_holds = 0, listener_child = 0;
  std::uint8_t shut = 0;  // G's receiving side
  std::uint8_t call = 0;  // queued to the listener, with a descriptor
  std::uint8_t call_consumed = 0;
  std::uint8_t answer = 0;  // queued to G
  std::uint8_t outcome = 0;
  std::uint8_t descriptors = 0;  // Received: that came
  std::uint8_t has_room = 0;
};

struct World {
  std::array<Life, processes> life{};
  std::array<std::uint8_t, processes> held{};  // descriptors of the connection
  std::array<std::uint8_t, processes> uses{};  // a listener: it has the connection
  std::array<std::uint8_t, processes> has_bound{};
  std::uint8_t name = nobody;  // who has bound it
  std::uint8_t owner = giver;
  std::uint8_t sent = 1, consumed = 0;  // halves of the CR
  std::uint8_t closed = 0;              // by C
  std::uint8_t torn = 0;                // read by a stranger
  Asking asking = Asking::No;
  std::uint8_t link = 0;  // the current one
  std::uint8_t gives = 0;
  std::uint8_t looked = 0;  // Mutant::LooksThenShuts
  std::uint8_t shortages = 0, strays = 0, forks = 0, closes = 0, client = 0;
  std::uint8_t wrong = 0;  // a step broke what has to hold: number of the sentence
  std::array<Link, most_links> links{};
};

enum class What : std::uint8_t {
  // Progress.
  Bind,
  Connect,
  SendCall,
  Read,
  Shut,
  Look,
  Farewell,
  Accept,
  Receive,
  Answer,
  ReadRequest,
  // What need not happen.
  ReceiveTableFull,
  ReceiveNoRoom,
  StrayReadAndDie,
  CloseName,
  Fork,
  ChildExits,
  Kill,
  ClientSends,
  ClientCloses
};
struct Event {
  What what = What::Bind;
  std::uint8_t process = 0;
  std::uint8_t link = 0;
};

[[nodiscard]] Exploration explore(const Setup& setup, std::size_t limit);
/// The kinds of events, for who counts them.
inline constexpr std::size_t kinds = static_cast<std::size_t>(What::ClientCloses) + 1;

}  // namespace baton::sim::unread
