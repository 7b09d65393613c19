// SPDX-License-Identifier: MIT
#include "os/like_accepted.hpp"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/time.h>

#include <cstring>

#include "os/option.hpp"

namespace baton::os {
namespace {

// Linux copies the whole socket but its queues (sk_clone_lock); buffer sizes stay those of the connection.
constexpr Option copied[] = {
    {SOL_SOCKET, SO_KEEPALIVE},      {SOL_SOCKET, SO_LINGER},          {SOL_SOCKET, SO_OOBINLINE},
    {SOL_SOCKET, SO_RCVLOWAT},       {SOL_SOCKET, SO_RCVTIMEO},        {SOL_SOCKET, SO_SNDTIMEO},
    {SOL_SOCKET, SO_PRIORITY},       {IPPROTO_TCP, TCP_NODELAY},       {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_KEEPIDLE},     {IPPROTO_TCP, TCP_KEEPINTVL},     {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT}, {IPPROTO_TCP, TCP_NOTSENT_LOWAT}, {IPPROTO_TCP, TCP_CONGESTION},
};

}  // namespace

void make_like_accepted(FdRef connection, FdRef listening, int flags) noexcept {
  (void)set_nonblocking(connection, (flags & SOCK_NONBLOCK) != 0);
  (void)set_close_on_exec(connection, (flags & SOCK_CLOEXEC) != 0);
  for (const Option& option : copied) copy_option(option, listening, connection);
}

int shown_family(FdRef listening) noexcept {
  if (is_tcp(listening, AF_INET)) return AF_INET;
  return int_option({IPPROTO_IPV6, IPV6_V6ONLY}, listening).value_or(0) != 0 ? 0 : AF_INET6;
}

Address as_shown(const Address& peer, int shown_family) noexcept {
  constexpr std::size_t prefix = 12;
  if (shown_family == AF_INET6 && peer.family() == AF_INET) {
    const auto& from = *reinterpret_cast<const sockaddr_in*>(peer.data());
    sockaddr_in6 mapped{};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = from.sin_port;
    mapped.sin6_addr.s6_addr[prefix - 2] = mapped.sin6_addr.s6_addr[prefix - 1] = 0xff;
    std::memcpy(&mapped.sin6_addr.s6_addr[prefix], &from.sin_addr, sizeof from.sin_addr);
    return {reinterpret_cast<const sockaddr*>(&mapped), sizeof mapped};
  }
  const auto& six = *reinterpret_cast<const sockaddr_in6*>(peer.data());
  if (shown_family == AF_INET && peer.family() == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six.sin6_addr)) {
    sockaddr_in plain{};
    plain.sin_family = AF_INET;
    plain.sin_port = six.sin6_port;
    std::memcpy(&plain.sin_addr, &six.sin6_addr.s6_addr[prefix], sizeof plain.sin_addr);
    return {reinterpret_cast<const sockaddr*>(&plain), sizeof plain};
  }
  return peer;
}

}  // namespace baton::os
