// SPDX-License-Identifier: MIT
// baton: sim/world.hpp: the model world: processes, connections, links, what the kernel does, and who is in the right.
//
// What the model assumes:
//  * A step is what lies between two moments at which another process, or a kill, can make a difference: one message
//    sent or received, with the local work that belongs to it. A receive that finds CANCEL comes before or after
//    anything else that the same process does: the library's `pump_all` is one of the orders.
//  * A process dies in two steps, as in the kernel: its descriptors are closed (Dying), then its pidfd tells (Dead).
//  * A message that was queued stays readable when its sender dies; messages to a process die with the last descriptor
//    of their end of the link, and the descriptors in them with them. Descriptors in flight keep a socket open.
//  * A forked child may hold an end of a link: then neither its end nor EPIPE is seen. It reads and says nothing.
//  * A connection is a stream of octets with counters. Each octet is consumed by who reads first. The position is exact
//    (src/os/tcp_position.hpp sees to that); after a reset two positions count as equal.
//  * A listening socket is a connection without a position: its octets are clients that wait, to read is to accept.
//
// The world also keeps the books (`Right`): who owns each connection by the table of docs/handoff-protocol.md, derived
// from what was queued on links and who died, never from what the drivers or the machines believe.
// Threads: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "handoff/frames.hpp"
#include "handoff/group.hpp"
#include "handoff/listener_machine.hpp"
#include "handoff/server_machine.hpp"
#include "setup.hpp"

namespace baton::sim {

inline constexpr std::size_t max_processes = 8;

enum class Life : std::uint8_t { Alive, Dying, Dead };

/// What the kernel counts.
struct Position {
  std::uint8_t consumed = 0;
  std::uint8_t written = 0;
  friend bool operator==(const Position&, const Position&) = default;
};

/// Who owns a connection by the promise's table.
struct Right {
  Id owner = none;       // none: the owner died
  Id called_to = none;   // in doubt: a CALL to this process was queued and is not answered
  Id by_move = none;     // the move of that CALL
  Position stopped;      // the position that the CALL says
  bool excused = false;  // a program has let go by its own decision: the connection may end
};

struct Connection {
  bool listening = false;
  std::uint8_t sent = 0;  // octets of C
  Position position;
  bool half_closed = false;
  bool reset = false;
  bool touched = false;  // read by a call of L's that was inside the kernel at the data stop
  bool torn = false;     // read by a process that did not own it, which has died: nobody may serve it any more
  std::array<std::uint8_t, max_processes> held{};  // descriptors in each process's table
  Right right;
};

struct Item {
  Id move = none;
  Id connection = none;  // of a CALL: the descriptor beside the message
  Id cookie = none;      // ... and which socket L says it is
  Position position;
  handoff::TakeOutcome outcome = handoff::TakeOutcome::Taken;
  friend bool operator==(const Item&, const Item&) = default;
};

/// A message of a link.
struct Frame {
  handoff::FrameType type = handoff::FrameType::Hello;
  Id move = none;   // of HELD, COMMIT, ABORT, COMPLETE: the group
  Id group = none;  // of a held CALL
  bool express = false;
  bool accepted = false;
  std::uint8_t more = 0;          // CREDIT; HELD, COMMIT, COMPLETE: moves in the group
  std::vector<Item> items;        // CALL, TAKEN
  std::vector<std::byte> octets;  // with Setup::codec: the same as it travels
  friend bool operator==(const Frame&, const Frame&) = default;
};

/// A move that a process gives: endpoint/moves.hpp, GivenMove.
struct Given {
  Id move = none;
  Id connection = none;
  Id group = none;       // held
  bool express = false;  // the library has taken the number over; held ones too
  handoff::ListenerMachine machine{handoff::ListenerMachine::Manner::Seed};
  bool real = false;          // the library holds the end point
  bool number_gone = false;   // the program closed its number
  bool server_known = false;  // the process that answered
  bool own_doing = false;
  Position position;
};

/// A move that a process awaits: endpoint/moves.hpp, AwaitedMove.
struct Awaited {
  Id move = none;
  Id group = none;  // held, and parked
  handoff::ServerMachine machine{handoff::ServerMachine::Manner::Seed};
  bool placeholder = false;
  bool arrived = false;
  bool no_descriptor = false;
  bool taking = false;
  bool cancel_seen = false;
  Item item;
};

/// An express end point that has arrived and is not taken, or a held one that is not parked.
struct Arrival {
  Item item;
  bool taking = false;  // TAKEN waits for room
  Id group = none;
};

/// A call of L's for its group that waits for room: its frame goes out whatever happens to the group meanwhile.
struct Sending {
  Id group = none;  // none: there is no such call
  handoff::FrameType type = handoff::FrameType::Call;
  Id first = 0;  // of a held CALL
  std::uint8_t count = 0;
  friend bool operator==(const Sending&, const Sending&) = default;
};

struct AnswerUnit {
  Id move = none;
  bool accepted = false;
};

/// What the library keeps of its end of a link: endpoint/link.hpp, Link.
struct Side {
  bool number = true;  // the program's number still names it
  bool lost = false;   // closed with close(2), and the library has not noticed
  bool ended = false;
  bool send_broken = false;
  bool closing = false;
  bool out_of_room = false;
  bool announced = false;
  bool peer_known = false;
  std::uint8_t credit = 0;
  std::uint8_t placeholders = 0;
  std::uint8_t promised = 0;                  // credit whose placeholders are freed for a CALL that did not fit yet
  std::optional<handoff::Group> given_group;  // until it is committed or off
  std::optional<handoff::Group> taken_group;  // until it is taken or off
  Sending sending;
  std::vector<Frame> outbox;
  std::vector<AnswerUnit> inbox;
  std::vector<Given> given;
  std::vector<Awaited> awaited;
  std::vector<Arrival> arrived;
};

/// One end of a link: what the kernel knows, and the library's side of it.
struct End {
  bool open = true;          // in the process's table
  bool child = false;        // in a forked child's
  bool deaf = false;         // shut down for reading
  std::vector<Frame> queue;  // to be read here
  Side side;
  [[nodiscard]] bool held() const noexcept { return open || child; }
};

struct Link {
  std::array<End, 2> ends;
};

/// What a program has under a number of its own for a connection. A parked number is none.
enum class Number : std::uint8_t { None, Real };

struct Process {
  Life life = Life::Alive;
  std::vector<Number> numbers;  // by connection
};

struct Attempt {
  bool used = false;
  Id group = none;          // the group into which its CALL was queued
  Position stopped;         // ... with this position
  bool called_off = false;  // the group, by either side
  bool given_up = false;    // S's program wants it no more
  bool unheard = false;     // S's program closed the link behind the library's back: nothing can be said any more
};

enum class Sent : std::uint8_t { Queued, Full, Broken };

struct World {
  World() = default;
  explicit World(const Setup& setup);

