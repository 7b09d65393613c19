// SPDX-License-Identifier: MIT
#include "os/tcp_position.hpp"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstddef>

#include "os/sock_diag.hpp"

namespace baton::os {
namespace {

// Every TCP_INFO pair that disagrees means that a segment came in within two microseconds. Even at line rate a few
// rounds suffice; the bound only keeps the promise to return.
constexpr int most_rounds = 64;

struct Counters {
  std::uint64_t received = 0;      // octets in order since the beginning; an arrived FIN counts 1
  std::uint64_t acknowledged = 0;  // octets acknowledged; the SYN that we sent and our FIN count 1 each
  TcpState state = TcpState::Close;
  friend bool operator==(const Counters&, const Counters&) noexcept = default;
};

Result<Counters> read_counters(FdRef socket) noexcept {
  tcp_info info{};
  // As far as the last field that is needed. Kernels before 4.1 give less: not supported.
  socklen_t size = offsetof(tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received;
  if (getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return failure();
  return Counters{.received = info.tcpi_bytes_received,
                  .acknowledged = info.tcpi_bytes_acked,
                  .state = static_cast<TcpState>(info.tcpi_state)};
}

/// A FIN has arrived and is counted in `received`. In Close this is not known and answered with no.
bool counts_arrived_fin(TcpState state) noexcept {
  switch (state) {
    case TcpState::CloseWait:
    case TcpState::LastAck:
    case TcpState::Closing:
    case TcpState::TimeWait:
      return true;
    case TcpState::Established:
    case TcpState::SynSent:
    case TcpState::SynReceived:
    case TcpState::FinWait1:
    case TcpState::FinWait2:
    case TcpState::Close:
    case TcpState::Listen:
    case TcpState::NewSynReceived:
      return false;
  }
  return false;
}

bool has_stream(TcpState state) noexcept {
  switch (state) {
    case TcpState::SynSent:
    case TcpState::SynReceived:
    case TcpState::NewSynReceived:
    case TcpState::Listen:
      return false;
    case TcpState::Established:
    case TcpState::FinWait1:
    case TcpState::FinWait2:
    case TcpState::TimeWait:
    case TcpState::Close:
    case TcpState::CloseWait:
    case TcpState::LastAck:
    case TcpState::Closing:
      return true;
  }
  return false;
}

Result<std::uint32_t> queue_length(FdRef socket, unsigned long request) noexcept {
  int length = 0;
  if (ioctl(socket.get(), request, &length) != 0) return failure();
  return static_cast<std::uint32_t>(length);
}

struct Queues {
  std::uint32_t unread = 0;
  std::uint32_t unacknowledged = 0;
};

Result<Queues> quick_queues(FdRef socket) noexcept {
  const auto unread = queue_length(socket, SIOCINQ);
  if (!unread) return std::unexpected{unread.error()};
  const auto unacknowledged = queue_length(socket, SIOCOUTQ);
  if (!unacknowledged) return std::unexpected{unacknowledged.error()};
  return Queues{.unread = *unread, .unacknowledged = *unacknowledged};
}

StreamPosition quick_position(const Counters& counters, const Queues& queues) noexcept {
  // SIOCINQ leaves the FIN out, read or not.
  const std::uint64_t fin = counts_arrived_fin(counters.state) ? 1 : 0;
  return StreamPosition{.consumed = counters.received - queues.unread - fin,
                        .written = counters.acknowledged + queues.unacknowledged,
                        .unread = queues.unread,
                        .state = counters.state};
}

/// Reads the queues between two equal readings of the counters: nothing arrived and nothing was acknowledged meanwhile.
/// `read_queues` gives a Result<T>; `combine` makes the position of both.
template <class ReadQueues, class Combine>
Result<StreamPosition> bracketed(FdRef socket, ReadQueues read_queues, Combine combine) noexcept {
  auto before = read_counters(socket);
  if (!before) return std::unexpected{before.error()};
  for (int round = 0; round < most_rounds; ++round) {
    if (!has_stream(before->state)) return failure(EINVAL);
    const auto queues = read_queues();
    if (!queues) return std::unexpected{queues.error()};
    const auto after = read_counters(socket);
    if (!after) return std::unexpected{after.error()};
    if (*before == *after) return combine(*after, *queues);
    before = after;
  }
  return failure(EAGAIN);
}

Result<StreamPosition> diagnosed(FdRef socket) noexcept {
  auto diagnosis = SockDiag::open(socket);
  if (!diagnosis) return std::unexpected{diagnosis.error()};
  return bracketed(
      socket, [&diagnosis] { return diagnosis->queues(); },
      [](const Counters& counters, const DiagQueues& queues) {
        // The receive queue of sock_diag holds an unread FIN; an end of file that was read is out of it.
        const bool fin = counts_arrived_fin(counters.state);
        const std::uint64_t fin_read = fin && queues.receive == 0 ? 1 : 0;
        const std::uint32_t fin_unread = fin && queues.receive > 0 ? 1 : 0;
        return StreamPosition{.consumed = counters.received - queues.receive - fin_read,
                              .written = counters.acknowledged + queues.send,
                              .unread = queues.receive - fin_unread,
                              .state = counters.state};
      });
}

}  // namespace

bool same(const StreamPosition& a, const StreamPosition& b) noexcept {
  if (a.written != b.written) return false;
  const bool a_closed = a.state == TcpState::Close;
  const bool b_closed = b.state == TcpState::Close;
  if (a_closed == b_closed) return a.consumed == b.consumed;
  const StreamPosition& closed = a_closed ? a : b;
  const StreamPosition& open = a_closed ? b : a;
  // A FIN that had arrived before is in the count of Close for certain; else it may have come with the end or not.
  if (closed.consumed == open.consumed + 1) return true;
  return closed.consumed == open.consumed && !counts_arrived_fin(open.state);
}

Result<StreamPosition> read_position(FdRef socket) noexcept {
  return bracketed(socket, [socket] { return quick_queues(socket); }, quick_position);
}

bool unmoved_since(FdRef socket, const StreamPosition& then) noexcept {
  const auto queues = quick_queues(socket);
  if (!queues) return false;
  const auto counters = read_counters(socket);
  return counters && counters->state != TcpState::Close && has_stream(counters->state) &&
         same(then, quick_position(*counters, *queues));
}

Result<StreamPosition> confirm_position(FdRef socket) noexcept {
  const auto confirmed = diagnosed(socket);
  if (confirmed) return confirmed;
  // The kernel's list holds no socket in Close.
  const auto now = read_counters(socket);
  return now && now->state == TcpState::Close ? read_position(socket) : confirmed;
}

bool never_connected(FdRef socket) noexcept {
  // Both hang up; only a connection that is over has shut its input as well (tcp_poll of the kernel).
  pollfd entry{.fd = socket.get(), .events = POLLRDHUP, .revents = 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0 && (entry.revents & POLLRDHUP) == 0;
}

bool urgent_pending(FdRef socket) noexcept {
  pollfd entry{.fd = socket.get(), .events = POLLPRI, .revents = 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & POLLPRI) != 0;
}

}  // namespace baton::os
