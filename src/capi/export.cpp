// SPDX-License-Identifier: MIT
// AF_ISO connections across exec: soc_export, soc_import. What goes through is the CALL that a move would send.
#include <cstring>
#include <vector>

#include "baton/soc.h"
#include "capi/faults.hpp"
#include "capi/resolve.hpp"
#include "endpoint/position.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"

using namespace baton;
using namespace baton::capi;
using endpoint::fail;
using endpoint::Fault;

namespace {

/// The connection's image and position, as one frame.
endpoint::Result<std::vector<std::byte>> exported(int s, endpoint::IsoSocket& socket) {
  const auto connection = socket.connection();
  if (!connection) return std::unexpected{connection.error()};
  const auto held = (*connection)->lock();
  const auto image = (*connection)->image(held);
  if (!image) return std::unexpected{image.error()};
  handoff::CallItem item;
  item.family = handoff::Family::Iso;
  item.descriptor = s;
  item.iso_image = static_cast<std::uint32_t>(image->size());
  item.image.cookie = (*connection)->cookie();
  item.image.nonblocking = os::is_nonblocking(FdRef{s});
  item.image.stopped_at = os::monotonic_now();
  if ((*connection)->carrier() == handoff::Carrier::Tcp) {
    const auto position = os::read_position(FdRef{s});
    if (!position) return fail(position.error());
    if (os::urgent_pending(FdRef{s})) return fail(Fault::Urgent);
    item.image.position = endpoint::to_image(*position);
  }
  std::vector<std::byte> state(handoff::call_size(1) + image->size());
  state.resize(handoff::encode_call(state, 0, false, {&item, 1}, *image, 0).size());
  return state;
}

}  // namespace

extern "C" {

ssize_t soc_export(int s, void* state, size_t room) {
  const auto socket = resolve_iso(s);
  if (!socket) return report(socket.error());
  const auto octets = exported(s, **socket);
  if (!octets) return report(octets.error());
  if (state == nullptr && room == 0) return static_cast<ssize_t>(octets->size());
  if (state == nullptr) return report_errno(EFAULT);
  if (room < octets->size()) return report(Fault::TooLong);
  if (const auto kept = os::set_close_on_exec(FdRef{s}, false); !kept) return report(fail(kept.error()).error());
  std::memcpy(state, octets->data(), octets->size());
  return static_cast<ssize_t>(octets->size());
}

int soc_import(int s, const void* state, size_t length) {
  if (state == nullptr) return report_errno(EFAULT);
  if (!std::holds_alternative<Plain>(resolve(s))) return report(Fault::AlreadyConnected);
  const auto flags = os::descriptor_flags(FdRef{s});
  if (!flags) return report(Fault::BadDescriptor);
  const auto frame = handoff::decode({static_cast<const std::byte*>(state), length});
  const auto* call = frame ? std::get_if<handoff::Call>(&frame->body) : nullptr;
  if (call == nullptr || call->express || call->items[0].family != handoff::Family::Iso) return report(Fault::Argument);
  const auto imported = endpoint::Link::import(s, call->items[0], call->iso_images);
  if (!imported) return report(imported.error());
  (void)os::set_close_on_exec(FdRef{s}, true);
  return 0;
}

}  // extern "C"
