// SPDX-License-Identifier: MIT
#include "os/told_addresses.hpp"

#include <netinet/in.h>

#include <cstring>

#include "base/proxy_protocol.hpp"
#include "os/like_accepted.hpp"

namespace baton::os {
namespace {

Address address_of(const in_addr& host, std::uint16_t port) noexcept {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr = host;
  return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

Address address_of(const in6_addr& host, std::uint16_t port) noexcept {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = host;
  return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

template <class Host>
std::optional<ToldAddresses> read_addresses(ByteReader& reader) noexcept {
  const Bytes hosts = reader.take(2 * sizeof(Host));
  const std::uint16_t client_port = reader.u16();
  const std::uint16_t port = reader.u16();
  if (!reader.ok()) return std::nullopt;
  Host host[2];
  std::memcpy(&host, hosts.data(), sizeof host);
  return ToldAddresses{address_of(host[0], client_port), address_of(host[1], port)};
}

}  // namespace

std::optional<ToldAddresses> told_addresses(Bytes blob) noexcept {
  ByteReader reader{blob};
  const Bytes signature = reader.take(proxy_v2::signature.size());
  if (as_text(signature) != proxy_v2::signature || reader.u8() != proxy_v2::command_proxy) return std::nullopt;
  const std::uint8_t family = reader.u8();
  const std::size_t length = reader.u16();
  if (!reader.ok() || length != reader.remaining()) return std::nullopt;
  // What stands behind the addresses says other things of the client.
  if (family == proxy_v2::tcp_over_ipv4) return read_addresses<in_addr>(reader);
  if (family == proxy_v2::tcp_over_ipv6) return read_addresses<in6_addr>(reader);
  return std::nullopt;
}

std::optional<ToldAddresses> as_shown(const std::optional<ToldAddresses>& told, int shown_family) noexcept {
  if (!told) return std::nullopt;
  ToldAddresses shown{as_shown(told->client, shown_family), as_shown(told->destination, shown_family)};
  const bool fits =
      shown_family != AF_INET || (shown.client.family() == AF_INET && shown.destination.family() == AF_INET);
  return fits ? std::optional{shown} : std::nullopt;
}

}  // namespace baton::os
