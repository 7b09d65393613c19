// SPDX-License-Identifier: MIT
#include "os/resolve_host.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <memory>

namespace baton::os {

Result<std::vector<Address>> resolve_host(const std::string& host, std::uint16_t port, Lookup lookup) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | (lookup == Lookup::AddressesOnly ? AI_NUMERICHOST : AI_ADDRCONFIG);
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  switch (error) {
    case 0:
      break;
    case EAI_AGAIN:
      return failure(EAGAIN);
    case EAI_MEMORY:
      return failure(ENOMEM);
    case EAI_SYSTEM:
      return failure();
    default:
      return failure(ENOENT);
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list{found, ::freeaddrinfo};
  std::vector<Address> addresses;
  for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next)
    addresses.emplace_back(each->ai_addr, each->ai_addrlen);
  return addresses;
}

std::string printable(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  const std::string port = std::to_string(address.port());
  if (address.family() == AF_INET) {
    const auto* const ipv4 = reinterpret_cast<const sockaddr_in*>(address.data());
    (void)::inet_ntop(AF_INET, &ipv4->sin_addr, text, sizeof text);
    return std::string{text} + ":" + port;
  }
  if (address.family() != AF_INET6) return "?";
  const auto* const ipv6 = reinterpret_cast<const sockaddr_in6*>(address.data());
  (void)::inet_ntop(AF_INET6, &ipv6->sin6_addr, text, sizeof text);
  const std::string scope = ipv6->sin6_scope_id == 0 ? "" : "%" + std::to_string(ipv6->sin6_scope_id);
  return "[" + std::string{text} + scope + "]:" + port;
}

}  // namespace baton::os
