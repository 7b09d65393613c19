// SPDX-License-Identifier: MIT
// baton: os/tcp_position.hpp: how far the stream of a TCP end point has been read and written, from the kernel's
// counters.
//
// Equal positions mean that nobody read or wrote in between, whatever arrived, was acknowledged or retransmitted.
// MSG_PEEK and reading an end of file do not count; shutdown for writing counts as one octet written.
// Both counters may start at 1, and only differences have a meaning.
// With urgent data the quick reading may be off: see urgent_pending() and confirm_position().
// Threads: any; a reading is exact for some instant within the call.
#pragma once

#include <cstdint>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// Numbers of the kernel (net/tcp_states.h).
enum class TcpState : std::uint8_t {
  Established = 1,
  SynSent = 2,
  SynReceived = 3,
  FinWait1 = 4,
  FinWait2 = 5,
  TimeWait = 6,
  Close = 7,
  CloseWait = 8,
  LastAck = 9,
  Listen = 10,
  Closing = 11,
  NewSynReceived = 12,
};

struct StreamPosition {
  std::uint64_t consumed = 0;              // octets read by the owner; in state Close perhaps 1 too many, see same()
  std::uint64_t written = 0;               // octets written by the owner
  std::uint32_t unread = 0;                // octets received and not yet read
  TcpState state = TcpState::Established;  // at the instant of the reading
};

/// Nobody read or wrote between the two. In state Close the kernel no longer tells whether a FIN had arrived, which it
/// counts as an octet: between a position in Close and one in another state, a FIN's difference of `consumed` counts as
/// none. Where the state was not kept, Established stands for any but Close.
[[nodiscard]] bool same(const StreamPosition& a, const StreamPosition& b) noexcept;

/// The quick reading: four system calls when nothing arrives meanwhile.
/// EAGAIN: counters changed in each of the rounds; try again. EINVAL: it listens or is not yet connected.
/// ENOTSOCK, EOPNOTSUPP, ENOPROTOOPT: not a TCP socket.
[[nodiscard]] Result<StreamPosition> read_position(FdRef socket) noexcept;

/// Proves with three system calls that the connection is not over, and that nobody has read or written since `then`.
/// False proves nothing: something may just have arrived in between; read_position() tells. The queues are read before
/// the counters: what comes meanwhile can only make the sums larger, so equal sums are exact.
[[nodiscard]] bool unmoved_since(FdRef socket, const StreamPosition& then) noexcept;

/// The slow and exact reading through sock_diag(7), right with urgent data too: before a difference is believed.
/// In state Close the kernel's list no longer has the socket, and this is the quick reading.
/// ENOENT: the kernel has no tcp_diag, or the socket is of another network namespace; EAGAIN as above.
[[nodiscard]] Result<StreamPosition> confirm_position(FdRef socket) noexcept;

/// A TCP socket that has no connection and never had one: neither open nor over. One that listens is answered with no.
[[nodiscard]] bool never_connected(FdRef socket) noexcept;
/// Urgent data has arrived and is not read (POLLPRI).
[[nodiscard]] bool urgent_pending(FdRef socket) noexcept;

}  // namespace baton::os
