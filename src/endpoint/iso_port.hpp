// SPDX-License-Identifier: MIT
// baton: endpoint/iso_port.hpp: the TCP port of this process for connections from other hosts (RFC 1006).
//
// One for all its listening AF_ISO sockets: the called TSEL says whose a request is. A peer that connects and sends no
// CR, or half of one, holds up nobody: it waits here until its time is over.
//
//   kernel's backlog --> half open --CR--> queue of its TSAP --> accepted
//                           |  '--refused: DR or ER sent--> closing --peer closes, or TS2--> closed
//                           '--time over, no TPKT, too many--> closed
//
// Threads: any.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "endpoint/request_queue.hpp"
#include "os/socket.hpp"
#include "transport/packet_reader.hpp"
#include "tsap/selector.hpp"

namespace baton::endpoint {

/// Peers that have connected and not yet sent their CR, or were refused and have not closed. Never more than a quarter
/// of the descriptors that the process may have. Beyond it, and where descriptors run out, the oldest is closed.
inline constexpr std::size_t max_remote_half_open = 4096;

class IsoPort {
 public:
  /// As BATON_ISO_LISTEN says, opened by the first that asks; null where it says nothing. PortAddress, PortTaken,
  /// PortDenied; System: other errors of bind(2) and listen(2).
  static Result<std::shared_ptr<IsoPort>> of_process();

  /// One without an address, for connections that other processes have accepted: the same for all who ask.
  static Result<std::shared_ptr<IsoPort>> without_address();

  /// Readable when progress() may have something to do.
  [[nodiscard]] FdRef set() const noexcept { return set_.ref(); }
  /// Requests that call `selector` go to `queue`.
  void open_tsap(const tsap::Selector& selector, const std::shared_ptr<RequestQueue>& queue);
  void close_tsap(const tsap::Selector& selector);
  /// As one that has just been accepted.
  void take_over(UniqueFd connection);
  /// Gives a descriptor back, of the peer that has kept one for longest without a request. False: there is none.
  bool make_room();
  /// Takes in what has arrived, never waits. Errors: as accept4(2), where descriptors or memory are short.
  os::Result<void> progress();
  /// Where it listens: the first address, with the port that the kernel chose where 0 was asked for. ENOTCONN: nowhere.
  [[nodiscard]] os::Result<os::Address> address() const;

  IsoPort(UniqueFd set, UniqueFd timer, std::vector<HiddenFd> listeners);

 private:
  struct HalfOpen {
    HiddenFd descriptor;
    transport::PacketReader reader;
    transport::Connection machine;
    Instant until{};
  };
  using Peers = std::list<HalfOpen>;

  os::Result<void> take_from_backlog(FdRef listener);
  void admit(UniqueFd descriptor);
  enum class Verdict { Waits, Complete, Gone };
  Verdict read_request(HalfOpen& peer);
  Verdict act_on(HalfOpen& peer, const transport::PacketReader::Packet& packet);
  Verdict route(HalfOpen& peer);
  Verdict turn_away(HalfOpen& peer);
  void forget(int number);
  /// Closes who has been refused for longest, else who has stalled for longest. False: there is nobody.
  bool forget_oldest();
  void expire();

  mutable std::mutex mutex_;
  HiddenFd set_;
  HiddenFd timer_;
  std::vector<HiddenFd> listeners_;
  Peers half_open_;  // oldest first
  Peers closing_;    // refused, oldest first
  std::unordered_map<int, Peers::iterator> by_number_;
  std::map<tsap::Selector, std::shared_ptr<RequestQueue>> tsaps_;
  std::uint16_t next_reference_ = 1;
};

}  // namespace baton::endpoint
