// SPDX-License-Identifier: MIT
// baton: recognise/ssh.hpp: is it SSH? The client's identification string (RFC 4253 §4.2).
//
// Threads: pure functions.
#pragma once

#include "base/bytes.hpp"
#include "recognise/facts.hpp"
#include "recognise/verdict.hpp"

namespace baton::recognise {

/// Decides within 255 octets, the longest identification string.
[[nodiscard]] Verdict<Ssh> recognise_ssh(Bytes octets);

}  // namespace baton::recognise
