// SPDX-License-Identifier: MIT
// baton: os/resolve_host.hpp: from a host's name or address in text to socket addresses (getaddrinfo(3)).
//
// Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "os/result.hpp"
#include "os/socket.hpp"

namespace baton::os {

enum class Lookup {
  AddressesOnly,  // text that is no address has none: never waits
  Names,          // asks the system's resolver, which may wait for the network
};

/// The TCP addresses of `host`, in the order in which they should be tried. Errors: ENOENT no such host; EAGAIN the
/// resolver does not answer; ENOMEM.
[[nodiscard]] Result<std::vector<Address>> resolve_host(const std::string& host, std::uint16_t port, Lookup lookup);

/// Address and port in text, as in a hosts file: 192.0.2.7:102, [2001:db8::7]:102.
[[nodiscard]] std::string printable(const Address& address);

}  // namespace baton::os
