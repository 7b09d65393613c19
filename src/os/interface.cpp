// SPDX-License-Identifier: MIT
// The search for the interface of a local address, apart from socket.cpp for its length.
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>

#include "os/socket.hpp"

namespace baton::os {
namespace {

in_addr_t ipv4_of(const sockaddr* address) noexcept {
  sockaddr_in ipv4;
  std::memcpy(&ipv4, address, sizeof ipv4);
  return ipv4.sin_addr.s_addr;
}

in6_addr ipv6_of(const sockaddr* address) noexcept {
  sockaddr_in6 ipv6;
  std::memcpy(&ipv6, address, sizeof ipv6);
  return ipv6.sin6_addr;
}

/// An IPv4-mapped IPv6 address as what it is.
Address unmapped(const Address& address) noexcept {
  if (address.family() != AF_INET6) return address;
  const in6_addr ipv6 = ipv6_of(address.data());
  if (!IN6_IS_ADDR_V4MAPPED(&ipv6)) return address;
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  std::memcpy(&ipv4.sin_addr, &ipv6.s6_addr[12], sizeof ipv4.sin_addr);
  return Address{reinterpret_cast<const sockaddr*>(&ipv4), sizeof ipv4};
}

bool carries(const ifaddrs& entry, const Address& address) noexcept {
  if (entry.ifa_addr == nullptr || entry.ifa_addr->sa_family != address.family()) return false;
  if (address.family() == AF_INET6) {
    const in6_addr wanted = ipv6_of(address.data());
    const in6_addr own = ipv6_of(entry.ifa_addr);
    return std::memcmp(&wanted, &own, sizeof wanted) == 0;
  }
  // On the loopback interface the whole prefix is local, as 127.0.0.2 is.
  const bool prefix = (entry.ifa_flags & IFF_LOOPBACK) != 0 && entry.ifa_netmask != nullptr;
  const in_addr_t mask = prefix ? ipv4_of(entry.ifa_netmask) : INADDR_NONE;
  return ((ipv4_of(entry.ifa_addr) ^ ipv4_of(address.data())) & mask) == 0;
}

unsigned interface_with(const Address& address) noexcept {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return 0;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner{first, &freeifaddrs};
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next)
    if (carries(*each, address)) return if_nametoindex(each->ifa_name);
  return 0;
}

}  // namespace

unsigned bound_interface(FdRef socket) noexcept {
  int bound = 0;
  socklen_t size = sizeof bound;
  if (getsockopt(socket.get(), SOL_SOCKET, SO_BINDTOIFINDEX, &bound, &size) != 0 || bound < 0) return 0;
  return static_cast<unsigned>(bound);
}

unsigned interface_index_of_local_address(FdRef socket) noexcept {
  if (const unsigned bound = bound_interface(socket); bound != 0) return bound;
  const auto local = local_address(socket);
  if (!local || (local->family() != AF_INET && local->family() != AF_INET6)) return 0;
  if (local->family() == AF_INET6) {
    sockaddr_in6 ipv6;
    std::memcpy(&ipv6, local->data(), sizeof ipv6);
    if (ipv6.sin6_scope_id != 0) return ipv6.sin6_scope_id;
  }
  return interface_with(unmapped(*local));
}

}  // namespace baton::os
