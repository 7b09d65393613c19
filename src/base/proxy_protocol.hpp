// SPDX-License-Identifier: MIT
// baton: base/proxy_protocol.hpp: numbers of the PROXY protocol, version 2 ("The PROXY protocol", 2.2).
//
// A header: signature, version and command, family and transport, how many octets follow (16 bits); addresses and
// ports.
#pragma once

#include <cstdint>
#include <string_view>

namespace baton::proxy_v2 {

inline constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", 12};
inline constexpr std::uint8_t command_proxy = 0x21;  // with the version
inline constexpr std::uint8_t tcp_over_ipv4 = 0x11;
inline constexpr std::uint8_t tcp_over_ipv6 = 0x21;

}  // namespace baton::proxy_v2
