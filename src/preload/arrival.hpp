// SPDX-License-Identifier: MIT
// baton: preload/arrival.hpp: a connection that was taken becomes what accept4(2) would have given.
//
// Threads: any.
#pragma once

#include <sys/socket.h>

#include <optional>

#include "base/unique_fd.hpp"
#include "os/told_addresses.hpp"
#include "preload/listeners.hpp"

namespace baton::preload {

/// Where the caller of accept wants the peer's address; nowhere if `address` is nullptr.
struct PeerRoom {
  sockaddr* address = nullptr;
  socklen_t* size = nullptr;
};

/// The descriptor with the flags (SOCK_NONBLOCK, SOCK_CLOEXEC) and with the options that a connection has from its
/// listening socket. Nothing: it is no TCP connection, or its client has gone.
[[nodiscard]] std::optional<UniqueFd> accepted(os::HandedOver taken, const Listener& listener, int flags,
                                               const PeerRoom& peer);

}  // namespace baton::preload
