// SPDX-License-Identifier: MIT
// baton: capi/address.hpp: struct sockaddr_iso and the kernel's addresses <-> the values of the rooms below.
#pragma once

#include <sys/socket.h>

#include "endpoint/fault.hpp"
#include "handoff/frames.hpp"
#include "os/socket.hpp"
#include "tsap/address.hpp"

namespace baton::capi {

/// BadAddress: family, lengths or NSEL are not an AF_ISO address.
[[nodiscard]] endpoint::Result<tsap::IsoAddress> read_address(const void* name, int length);
/// Writes at most *length octets, and the whole length into *length, as accept(2) does.
void write_address(const tsap::IsoAddress& address, void* name, socklen_t* length);
void write_address(const handoff::PeerAddress& address, handoff::Family family, void* name, socklen_t* length);

}  // namespace baton::capi
