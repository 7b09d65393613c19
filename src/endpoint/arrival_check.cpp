// SPDX-License-Identifier: MIT
#include "endpoint/arrival_check.hpp"

#include "endpoint/position.hpp"
#include "endpoint/table.hpp"
#include "handoff/iso_image.hpp"
#include "link/admission.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"

namespace baton::endpoint {
namespace {

/// The domain of a TCP socket with nothing above it that has a state of its own; AF_UNSPEC of anything else.
int plain_tcp_domain(FdRef end_point) noexcept {
  const int domain = os::tcp_domain(end_point);
  return domain != AF_UNSPEC && os::has_upper_layer_protocol(end_point) ? AF_UNSPEC : domain;
}

/// A connection within the host, and with somebody whom this process would have let connect.
bool is_local(FdRef end_point) noexcept {
  if (os::kind(end_point) != os::SocketKind{AF_UNIX, SOCK_SEQPACKET, 0} || os::is_listening(end_point)) return false;
  const auto peer = os::peer_credentials(end_point);
  return peer && link::admitted(peer->uid);
}

bool is_carrier(FdRef end_point, handoff::Carrier carrier) noexcept {
  return carrier == handoff::Carrier::Tcp ? plain_tcp_domain(end_point) != AF_UNSPEC : is_local(end_point);
}

/// Known here as an AF_ISO socket of this process: it cannot come a second time.
bool is_here(FdRef end_point) noexcept {
  const Found known = find(end_point.get());
  return known.object && !known.foreign && known.object->kind() == Object::Kind::Socket;
}

bool is_described(FdRef end_point, const handoff::CallItem& item,
                  const std::optional<handoff::IsoImage>& image) noexcept {
  const bool listening = item.kind == handoff::Kind::ListeningSocket;
  if (!listening && item.kind != handoff::Kind::Connection) return false;
  if (listening && !os::is_listening(end_point)) return false;
  switch (item.family) {
    case handoff::Family::Inet:
      return plain_tcp_domain(end_point) == AF_INET;
    case handoff::Family::Inet6:
      return plain_tcp_domain(end_point) == AF_INET6;
    case handoff::Family::Iso:
      return !listening && image && is_carrier(end_point, image->carrier) && !is_here(end_point);
  }
  return false;
}

}  // namespace

handoff::TakeOutcome check_arrival(FdRef end_point, const handoff::CallItem& item, Bytes iso_image) {
  const auto image = handoff::decode_iso_image(iso_image);
  if (!is_described(end_point, item, image)) return handoff::TakeOutcome::WrongKind;
  const auto cookie = os::cookie(end_point);
  if (!cookie || *cookie != item.image.cookie) return handoff::TakeOutcome::WrongCookie;
  if (item.kind == handoff::Kind::ListeningSocket) return handoff::TakeOutcome::Taken;
  // Of a connection within the host the kernel counts nothing.
  if (image && image->carrier == handoff::Carrier::Local) return handoff::TakeOutcome::Taken;
  const os::StreamPosition then = from_image(item.image.position);
  if (os::unmoved_since(end_point, then)) return handoff::TakeOutcome::Taken;  // so it is connected
  if (os::is_listening(end_point) || os::never_connected(end_point)) return handoff::TakeOutcome::WrongKind;
  return untouched(end_point, then) ? handoff::TakeOutcome::Taken : handoff::TakeOutcome::Touched;
}

}  // namespace baton::endpoint
