// SPDX-License-Identifier: MIT
#include "preload/arrival.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "os/like_accepted.hpp"
#include "os/socket.hpp"
#include "preload/section.hpp"
#include "preload/told.hpp"

namespace baton::preload {

std::optional<UniqueFd> accepted(os::HandedOver taken, const Listener& listener, int flags, const PeerRoom& peer) {
  const FdRef socket = taken.connection.ref();
  const bool tcp = os::is_tcp(socket, AF_INET) || os::is_tcp(socket, AF_INET6);
  const auto address = os::peer_address(socket);
  if (!tcp || !address || os::is_listening(socket)) {
    os::set_linger_time(socket, 0);
    return std::nullopt;
  }
  os::make_like_accepted(socket, FdRef{listener.number}, flags);
  const auto said = os::as_shown(taken.told, listener.family);
  if (said) {
    const Section section;
    told().learn(socket, *said);
  }
  if (peer.address != nullptr) {
    const os::Address client = said ? said->client : os::as_shown(*address, listener.family);
    std::memcpy(peer.address, client.data(), std::min(*peer.size, client.size()));
    *peer.size = client.size();
  }
  return std::move(taken.connection);
}

}  // namespace baton::preload
