// SPDX-License-Identifier: MIT
#include "os/tcp.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace baton::os {
namespace {

bool set(FdRef socket, int level, int name, int value) noexcept {
  return ::setsockopt(socket.get(), level, name, &value, sizeof value) == 0;
}

bool prepare(FdRef socket) noexcept {
  return set(socket, IPPROTO_TCP, TCP_NODELAY, 1) && set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
}

}  // namespace

Result<UniqueFd> tcp_socket(int domain, bool nonblocking) noexcept {
  const int flags = SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0);
  UniqueFd socket{adopt, ::socket(domain, SOCK_STREAM | flags, IPPROTO_TCP)};
  if (!socket.valid() || !prepare(socket.ref())) return failure();
  return socket;
}

Result<bool> connect_step(FdRef socket, const Address& to) noexcept {
  const bool waits = !is_nonblocking(socket);
  if (waits)
    if (auto set = set_nonblocking(socket, true); !set) return std::unexpected{set.error()};
  const int outcome = ::connect(socket.get(), to.data(), to.size());
  const int error = outcome == 0 ? 0 : errno;
  if (waits) (void)set_nonblocking(socket, false);
  switch (error) {
    case 0:
    case EISCONN:
      return true;
    case EINPROGRESS:
    case EALREADY:
    case EINTR:
      return false;
    default:
      return failure(error);
  }
}

Result<UniqueFd> tcp_listener(const Address& at, int backlog) noexcept {
  auto socket = tcp_socket(at.family(), true);
  if (!socket) return socket;
  const FdRef made = socket->ref();
  if (!set(made, SOL_SOCKET, SO_REUSEADDR, 1)) return failure();
  if (at.family() == AF_INET6 && !set(made, IPPROTO_IPV6, IPV6_V6ONLY, 1)) return failure();
  if (::bind(made.get(), at.data(), at.size()) != 0 || ::listen(made.get(), backlog) != 0) return failure();
  return socket;
}

Result<UniqueFd> accept_tcp(FdRef listener) noexcept {
  UniqueFd connection{adopt, ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  if (!connection.valid() || !prepare(connection.ref())) return failure();
  return connection;
}

void make_accepted(FdRef connection) noexcept {
  stop_signals(connection);
  if (linger_time(connection) > 0) set_linger_time(connection, 0);
  (void)set_nonblocking(connection, false);
  (void)prepare(connection);
}

Result<std::size_t> receive_stream(FdRef socket, std::span<const iovec> room, StreamFlags flags) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(room.data());  // recvmsg(2) does not write to it
  message.msg_iovlen = room.size();
  const ssize_t size = ::recvmsg(socket.get(), &message, (flags.wait ? 0 : MSG_DONTWAIT) | (flags.peek ? MSG_PEEK : 0));
  if (size < 0) return failure();
  return static_cast<std::size_t>(size);
}

Result<std::size_t> send_stream(FdRef socket, std::span<const iovec> octets) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(octets.data());  // sendmsg(2) does not write to it
  message.msg_iovlen = octets.size();
  const ssize_t size = ::sendmsg(socket.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (size < 0) return failure();
  return static_cast<std::size_t>(size);
}

std::size_t unread_octets(FdRef socket) noexcept {
  int octets = 0;
  return ::ioctl(socket.get(), SIOCINQ, &octets) == 0 ? static_cast<std::size_t>(octets) : 0;
}

void end_input(FdRef socket) noexcept { (void)::shutdown(socket.get(), SHUT_RD); }
void end_output(FdRef socket) noexcept { (void)::shutdown(socket.get(), SHUT_WR); }

}  // namespace baton::os
