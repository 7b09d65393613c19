// SPDX-License-Identifier: MIT
// baton: recognise/tls.hpp: is it TLS, and for which name?
//
// The ClientHello (RFC 8446 §4.1.2), put together from as many records as it comes in (§5.1), with its server_name
// (RFC 6066 §3), ALPN (RFC 7301 §3.1) and supported_versions (RFC 8446 §4.2.1). Unknown extensions, cipher suites and
// all values of RFC 8701 (GREASE) are passed over. A hello in the form of SSL 2 (RFC 5246 E.2) is a fault (RFC 6176
// §3). Threads: pure functions.
#pragma once

#include "base/bytes.hpp"
#include "recognise/facts.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

/// `most`: a hello that needs more octets, record headers included, is a fault; known as soon as its length is.
[[nodiscard]] Verdict<Tls> recognise_tls(Bytes octets, std::size_t most = default_most_octets);

}  // namespace baton::recognise
