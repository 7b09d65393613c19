// SPDX-License-Identifier: MIT
// baton: recognise/http2.hpp: is it HTTP/2 with prior knowledge, and for which host and path?
//
// The client's preface (RFC 9113 §3.4), its SETTINGS, and the header block of its first request (§6.2, §6.10), whose
// HPACK (RFC 7541) libnghttp2 inflates: a decoder of its own for each call, which does no I/O.
// Threads: pure functions.
#pragma once

#include "base/bytes.hpp"
#include "recognise/facts.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

/// `most`: where the first header block ends no earlier, it is a fault.
[[nodiscard]] Verdict<Http2> recognise_http2(Bytes octets, std::size_t most = default_most_octets);

/// Whether all of the preface is there.
[[nodiscard]] bool starts_with_preface(Bytes octets) noexcept;

}  // namespace baton::recognise
