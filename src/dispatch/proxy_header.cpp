// SPDX-License-Identifier: MIT
#include "dispatch/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/bytes.hpp"
#include "base/proxy_protocol.hpp"

namespace baton::dispatch {
namespace {

constexpr std::size_t ports_size = 4;

using Octets16 = std::array<std::byte, 16>;

/// An IPv4 address as ::ffff:a.b.c.d (RFC 4291 2.5.5.2).
Octets16 as_ipv6(const recognise::IpAddress& address) noexcept {
  Octets16 octets{};
  std::ranges::copy(address.octets(), octets.end() - static_cast<std::ptrdiff_t>(address.octets().size()));
  if (address.is_v4()) octets[10] = octets[11] = std::byte{0xff};
  return octets;
}

}  // namespace

bool is_told_by_proxy(const Visitor& visitor) noexcept {
  const auto& proxied = visitor.facts.proxy;
  return proxied && proxied->source && proxied->destination;
}

std::string proxy_header_for(const Visitor& visitor) {
  recognise::IpAddress to;
  std::uint16_t to_port = 0;
  std::uint16_t from_port = visitor.peer_port;
  if (is_told_by_proxy(visitor)) {
    const auto& proxied = *visitor.facts.proxy;
    to = *proxied.destination;
    to_port = proxied.destination_port;
    from_port = proxied.source_port;
  } else if (const auto local = visitor.connection.local_address()) {
    to = recognise::IpAddress::parse(local->ip()).value_or(recognise::IpAddress{});
    to_port = local->port();
  }
  const bool v4 = visitor.source.is_v4() && to.is_v4();
  std::array<std::byte, proxy_v2::signature.size() + 4 + 2 * sizeof(Octets16) + ports_size> room;
  ByteWriter writer{room};
  writer.put(as_bytes(proxy_v2::signature));
  writer.u8(proxy_v2::command_proxy);
  writer.u8(v4 ? proxy_v2::tcp_over_ipv4 : proxy_v2::tcp_over_ipv6);
  writer.u16(static_cast<std::uint16_t>(2 * (v4 ? to.octets().size() : sizeof(Octets16)) + ports_size));
  for (const recognise::IpAddress* each : {&visitor.source, &std::as_const(to)}) {
    // A proxy may say one of the two as ::ffff:a.b.c.d, which is IPv4 here: the header has one family.
    if (v4)
      writer.put(each->octets());
    else
      writer.put(as_ipv6(*each));
  }
  writer.u16(from_port);
  writer.u16(to_port);
  return std::string{as_text(writer.written())};
}

}  // namespace baton::dispatch
