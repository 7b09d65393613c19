// SPDX-License-Identifier: MIT
// baton: endpoint/description.hpp: what an end point's own socket and image say of it.
//
// Threads: any.
#pragma once

#include "handoff/frames.hpp"
#include "os/socket.hpp"

namespace baton::endpoint {

/// From what the kernel gives for an AF_INET or AF_INET6 socket.
[[nodiscard]] handoff::PeerAddress to_frame(const os::Address& address);
/// Of one that no OFFER has described.
[[nodiscard]] handoff::Description described(FdRef end_point, const handoff::CallItem& item, Bytes iso_image);

}  // namespace baton::endpoint
