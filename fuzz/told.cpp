// SPDX-License-Identifier: MIT
// Any octets as the blob of a move: what is read as a client's addresses is what the reader of PROXY headers, which
// stands before the dispatcher, reads in them.
#include <netinet/in.h>

#include "base/proxy_protocol.hpp"
#include "fuzz/input.hpp"
#include "os/told_addresses.hpp"
#include "recognise/proxy_header.hpp"

namespace baton::os {
namespace {

constexpr std::size_t most_octets = 1U << 17U;  // no blob here is longer
constexpr std::size_t family_at = 13;

Bytes host_of(const Address& address) {
  if (address.family() == AF_INET)
    return std::as_bytes(std::span{&reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr, 1});
  return std::as_bytes(std::span{&reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr, 1});
}

/// recognise::IpAddress turns mapped addresses round.
bool is(const Address& told, const recognise::IpAddress& host, std::uint16_t port) {
  return recognise::IpAddress::from(host_of(told)) == host && told.port() == port;
}

void run(Bytes blob) {
  const auto told = told_addresses(blob);
  for (const int family : {0, AF_INET, AF_INET6}) {
    const auto shown = as_shown(told, family);
    BATON_REQUIRE(!shown || told);
    if (shown && family != 0) BATON_REQUIRE(shown->client.family() == family && shown->destination.family() == family);
    if (shown) BATON_REQUIRE(shown->client.port() == told->client.port());
  }
  const auto verdict = recognise::recognise_proxy_header(blob, most_octets);
  const auto* const header = std::get_if<recognise::ProxyHeader>(&verdict);
  if (header == nullptr || !header->source || header->version != 2 || header->octets != blob.size()) return;
  const auto family = std::to_integer<std::uint8_t>(blob[family_at]);
  const bool tcp = family == proxy_v2::tcp_over_ipv4 || family == proxy_v2::tcp_over_ipv6;
  BATON_REQUIRE(told.has_value() == tcp);
  if (!tcp) return;
  BATON_REQUIRE(is(told->client, *header->source, header->source_port));
  BATON_REQUIRE(is(told->destination, *header->destination, header->destination_port));
}

}  // namespace
}  // namespace baton::os

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::os::run(std::as_bytes(std::span{data, size}));
  return 0;
}
