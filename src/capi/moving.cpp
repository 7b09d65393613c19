// SPDX-License-Identifier: MIT
#include "capi/moving.hpp"

#include <netinet/in.h>

#include <atomic>
#include <cstdlib>
#include <string_view>

#include "capi/address.hpp"
#include "endpoint/description.hpp"
#include "endpoint/in_use.hpp"
#include "endpoint/position.hpp"
#include "os/epoll_watch.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"

namespace baton::capi {
namespace {

using endpoint::fail;
using endpoint::Fault;
using endpoint::to_frame;
using handoff::ListenerMachine;

/// BATON_STRICT=1: look for what costs too much to look for at every move.
bool strict() {
  static const bool on = [] {
    const char* const value = ::secure_getenv("BATON_STRICT");
    return value != nullptr && std::string_view{value} == "1";
  }();
  return on;
}

/// Why it is no end point that moves.
endpoint::Fault fault_of(FdRef end_point) {
  const auto kind = os::kind(end_point);
  if (!kind) return os::number(kind.error()) == ENOTSOCK ? Fault::NotStream : Fault::BadDescriptor;
  if (kind->domain != AF_INET && kind->domain != AF_INET6) return Fault::OtherFamily;
  return kind->type == SOCK_STREAM && kind->protocol == IPPROTO_MPTCP ? Fault::UpperLayer : Fault::NotStream;
}

endpoint::Result<handoff::Family> movable_family(FdRef end_point) {
  const int domain = os::tcp_domain(end_point);
  if (domain != AF_INET && domain != AF_INET6) return fail(fault_of(end_point));
  if (os::has_upper_layer_protocol(end_point)) return fail(Fault::UpperLayer);
  return domain == AF_INET ? handoff::Family::Inet : handoff::Family::Inet6;
}

endpoint::Result<void> describe(FdRef end_point, endpoint::GivenMove& move) {
  handoff::Description& description = move.description;
  const auto local = os::local_address(end_point);
  const auto peer = os::peer_address(end_point);
  if (!local) return fail(local.error());
  const bool listening = move.item.kind == handoff::Kind::ListeningSocket;
  if (!peer && !listening) return fail(Fault::NotConnected);
  description.nonblocking = os::is_nonblocking(end_point);
  description.descriptor = end_point.get();
  description.interface_index = static_cast<std::int32_t>(os::interface_index_of_local_address(end_point));
  description.receive_window = static_cast<std::int32_t>(os::receive_buffer(end_point).value_or(0));
  description.send_window = static_cast<std::int32_t>(os::send_buffer(end_point).value_or(0));
  description.local = to_frame(*local);
  if (peer) description.peer = to_frame(*peer);
  return {};
}

/// TCP_INFO tells states apart that no other call does: one not yet or no longer connected.
endpoint::Result<os::StreamPosition> position_of(FdRef end_point) {
  const auto position = os::read_position(end_point);
  if (!position) {
    if (os::number(position.error()) != EINVAL) return fail(position.error());
    return fail(Fault::NotConnected);
  }
  return *position;
}

/// An express move: from here on the number is in the library's hands, and who looks it up finds the move. A call that
/// was inside before is counted in uses(): to be looked at afterwards.
void take_over(const std::shared_ptr<endpoint::GivenMove>& move) {
  move->real = endpoint::HiddenFd{UniqueFd{adopt, move->number}};
  endpoint::insert_alias(move->real_cookie, move);
}

/// An AF_ISO connection: what its numbers say, and how far its stream is where TCP carries it.
endpoint::Result<void> describe_iso(FdRef end_point, endpoint::IsoSocket& socket, endpoint::GivenMove& move) {
  const auto connection = socket.connection();
  if (!connection) return std::unexpected{connection.error()};
  handoff::Description& description = move.description;
  description.nonblocking = os::is_nonblocking(end_point);
  description.descriptor = end_point.get();
  description.receive_window = static_cast<std::int32_t>(os::receive_buffer(end_point).value_or(0));
  description.send_window = static_cast<std::int32_t>(os::send_buffer(end_point).value_or(0));
  if ((*connection)->carrier() == handoff::Carrier::Tcp) {
    if (const auto local = os::local_address(end_point)) description.local = to_frame(*local);
    if (const auto peer = os::peer_address(end_point)) description.peer = to_frame(*peer);
    description.interface_index = static_cast<std::int32_t>(os::interface_index_of_local_address(end_point));
    if (os::urgent_pending(end_point)) return fail(Fault::Urgent);
  }
  const auto held = (*connection)->lock();
  description.iso_local = (*connection)->local_address(held);
  description.iso_peer = (*connection)->peer_address(held);
  // Whether it is in a state that moves shows here already, not only at the data stop.
  if (const auto image = (*connection)->image(held); !image) return std::unexpected{image.error()};
  return {};
}

/// What every end point is asked before it moves; the move, which nobody knows of yet. `known`: its cookie, or 0.
endpoint::Result<std::shared_ptr<endpoint::GivenMove>> prepare_move(const std::shared_ptr<endpoint::Link>& link,
                                                                    int number, ListenerMachine::Manner manner,
                                                                    handoff::MoveId id, handoff::Family family,
                                                                    std::uint64_t known = 0) {
  const FdRef end_point{number};
  if (strict() && os::watched_by_epoll(end_point)) return fail(Fault::Watched);
  if (endpoint::uses(number) > 0) return fail(Fault::Busy);
  const auto cookie = known != 0 ? os::Result<std::uint64_t>{known} : os::cookie(end_point);
  if (!cookie) return fail(cookie.error());
  auto move = std::make_shared<endpoint::GivenMove>(link, id, manner, number);
  move->real_cookie = *cookie;
  move->description.family = family;
  move->item.family = family;
  move->item.descriptor = number;
  return move;
}

endpoint::Result<std::shared_ptr<endpoint::GivenMove>> make_iso_move(
    const std::shared_ptr<endpoint::Link>& link, int number, ListenerMachine::Manner manner, handoff::MoveId id,
    const std::shared_ptr<endpoint::IsoSocket>& socket) {
  const FdRef end_point{number};
  const auto connection = socket->connection_if_any();
  if (!connection) return fail(socket->ready_to_accept() ? Fault::Listening : Fault::NotConnected);
  if (connection == link) return fail(Fault::OverItself);
  auto prepared = prepare_move(link, number, manner, id, handoff::Family::Iso);
  if (!prepared) return prepared;
  const auto move = *prepared;
  move->iso = socket;
  if (auto begun = socket->begin_move(move); !begun) return std::unexpected{begun.error()};
  auto described = describe_iso(end_point, *socket, *move);
  if (described && manner != ListenerMachine::Manner::Seed) {
    move->item.image.cookie = move->real_cookie;
    move->item.image.nonblocking = move->description.nonblocking;
    move->item.image.stopped_at = os::monotonic_now();
    take_over(move);
    described = endpoint::uses(number) > 0 ? fail(Fault::Busy) : endpoint::Link::take_image(*move);
  }
  if (described) return move;
  unmake_move(*move);
  return std::unexpected{described.error()};
}

}  // namespace

handoff::MoveId next_ids(const endpoint::Link& link, std::size_t count) {
  static std::atomic<std::uint32_t> counter{0};
  // A forked child is another process, and its generation another one.
  static std::atomic<std::uint64_t> process{0};
  static std::atomic<std::uint32_t> known_in{~std::uint32_t{0}};
  if (known_in.load(std::memory_order_acquire) != endpoint::generation()) {
    process.store(static_cast<std::uint64_t>(os::process_id()), std::memory_order_relaxed);
    known_in.store(endpoint::generation(), std::memory_order_release);
  }
  const std::uint32_t end = link.role() == transport::Role::Initiator ? 1U << 31U : 0;
  const std::uint32_t first = counter.fetch_add(static_cast<std::uint32_t>(count), std::memory_order_relaxed);
  return process.load(std::memory_order_relaxed) << 32U | end | (first & ~(1U << 31U));
}

endpoint::Result<std::shared_ptr<endpoint::GivenMove>> make_move(const std::shared_ptr<endpoint::Link>& link,
                                                                 int number, ListenerMachine::Manner manner,
                                                                 handoff::MoveId id) {
  const FdRef end_point{number};
  const Target target = resolve(number);
  if (std::holds_alternative<std::shared_ptr<endpoint::GivenMove>>(target)) return fail(Fault::AlreadyMoving);
  if (std::holds_alternative<std::shared_ptr<endpoint::AwaitedMove>>(target)) return fail(Fault::NotConnected);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target))
    return make_iso_move(link, number, manner, id, *socket);
  const auto family = movable_family(end_point);
  if (!family) return std::unexpected{family.error()};
  if (os::urgent_pending(end_point)) return fail(Fault::Urgent);
  const auto* const plain = std::get_if<Plain>(&target);
  auto prepared = prepare_move(link, number, manner, id, *family, plain != nullptr ? plain->cookie : 0);
  if (!prepared) return prepared;
  const auto move = *prepared;
  if (manner == ListenerMachine::Manner::Seed) {
    if (os::is_listening(end_point)) move->item.kind = move->description.kind = handoff::Kind::ListeningSocket;
    if (auto described = describe(end_point, *move); !described) return std::unexpected{described.error()};
    return move;
  }
  take_over(move);
  endpoint::Result<os::StreamPosition> position = fail(Fault::Busy);
  if (endpoint::uses(number) == 0) position = position_of(end_point);
  if (position && position->state == os::TcpState::Close) position = fail(Fault::NotConnected);
  // One that listens has none.
  const bool listening = !position && position.error().fault == Fault::NotConnected && os::is_listening(end_point);
  if (listening) {
    move->item.kind = move->description.kind = handoff::Kind::ListeningSocket;
    position = os::StreamPosition{};
  }
  if (!position) {
    unmake_move(*move);
    return std::unexpected{position.error()};
  }
  move->position = *position;
  move->linger_time = os::linger_time(end_point);
  move->item.image = {.position = listening ? handoff::Position{} : endpoint::to_image(*position),
                      .cookie = move->real_cookie,
                      .nonblocking = os::is_nonblocking(end_point),
                      .stopped_at = os::monotonic_now()};
  return move;
}

void unmake_move(endpoint::GivenMove& move) {
  endpoint::erase_alias(move.real_cookie, move);
  const int number = move.real.release().release();
  if (move.iso) {
    move.iso->end_move();
    if (number >= 0) endpoint::insert(number, move.real_cookie, move.iso);
  }
  // Who has found the move meanwhile waits for it.
  const auto lock = move.link->lock();
  move.undone = true;
  move.link->gate().open();
}

}  // namespace baton::capi
