// SPDX-License-Identifier: MIT
#include "capi/resolve.hpp"

#include <algorithm>

#include "os/process.hpp"
#include "os/socket.hpp"

namespace baton::capi {

using endpoint::fail;
using endpoint::Fault;
using endpoint::Object;

Target resolve(int number) {
  endpoint::tell_lost();
  const endpoint::Found found = endpoint::find(number);
  if (!found.object) return Plain{found.cookie};
  if (found.foreign) return Inherited{};
  switch (found.object->kind()) {
    case Object::Kind::Socket: {
      auto socket = std::static_pointer_cast<endpoint::IsoSocket>(found.object);
      (void)socket->adopt(number);
      return socket;
    }
    case Object::Kind::Given: {
      auto given = std::static_pointer_cast<endpoint::GivenMove>(found.object);
      // Back, and not collected: an AF_ISO connection again.
      if (given->express && given->iso && !given->stands_in(number)) return given->iso;
      return given;
    }
    case Object::Kind::Awaited:
      return std::static_pointer_cast<endpoint::AwaitedMove>(found.object);
  }
  return Plain{};
}

endpoint::Result<std::shared_ptr<endpoint::IsoSocket>> resolve_iso(int number) {
  const Target target = resolve(number);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) return *socket;
  if (std::holds_alternative<Inherited>(target)) return fail(Fault::OtherProcess);
  if (const auto* given = std::get_if<std::shared_ptr<endpoint::GivenMove>>(&target);
      given != nullptr && (*given)->iso && (*given)->stands_in(number))
    return fail(Fault::Busy);
  return fail(os::descriptor_flags(FdRef{number}) ? Fault::NotIso : Fault::BadDescriptor);
}

endpoint::Result<LinkAt> resolve_link(int number) {
  auto socket = resolve_iso(number);
  if (!socket) return std::unexpected{socket.error()};
  auto link = (*socket)->link();
  if (!link) return std::unexpected{link.error()};
  return LinkAt{std::move(*socket), std::move(*link)};
}

std::optional<Instant>& thread_deadline() noexcept {
  static thread_local std::optional<Instant> deadline;
  return deadline;
}

endpoint::Waiting waiting_of(int number, int flags) {
  if ((flags & MSG_DONTWAIT) != 0) return {true, never, -1};
  if (const auto deadline = thread_deadline()) {
    if (*deadline == at_once) return {true, never, -1};
    return {false, *deadline, -1};
  }
  return {false, never, number};
}

endpoint::Waiting waiting_for_move(int number, endpoint::IsoSocket& socket) {
  endpoint::Waiting waiting = waiting_of(number);
  if (const Duration limit = socket.move_timeout(); limit > Duration{})
    waiting.deadline = std::min(waiting.deadline, os::monotonic_now() + limit);
  return waiting;
}

endpoint::Waiting waiting_ms(int timeout_ms) {
  if (timeout_ms < 0) return {false, never, -1};
  if (timeout_ms == 0) return {true, never, -1};
  return {false, os::monotonic_now() + std::chrono::milliseconds{timeout_ms}, -1};
}

endpoint::Result<void> await_give_back(endpoint::GivenMove& move, Use use, const endpoint::Waiting& waiting) {
  endpoint::Link& link = *move.link;
  auto lock = link.lock();
  for (;;) {
    link.pump_all(lock);
    if (move.undone) return {};
    if (move.machine.ended()) {
      if (move.machine.state() == handoff::ListenerState::Moved) return fail(Fault::Moved);
      if (move.failure.fault == Fault::Touched || move.parked_cookie != 0) return std::unexpected{move.failure};
      return {};
    }
    if (move.machine.state() == handoff::ListenerState::Offered && !move.express) return {};
    link.renew_parked(lock, std::static_pointer_cast<endpoint::GivenMove>(move.shared_from_this()));
    if (use != Use::Read) return fail(Fault::Busy);
    if (auto waited = link.pause(lock, waiting, POLLIN); !waited) return waited;
  }
}

}  // namespace baton::capi
