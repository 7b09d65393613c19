// SPDX-License-Identifier: MIT
#include "preload/arrival.hpp"

#include <algorithm>
#include <cstring>

#include "os/like_accepted.hpp"
#include "os/socket.hpp"

namespace baton::preload {

std::optional<UniqueFd> accepted(UniqueFd taken, const Listener& listener, int flags, const PeerRoom& peer) {
  const FdRef socket = taken.ref();
  const bool tcp = os::is_tcp(socket, AF_INET) || os::is_tcp(socket, AF_INET6);
  const auto address = os::peer_address(socket);
  if (!tcp || !address || os::is_listening(socket)) {
    os::set_linger_time(socket, 0);
    return std::nullopt;
  }
  os::make_like_accepted(socket, FdRef{listener.number}, flags);
  if (peer.address != nullptr) {
    const os::Address told = os::as_shown(*address, listener.family);
    std::memcpy(peer.address, told.data(), std::min(*peer.size, told.size()));
    *peer.size = told.size();
  }
  return taken;
}

}  // namespace baton::preload
