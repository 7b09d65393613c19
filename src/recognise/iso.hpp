// SPDX-License-Identifier: MIT
// baton: recognise/iso.hpp: is it ISO transport over TCP, and for whom?
//
// A TPKT (RFC 1006 §6) that holds a CR (RFC 905 §13.3), read by cotp. Remote Desktop begins with a CR as well, whose
// variable part holds no parameters but a cookie and a negotiation request ([MS-RDPBCGR] §2.2.1.1); it is told apart.
// Threads: pure functions.
#pragma once

#include "base/bytes.hpp"
#include "recognise/facts.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

/// Decides within 4 + 255 octets.
[[nodiscard]] Verdict<Iso> recognise_iso(Bytes octets);

}  // namespace baton::recognise
