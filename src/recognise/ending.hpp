// SPDX-License-Identifier: MIT
// baton: recognise/ending.hpp: the last octets that a client gets whose connection nobody takes.
//
// So that it knows why, each protocol has its own way; where a protocol has none the answer is empty, and the
// connection is best reset. Whoever sends them has to read what the client goes on sending until it closes, or for a
// while: data that was not read makes close(2) a reset, which can overtake the answer (RFC 9112 §9.6). Threads: pure
// functions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "recognise/facts.hpp"

namespace baton::recognise {

enum class Ending : std::uint8_t {
  NoRoute,   ///< there is nobody of that name here
  NoWorker,  ///< there is, and cannot take it now
  Refused,   ///< a route says so
};

/// A fault in the facts is answered as such, whatever `why` says.
///
///   TLS         alert unrecognized_name, internal_error, access_denied; of a fault its own (RFC 8446 §6.2)
///   HTTP/1      421, 503 with Retry-After, 403; of a fault 400 or 431; Connection: close (RFC 9110 §15, RFC 9112 §9.6)
///   HTTP/2      the same to the request, if there is one, and GOAWAY; of a fault GOAWAY alone (RFC 9113 §6.8)
///   ISO, RDP    DR with reason 3, 1, 0 (RFC 905 §13.5.3); of a fault an ER (§6.6.3)
///   PostgreSQL  ErrorResponse with SQLSTATE 08004, 57P03, 28000; of a fault 08P01; to a CancelRequest nothing
///   the rest    nothing
[[nodiscard]] std::vector<std::byte> ending(const Facts& facts, Ending why,
                                            std::chrono::seconds retry_after = std::chrono::seconds{1});

}  // namespace baton::recognise
