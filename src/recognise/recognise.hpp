// SPDX-License-Identifier: MIT
// baton: recognise/recognise.hpp: what a connection is: every protocol that is asked for, in order.
//
//   octets peeked --> recognise() --> NeedMore: peek again when there are so many (SO_RCVLOWAT), or at the deadline:
//                        |                                   at_deadline()
//                        v                                        |
//                      Facts: route it <--------------------------'
//
// A protocol earlier in the order is waited for before a later one is believed. Threads: pure functions and values.
#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "recognise/facts.hpp"
#include "recognise/pattern.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

enum class ProxyUse : std::uint8_t {
  Never,     ///< a PROXY header is what the client says
  Optional,  ///< may be there: only where none but trusted proxies can connect, as anybody can claim an address
  Required,  ///< a connection without it is at fault
};

struct Questions {
  /// Iso and Rdp ask the same octets, and so do Http1 and Http2: each of a pair asks for both. Pattern: all of
  /// `patterns`, in their order. Silent: whether there is any octet. Empty: nothing is waited for; all is Unknown.
  std::vector<Protocol> protocols{};
  std::vector<Pattern> patterns{};
  ProxyUse proxy = ProxyUse::Never;
  std::size_t most_octets = default_most_octets;  ///< PROXY header not counted, which may have as many again
};

/// Facts with Unknown where it is none of those asked for.
[[nodiscard]] std::variant<NeedMore, Facts> recognise(Bytes octets, const Questions& questions);

/// When the time is up: facts in any case. Not one octet of the client's: Silent. HTTP/2 whose client has said no more
/// than its preface and waits for the server's settings: Http2 without a request. Else what has begun and not ended is
/// Unknown with a fault.
[[nodiscard]] Facts at_deadline(Bytes octets, const Questions& questions);

}  // namespace baton::recognise
