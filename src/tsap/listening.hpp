// SPDX-License-Identifier: MIT
// baton: tsap/listening.hpp: which listening TCP sockets are meant, in text.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace baton::tsap {

struct ListeningAddress {
  std::string host;  ///< empty: any address
  std::uint16_t port = 0;
  friend bool operator==(const ListeningAddress&, const ListeningAddress&) = default;
};

/// "127.0.0.1:8080", "[::1]:8080", ":8080". Nothing: there is no port, or it is not 1 to 65535.
[[nodiscard]] std::optional<ListeningAddress> parse_listening_address(std::string_view text);

}  // namespace baton::tsap
