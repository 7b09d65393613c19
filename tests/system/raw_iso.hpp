// SPDX-License-Identifier: MIT
// baton: system/raw_iso.hpp: a partner on the other side of RFC 1006 that is written octet by octet, without the
// library.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace baton::system_tests {

/// TPKT and TPDU.
std::string packet(std::string_view tpdu);
/// SRC-REF 0x0102; `size` is the value of C0.
std::string connection_request(std::string_view called, std::string_view calling = "CLIENT", int size = 0x0b,
                               std::string_view user_data = {});
std::string data_packet(std::string_view payload, bool last = true);
std::string disconnect(int reason, std::string_view text = {});

/// A plain connection to a port of 127.0.0.1.
UniqueFd connect_raw(unsigned short port);
/// The next packet without its TPKT; empty at the end of the connection.
std::string read_packet(int number);
/// The payload of the next DTs up to one with EOT; what came before the end where there is none.
std::string read_tsdu(int number);

/// What a receiver can check without having seen it: the same for the same size and seed.
std::string pattern(std::size_t size, unsigned seed = 0);

}  // namespace baton::system_tests
