// SPDX-License-Identifier: MIT
// baton: recognise/http1.hpp: is it HTTP/1, and for which host and path?
//
// The request line and all header fields of the first request (RFC 9112 §2 to §5): all, because a second Host field
// makes it malformed. Not is said within the request line. Two readers of one request must not see two hosts, so what
// RFC 9112 lets a server refuse is refused: blanks before a colon, folded lines, lone CR.
// Threads: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "recognise/facts.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

/// `most`: where the head of the request ends no earlier, it is a fault (status 431; within the request line: Not).
[[nodiscard]] Verdict<Http1> recognise_http1(Bytes octets, std::size_t most = default_most_octets);

/// The path of a request target or :path, without its query (RFC 3986 §3.3).
[[nodiscard]] std::string_view path_of(std::string_view target) noexcept;

}  // namespace baton::recognise