  std::vector<Process> processes;
  std::vector<Connection> connections;
  std::vector<Link> links;
  std::vector<Attempt> attempts;
  Budget budget;
  std::string broken;  // the first thing that went wrong

  /// The first violation is kept.
  void require(bool holds_true, const char* what) {
    if (!holds_true && broken.empty()) broken = what;
  }
};

// --- The kernel (world.cpp) ---------------------------------------------------------------------------------------
/// A process's end of a link.
struct Port {
  Id link = 0;
  Id end = 0;
};
[[nodiscard]] Id process_at(const Setup& setup, Port port);
[[nodiscard]] inline Port other(Port port) { return {port.link, static_cast<Id>(1 - port.end)}; }
[[nodiscard]] inline End& end_of(World& world, Port port) { return world.links[port.link].ends[port.end]; }
[[nodiscard]] inline const End& end_of(const World& world, Port port) { return world.links[port.link].ends[port.end]; }

/// Queues a frame for the other end. What that means for ownership is written into the books.
Sent send(const Setup& setup, World& world, Port from, const Frame& frame);
/// True where the other end has no holder: what was queued can be read, nothing else will come or be heard.
[[nodiscard]] bool hung_up(const World& world, Port port);
/// Nothing more can be read at this end.
[[nodiscard]] bool at_end(const World& world, Port port);
void close_end(World& world, Port port);
void kill(const Setup& setup, World& world, Id process);
void pidfd_tells(const Setup& setup, World& world, Id process);
/// Reads or writes one octet, if the reader is in the right.
void use(World& world, Id process, Id connection, bool write);
void open_descriptor(World& world, Id process, Id connection);
void close_descriptor(World& world, Id process, Id connection);
[[nodiscard]] unsigned in_flight(const World& world, Id connection);
/// In a queue that `process` itself can read.
[[nodiscard]] bool coming_to(const Setup& setup, const World& world, Id process, Id connection);
/// Either side calls a group off.
void books_called_off(World& world, Id group);
/// S decides against the end point. In the books it is L's again, unless that can no longer be said.
void books_given_back(World& world, Id process, Id move, bool said);
/// S's program wants nothing more of a move. With L dead that is the end of the connection, by the owner's decision.
void books_given_up(const Setup& setup, World& world, Id process, Id move);
/// L's program lets go without knowing.
void books_abandoned(World& world, Id process, Id connection, Id move);
/// S takes, and cannot say so.
void books_taken_unheard(World& world, Id process, Id connection);

// --- A world as octets (state_key.cpp): equal worlds, equal octets ---------------------------------------------------
void encode(const World& world, std::string& key);
void decode(const std::string& key, World& world);

}  // namespace baton::sim
