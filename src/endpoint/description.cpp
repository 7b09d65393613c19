// SPDX-License-Identifier: MIT
#include "endpoint/description.hpp"

#include <cstring>

#include "handoff/iso_image.hpp"

namespace baton::endpoint {
namespace {

tsap::Selector from_wire(const transport::Selector& selector) {
  return tsap::Selector::from(selector.bytes()).value_or(tsap::Selector{});
}

}  // namespace

handoff::PeerAddress to_frame(const os::Address& address) {
  handoff::PeerAddress frame;
  frame.port = address.port();
  if (address.family() == AF_INET) {
    sockaddr_in inet;
    std::memcpy(&inet, address.data(), sizeof inet);
    std::memcpy(frame.octets.data(), &inet.sin_addr, sizeof inet.sin_addr);
  } else if (address.family() == AF_INET6) {
    sockaddr_in6 inet;
    std::memcpy(&inet, address.data(), sizeof inet);
    std::memcpy(frame.octets.data(), &inet.sin6_addr, sizeof inet.sin6_addr);
    frame.scope = inet.sin6_scope_id;
  }
  return frame;
}

handoff::Description described(FdRef end_point, const handoff::CallItem& item, Bytes iso_image) {
  handoff::Description description;
  description.kind = item.kind;
  description.family = item.family;
  description.nonblocking = item.image.nonblocking;
  description.descriptor = item.descriptor;
  if (item.family != handoff::Family::Iso) {
    if (const auto local = os::local_address(end_point)) description.local = to_frame(*local);
    if (const auto peer = os::peer_address(end_point)) description.peer = to_frame(*peer);
  } else if (const auto image = handoff::decode_iso_image(iso_image)) {
    const auto& selectors = image->connection.selectors;
    const bool initiator = image->connection.role == transport::Role::Initiator;
    description.iso_local = {image->local_host, from_wire(initiator ? selectors.calling : selectors.called)};
    description.iso_peer = {image->peer_host, from_wire(initiator ? selectors.called : selectors.calling)};
  }
  return description;
}

}  // namespace baton::endpoint
