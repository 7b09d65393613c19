// SPDX-License-Identifier: MIT
#include "preload/arrival.hpp"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "os/option.hpp"
#include "os/socket.hpp"

namespace baton::preload {
namespace {

// Linux copies the whole socket but its queues (sk_clone_lock); buffer sizes stay those of the connection.
constexpr os::Option copied[] = {
    {SOL_SOCKET, SO_KEEPALIVE},      {SOL_SOCKET, SO_LINGER},          {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_RCVLOWAT},       {SOL_SOCKET, SO_RCVTIMEO},        {SOL_SOCKET, SO_SNDTIMEO},
    {SOL_SOCKET, SO_PRIORITY},       {IPPROTO_TCP, TCP_NODELAY},       {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_KEEPIDLE},     {IPPROTO_TCP, TCP_KEEPINTVL},     {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT}, {IPPROTO_TCP, TCP_NOTSENT_LOWAT}, {IPPROTO_TCP, TCP_CONGESTION},
};

/// As a listening socket of `family` shows it: an IPv4 peer of an IPv6 one is ::ffff:a.b.c.d, and the other way round.
os::Address shown(const os::Address& peer, int family) noexcept {
  constexpr std::size_t prefix = 12;
  if (family == AF_INET6 && peer.family() == AF_INET) {
    const auto& from = *reinterpret_cast<const sockaddr_in*>(peer.data());
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = from.sin_port;
    mapped.sin6_addr.s6_addr[prefix - 2] = mapped.sin6_addr.s6_addr[prefix - 1] = 0xff;
    std::memcpy(&mapped.sin6_addr.s6_addr[prefix], &from.sin_addr, sizeof from.sin_addr);
    return {reinterpret_cast<const sockaddr*>(&mapped), sizeof mapped};
  }
  const auto& six = *reinterpret_cast<const sockaddr_in6*>(peer.data());
  if (family == AF_INET && peer.family() == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
    sockaddr_in plain{};
    plain.sin_family = AF_INET;
    plain.sin_port = six.sin6_port;
    std::memcpy(&plain.sin_addr, &six.sin6_addr.s6_addr[prefix], sizeof plain.sin_addr);
    return {reinterpret_cast<const sockaddr*>(&plain), sizeof plain};
  }
  return peer;
}

}  // namespace

std::optional<UniqueFd> accepted(UniqueFd taken, const Listener& listener, int flags, const PeerRoom& peer) {
  const FdRef socket = taken.ref();
  const bool tcp = os::is_tcp(socket, AF_INET) || os::is_tcp(socket, AF_INET6);
  const auto address = os::peer_address(socket);
  if (!tcp || !address || os::is_listening(socket)) {
    os::set_linger_time(socket, 0);
    return std::nullopt;
  }
  (void)os::set_nonblocking(socket, (flags & SOCK_NONBLOCK) != 0);
  (void)os::set_close_on_exec(socket, (flags & SOCK_CLOEXEC) != 0);
  for (const os::Option& option : copied) os::copy_option(option, FdRef{listener.number}, socket);
  if (peer.address != nullptr) {
    const os::Address told = shown(*address, listener.family);
    std::memcpy(peer.address, told.data(), std::min(*peer.size, told.size()));
    *peer.size = told.size();
  }
  return taken;
}

}  // namespace baton::preload
