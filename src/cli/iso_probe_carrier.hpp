// SPDX-License-Identifier: MIT
// baton: cli/iso_probe_carrier.hpp: asks one question over a TCP connection of its own.
//
// Threads: any.
#pragma once

#include <cstdint>

#include "base/time.hpp"
#include "cli/iso_probe.hpp"
#include "os/socket.hpp"

namespace baton::cli {

/// Connects, sends the packet, reads one packet or until `patience` is over, and closes. Before it closes it says that
/// nothing more comes and waits a moment for the peer to close, so that the peer never has two connections of ours.
/// `in_pieces`: an octet at a time.
[[nodiscard]] Answer ask(const os::Address& peer, const Question& question, Duration patience);

}  // namespace baton::cli
