// SPDX-License-Identifier: MIT
// baton: recognise/proxy_header.hpp: the header that a proxy in front of us puts before the client's octets.
//
// "The PROXY protocol, Versions 1 & 2" (HAProxy, doc/proxy-protocol.txt), §2.1 (version 1, a line of text), §2.2
// (version 2, binary, with type-length-value vectors). What is behind it is the client's.
// Threads: pure functions.
#pragma once

#include "base/bytes.hpp"
#include "recognise/facts.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

/// `most`: a header of version 2 that is longer is a fault. Version 1 decides within 107 octets.
[[nodiscard]] Verdict<ProxyHeader> recognise_proxy_header(Bytes octets, std::size_t most = default_most_octets);

}  // namespace baton::recognise
