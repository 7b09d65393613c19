// SPDX-License-Identifier: MIT
// baton: endpoint/iso_connection.hpp: an AF_ISO connection, whatever carries it.
//
//   IsoConnection
//     |-- Link              within the host, AF_UNIX: also carries moves (link.hpp)
//     '-- RemoteConnection  to another host, RFC 1006 over TCP (remote_connection.hpp)
//
// Joins the transport machine to a descriptor, which is the program's number: the library reads and writes it only
// inside the program's calls.
//
// Invariant: everything but the constants is guarded by the connection's mutex; nobody holds it while waiting.
// Waiting:   whoever waits polls the descriptor and the gate; a call that changes what another one may be waiting for
//            opens the gate.
// Threads:   any number on one connection. Locks: connection, then table; never two connections.
#pragma once

#include <poll.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "endpoint/fault.hpp"
#include "endpoint/gate.hpp"
#include "handoff/frames.hpp"
#include "handoff/iso_image.hpp"
#include "os/socket.hpp"
#include "transport/connection.hpp"
#include "tsap/address.hpp"

namespace baton::endpoint {

/// How long a call may wait.
struct Waiting {
  bool nonblocking = false;
  Instant deadline = never;
  /// The mode of this number decides, asked only when there is something to wait for; -1: `nonblocking` does.
  int as_number = -1;

  [[nodiscard]] bool may_block() const noexcept {
    return !nonblocking && (as_number < 0 || !os::is_nonblocking(FdRef{as_number}));
  }
};

/// The hosts at both ends.
struct HostNames {
  tsap::Nsel local;
  tsap::Nsel peer;
};

/// Messages that one call reads before it pauses: a peer that floods a connection keeps no call from its deadline, and
/// no other call from the lock.
inline constexpr unsigned max_turn = 1024;

class IsoConnection : public std::enable_shared_from_this<IsoConnection> {
 public:
  using Lock = std::unique_lock<std::mutex>;

  IsoConnection(transport::Connection machine, int number, std::uint64_t cookie, const HostNames& hosts);
  virtual ~IsoConnection();
  IsoConnection(const IsoConnection&) = delete;
  IsoConnection& operator=(const IsoConnection&) = delete;

  [[nodiscard]] std::uint64_t cookie() const noexcept { return cookie_; }
  [[nodiscard]] Lock lock() const {
    Lock held{mutex_};
    turn_ = 0;
    return held;
  }
  /// Perhaps without the lock: some other call has it.
  [[nodiscard]] Lock try_lock() const { return Lock{mutex_, std::try_to_lock}; }
  [[nodiscard]] transport::State state(const Lock&) const noexcept { return machine_.state(); }
  [[nodiscard]] const transport::Connection& machine(const Lock&) const noexcept { return machine_; }
  /// Never changes.
  [[nodiscard]] transport::Role role() const noexcept { return machine_.role(); }
  [[nodiscard]] tsap::IsoAddress local_address(const Lock&) const;
  [[nodiscard]] tsap::IsoAddress peer_address(const Lock&) const;

  /// Initiator: the answer to the CR, once it is there.
  virtual Result<void> await_confirmation(Lock& lock, const Waiting& waiting) = 0;
  /// Responder: sends the CC. Nothing happens where that was done.
  virtual Result<void> confirm(const Lock&, Bytes user_data) = 0;
  /// The program closes; `disconnect_data` goes to the partner if there is any. Afterwards the number is free.
  virtual void close(Bytes disconnect_data) = 0;
  /// The program's number is something else by now.
  virtual void number_lost() = 0;
  /// The program goes on with a duplicate of its number.
  void adopt(int number);

  struct UserData {
    std::size_t size = 0;
    bool end_of_tsdu = false;  ///< with size 0: only the end of a TSDU whose octets have been read already
  };
  /// One TSDU, or what an earlier short write left owed of one and then the next. How many octets are accepted.
  Result<std::size_t> send_user_data(Lock& lock, std::span<const iovec> octets, const Waiting& waiting);
  /// Some octets of one TSDU.
  virtual Result<UserData> receive_user_data(Lock& lock, std::span<const iovec> room, bool peek,
                                             const Waiting& waiting) = 0;
  /// Octets of user data that a read would give without waiting.
  [[nodiscard]] virtual std::size_t readable_octets(const Lock& lock) = 0;
  /// Takes in what has arrived, as far as that is done ahead of the program.
  virtual void look(const Lock& lock) = 0;
  /// What the library has read and the program not yet fetched, in units.
  [[nodiscard]] virtual std::size_t pending(const Lock&) const noexcept = 0;
  /// Octets that the next write begins with, because the length of their TSDU is on the wire.
  [[nodiscard]] virtual std::uint64_t owed(const Lock&) const noexcept = 0;

  /// One entry of select or poll. What is known goes to `entry.revents`; `kernel` is what to ask, of whose answers
  /// `mask` counts; `until`: look again then.
  struct Question {
    pollfd kernel{-1, 0, 0};
    short mask = 0;
    Instant until = never;
  };
  virtual Question ask(const Lock& lock, pollfd& entry) = 0;
  [[nodiscard]] Gate& gate() noexcept { return gate_; }
  /// Descriptors that end a wait on this connection besides its own.
  virtual void add_wait_entries(const Lock&, std::vector<pollfd>& entries);
  /// Blocks once for an event on the connection or the gate; the caller looks again.
  virtual Result<void> pause(Lock& lock, const Waiting& waiting, short events);

  // --- Moving it (iso_moving.cpp) ----------------------------------------------------------------------------------
  /// What moves besides the descriptor. NotConnected: not in a state that moves; Busy: a call is in the middle of a
  /// TSDU; ReadFirst: more is read ahead than moves along; AlreadyMoving: moves go on over it.
  virtual Result<std::vector<std::byte>> image(const Lock&) const = 0;
  virtual handoff::Carrier carrier() const noexcept = 0;

 protected:
  [[nodiscard]] Failure end_failure() const noexcept;
  /// No answer to the connection request yet, from here or from there.
  [[nodiscard]] bool not_yet_open() const noexcept;
  void count_out() noexcept;
  /// `octets`, `length` in all and not none, on an open connection while nobody else writes.
  virtual Result<std::size_t> send_alone(Lock& lock, std::span<const iovec> octets, std::size_t length,
                                         const Waiting& waiting) = 0;
  /// Waits until no other call is in the middle of a TSDU (RFC 905 6.3.3), and takes its place.
  Result<void> begin_writing(Lock& lock, const Waiting& waiting);
  void end_writing() noexcept;
  [[nodiscard]] bool turn_over() const noexcept { return turn_ >= max_turn; }
  /// Begins the next turn. True: the one before was used up, and the time of the call with it.
  [[nodiscard]] bool overdue(const Waiting& waiting) noexcept;

  mutable std::mutex mutex_;
  const std::uint64_t cookie_;
  int number_;  // the program's; -1 once it is closed or lost
  transport::Connection machine_;
  const HostNames hosts_;
  Gate gate_;
  bool ended_ = false;         // read to its end
  bool broken_ = false;        // the peer broke the protocol: nothing is read any more
  bool writing_ = false;       // a call is in the middle of a TSDU
  mutable unsigned turn_ = 0;  // messages read since a call took the lock, or paused

 private:
  bool counted_ = true;  // in statistics().links
};

/// A connection that has come with `image`, at `number`. Nothing: the image is none.
[[nodiscard]] std::shared_ptr<IsoConnection> restore_connection(const handoff::IsoImage& image, int number,
                                                                std::uint64_t cookie);

}  // namespace baton::endpoint
