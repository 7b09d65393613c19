// SPDX-License-Identifier: MIT
// baton: tsap/hosts.hpp: the text of a hosts file: which addresses a host's NSEL stands for.
//
//   # comment
//   PLC00001  192.0.2.7                     port 102 (RFC 1006)
//   HOST0002  192.0.2.8:1102 [2001:db8::8]  tried from left to right
//   GATEWAY   gw.example.org:102            a name: asked of the resolver
//   \#NAME    192.0.2.9                     an NSEL that begins with #
//
// A line that is not understood is left out and remembered. Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tsap/nsel.hpp"

namespace baton::tsap {

/// ISO transport over TCP (RFC 1006 §4).
inline constexpr std::uint16_t default_port = 102;

/// An address or a name, and a port. Brackets around an IPv6 address are gone.
struct HostAddress {
  std::string host;
  std::uint16_t port = default_port;
  friend bool operator==(const HostAddress&, const HostAddress&) = default;
};

/// "192.0.2.7", "192.0.2.7:102", "name:102", "[2001:db8::7]:102", "2001:db8::7". Nothing: port 0 to 65535 is not a
/// number, or there is no host.
[[nodiscard]] std::optional<HostAddress> parse_host_address(std::string_view text);
/// Several, separated by blanks; at least one.
[[nodiscard]] std::optional<std::vector<HostAddress>> parse_host_addresses(std::string_view text);

struct Hosts {
  struct Entry {
    Nsel name;
    std::vector<HostAddress> addresses;
  };
  std::vector<Entry> entries;
  std::size_t bad_line = 0;  ///< the first that is not understood, counted from 1; 0: none

  /// The first entry of that name.
  [[nodiscard]] const Entry* find(const Nsel& name) const noexcept;
};
[[nodiscard]] Hosts parse_hosts(std::string_view text);

}  // namespace baton::tsap
