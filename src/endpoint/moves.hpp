// SPDX-License-Identifier: MIT
// baton: endpoint/moves.hpp: the moves of this process: an end point that goes, an end point that comes.
//
// A GivenMove is known in the table under the real socket's cookie from the offer on (a dup of it is recognised), and
// under the parked socket's cookie from the data stop on. An AwaitedMove is known under its parked socket's cookie.
// Threads: every member is guarded by the link's mutex, except the constant ones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "endpoint/fault.hpp"
#include "endpoint/table.hpp"
#include "handoff/listener_machine.hpp"
#include "handoff/server_machine.hpp"
#include "os/process.hpp"
#include "os/tcp_position.hpp"

namespace baton::endpoint {

class IsoSocket;
class Link;

/// A process at the other end of a link, as the kernel stamped it on a message.
struct Process {
  pid_t pid = 0;
  UniqueFd pidfd;  // may be missing where the kernel gives none
  [[nodiscard]] bool has_exited() const noexcept { return pidfd.valid() && os::has_exited(pidfd.ref()); }
};

/// An end point that this process moves to another one.
struct GivenMove final : Object {
  GivenMove(std::shared_ptr<Link> on, handoff::MoveId move, handoff::ListenerMachine::Manner manner, int of)
      : Object{Kind::Given},
        link{std::move(on)},
        id{move},
        express{manner != handoff::ListenerMachine::Manner::Seed},
        held{manner == handoff::ListenerMachine::Manner::Held},
        number{of},
        machine{manner} {}
  void number_lost() noexcept override;
  /// Whether `of` is a number behind which the end point cannot be reached now: the parked one, or one the library has
  /// taken over.
  [[nodiscard]] bool stands_in(int of) const;
  /// Whether no number reaches the end point now, or the library has taken it over.
  [[nodiscard]] bool out_of_reach() const;
  /// Nobody has read or written the end point since the data stop. Of one within the host the kernel keeps no count.
  [[nodiscard]] bool intact() const noexcept;

  const std::shared_ptr<Link> link;
  const handoff::MoveId id;
  const bool express;  // the library has taken the number over; held ones too
  const bool held;     // in a group: L's until the commit
  const int number;    // L's number for the end point

  handoff::ListenerMachine machine;
  handoff::CallItem item;            // image and kind: what the CALL says
  handoff::Description description;  // what the OFFER says
  os::StreamPosition position;       // at the data stop; for express at the give
  std::shared_ptr<IsoSocket> iso;    // an ISO end point: what it is here, until it has moved
  std::vector<std::byte> iso_image;  // ... and what it will be there, from the data stop on
  Bytes blob;                        // the caller's, until the CALL has been sent
  handoff::MoveId group = 0;         // held: of which group
  HiddenFd real;                     // the end point itself, from the data stop on; express: the number itself
  std::uint64_t real_cookie = 0;
  std::uint64_t parked_cookie = 0;
  int linger_time = 0;              // SO_LINGER of the end point, seconds; to be put back with it
  bool number_gone = false;         // the program closed the number
  bool called = false;              // counted as in doubt
  bool stopping = false;            // the data stop is being tried: no new call reaches the end point
  bool sending = false;             // its OFFER or CALL waits for room: nothing may end it meanwhile
  bool own_doing = false;           // S found the stream touched, and has not touched it
  std::shared_ptr<Process> server;  // who answered
  std::int16_t bind_ok = 0;
  std::int32_t server_descriptor = -1;
  std::int32_t transport_reference = 0;
  Failure failure;         // why the end point came back
  bool collected = false;  // the program has been told
  bool undone = false;     // express: never sent, the number is the program's again
};

/// An end point that comes to this process.
struct AwaitedMove final : Object {
  AwaitedMove(std::shared_ptr<Link> on, handoff::MoveId move,
              handoff::ServerMachine::Manner manner = handoff::ServerMachine::Manner::Seed)
      : Object{Kind::Awaited}, link{std::move(on)}, id{move}, machine{manner} {}
  void number_lost() noexcept override;
  /// A call came through `through`: it takes the number's place if that names something else by now.
  void adopt(int through) noexcept;

  const std::shared_ptr<Link> link;
  const handoff::MoveId id;

  int number = -1;  // of the parked socket, once the program has seen the OFFER
  std::uint64_t parked_cookie = 0;
  handoff::ServerMachine machine;
  handoff::Description description;
  HiddenFd placeholder;  // keeps a number free for the end point, from the answer on
  HiddenFd arrived;      // the end point, called and not taken
  handoff::CallItem item;
  std::vector<std::byte> iso_image;
  bool no_descriptor = false;  // the CALL is still in the link: there was no number for what it carries
  bool taking = false;         // TAKEN is being sent: what S does first wins
  bool cancel_seen = false;    // ... and a CANCEL has come meanwhile
  Failure failure;             // why there is nothing to take
};

}  // namespace baton::endpoint
