// SPDX-License-Identifier: MIT
// The search for the interface of a local address, apart from socket.cpp for its length.
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>

#include "os/process.hpp"
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

/// Interfaces change seldom and are asked for at every offer: one walk a second is enough.
class Known {
 public:
  std::optional<unsigned> find(const Address& address, Instant now) {
    const std::lock_guard lock{mutex_};
    if (now - since_ < std::chrono::seconds{1} && address == address_) return index_;
    return std::nullopt;
  }
  void keep(const Address& address, unsigned index, Instant now) {
    const std::lock_guard lock{mutex_};
    address_ = address;
    index_ = index;
    since_ = now;
  }

 private:
  std::mutex mutex_;
  Address address_;
  unsigned index_ = 0;
  Instant since_ = Instant::min() / 2;
};

unsigned walk(const Address& address) noexcept {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return 0;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner{first, &freeifaddrs};
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next)
    if (carries(*each, address)) return if_nametoindex(each->ifa_name);
  return 0;
}

unsigned interface_with(const Address& address) noexcept {
  static Known known;
  const Instant now = monotonic_now();
  if (const auto index = known.find(address, now)) return *index;
  const unsigned index = walk(address);
  known.keep(address, index, now);
  return index;
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
