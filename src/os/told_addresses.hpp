// SPDX-License-Identifier: MIT
// baton: os/told_addresses.hpp: the addresses of a client that came by a proxy, as a dispatcher tells them to a worker.
//
// The blob of the move (soc_take(3)) is then a header of the PROXY protocol, version 2, and nothing else. Anybody
// else's blob is his own: what is no such header tells nothing. Threads: values.
#pragma once

#include <optional>

#include "base/bytes.hpp"
#include "os/socket.hpp"

namespace baton::os {

/// AF_INET, or AF_INET6, both: what getpeername(2) and getsockname(2) would give if the client had come directly.
struct ToldAddresses {
  Address client;
  Address destination;
};

/// Nothing: `blob` is not a whole header, or one without addresses of TCP.
[[nodiscard]] std::optional<ToldAddresses> told_addresses(Bytes blob) noexcept;

/// As a listening socket shows them (os/like_accepted.hpp). Nothing where the client is of IPv6 and the program listens
/// on IPv4: such programs have no room for it, and half an address is another client's. They see the proxy.
[[nodiscard]] std::optional<ToldAddresses> as_shown(const std::optional<ToldAddresses>& told,
                                                    int shown_family) noexcept;

/// A connection from a dispatcher.
struct HandedOver {
  UniqueFd connection;
  std::optional<ToldAddresses> told{};  // of a client that came by a proxy
};

}  // namespace baton::os
