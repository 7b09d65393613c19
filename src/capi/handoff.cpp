// SPDX-License-Identifier: MIT
// The steps of a handoff: struct cmsg_redhdr <-> moves. docs/cmsg_redhdr.md says what each call puts into each member.
#include <netinet/in.h>

#include <cstring>

#include "base/fault_point.hpp"
#include "capi/address.hpp"
#include "capi/faults.hpp"
#include "capi/messages.hpp"
#include "capi/moving.hpp"
#include "endpoint/gathered.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"

namespace baton::capi {
namespace {

using endpoint::fail;
using endpoint::Fault;

int id_for_header(handoff::MoveId id) { return static_cast<int>(id & 0x7fffffffU); }

short to_domain(handoff::Family family) {
  switch (family) {
    case handoff::Family::Inet:
      return AF_INET;
    case handoff::Family::Inet6:
      return AF_INET6;
    case handoff::Family::Iso:
      return AF_ISO;
  }
  return 0;
}

/// The descriptor that the caller names: by the seed it stands in the structure of the family. -1: none is named
/// (domain 0).
endpoint::Result<int> named_descriptor(const cmsg_redhdr& header) {
  int number = -1;
  switch (header.domain) {
    case 0:
      return -1;
    case AF_INET:
    case AF_INET6:
      number = header.redhdr_red_ltcp.fd;
      break;
    case AF_ISO:
      number = header.redhdr_red_liso.fd;
      break;
    default:
      return fail(Fault::WrongFamily);
  }
  // A number above 32767 has become negative in the `short`.
  if (number < -1) return fail(Fault::Overflow);
  if (number == -1) return fail(Fault::BadDescriptor);
  return number;
}

red_info_tcp to_info(const handoff::Description& description, int number, std::uint16_t port, short flags,
                     handoff::MoveId id) {
  red_info_tcp info = {};
  info.fd = static_cast<short>(number);
  info.port = static_cast<short>(port);
  info.domain = to_domain(description.family);
  info.flags = static_cast<short>(flags | (description.kind == handoff::Kind::ListeningSocket ? RED_LISTENING : 0));
  info.cid = id_for_header(id);
  info.if_index = description.interface_index;
  info.rwindow = description.receive_window;
  info.wwindow = description.send_window;
  return info;
}

red_info_iso to_info(const handoff::Description& description, int number, const tsap::IsoAddress& address,
                     short flags) {
  red_info_iso info = {};
  info.fd = static_cast<short>(number);
  info.domain = AF_ISO;
  info.flags = flags;
  const Bytes selector = address.selector.octets();
  info.tsellen = static_cast<short>(selector.size());
  info.rwindow = description.receive_window;
  info.wwindow = description.send_window;
  std::memcpy(info.tsel, selector.data(), selector.size());
  std::memcpy(info.tesn, address.nsel.text().data(), sizeof info.tesn);
  return info;
}

/// The end point as the listener has it.
void tell_of_listener(cmsg_redhdr& header, const handoff::Description& description, int number, handoff::MoveId id) {
  if (description.family == handoff::Family::Iso)
    header.redhdr_red_liso = to_info(description, number, description.iso_local, RED_OFFERED);
  else
    header.redhdr_red_ltcp = to_info(description, number, description.local.port, RED_OFFERED, id);
}

/// The client at the other end.
void tell_of_client(cmsg_redhdr& header, const handoff::Description& description, int number, handoff::MoveId id) {
  constexpr short flags = RED_OFFERED | RED_BOUND | RED_TAKEN;
  if (description.family == handoff::Family::Iso)
    header.redhdr_red_liso = to_info(description, number, description.iso_peer, flags);
  else
    // One that listens has no client: then it is its own port.
    header.redhdr_red_ctcp = to_info(
        description, number,
        description.kind == handoff::Kind::ListeningSocket ? description.local.port : description.peer.port, flags, id);
}

/// The move of the caller's end point for steps 5, 6 and 7: none is named, or it is in no move.
endpoint::Result<std::shared_ptr<endpoint::GivenMove>> given_at(int number) {
  const Target target = resolve(number);
  if (const auto* given = std::get_if<std::shared_ptr<endpoint::GivenMove>>(&target)) return *given;
  return fail(Fault::NoSuchMove);
}

}  // namespace

ssize_t send_offer(int s, const LinkAt& at, const msghdr& message, cmsg_redhdr& header) {
  const auto number = named_descriptor(header);
  if (!number) return report(number.error());
  if (*number < 0) return report(Fault::WrongFamily);
  if (header.domain != AF_ISO && resolve_iso(*number)) return report(Fault::WrongFamily);
  auto move = make_move(at.link, *number, handoff::ListenerMachine::Manner::Seed, next_ids(*at.link, 1));
  if (!move) return report(move.error());
  if (to_domain((*move)->description.family) != header.domain) {
    unmake_move(**move);
    return report(Fault::WrongFamily);
  }
  const std::span<const iovec> parts{message.msg_iov, message.msg_iovlen};
  const std::size_t octets = endpoint::total(parts);
  auto lock = at.link->lock();
  const auto offered = at.link->offer(lock, *move, parts, octets, waiting_for_move(s, *at.socket));
  return offered ? static_cast<ssize_t>(octets) : report(offered.error());
}

ssize_t receive_offer(int s, const LinkAt& at, msghdr& message, cmsg_redhdr& header, int flags) {
  endpoint::Waiting waiting = waiting_for_move(s, *at.socket);
  waiting.nonblocking = waiting.nonblocking || (flags & MSG_DONTWAIT) != 0;
  auto lock = at.link->lock();
  const auto seen = at.link->await_offer(lock, {message.msg_iov, message.msg_iovlen}, waiting);
  if (!seen) return report(seen.error());
  const endpoint::AwaitedMove& move = *seen->move;
  const handoff::Description& description = move.description;
  std::memset(&header.cmsg_redhdr_info, 0, sizeof header.cmsg_redhdr_info);
  tell_of_listener(header, description, description.descriptor, move.id);
  header.bind_ok = 0;
  header.handoff_ok = 0;
  header.tsap_name_len = 0;
  header.fd_server = static_cast<short>(move.number);
  header.domain = to_domain(description.family);
  header.tsn = os::process_id();
  message.msg_flags = 0;
  return static_cast<ssize_t>(seen->user_data);
}

ssize_t send_answer(int s, const LinkAt& at, const msghdr& message, cmsg_redhdr& header) {
  for (std::size_t i = 0; i < message.msg_iovlen; ++i)
    if (message.msg_iov[i].iov_len != 0) return report(Fault::Argument);  // an answer brings no octets
  if (header.bind_ok > REDBIND_OK) return report(Fault::Argument);
  const Target target = resolve(header.fd_server);
  const auto* awaited = std::get_if<std::shared_ptr<endpoint::AwaitedMove>>(&target);
  if (awaited == nullptr || (*awaited)->link != at.link) return report(Fault::NoSuchMove);
  if (to_domain((*awaited)->description.family) != header.domain) return report(Fault::WrongFamily);
  auto lock = at.link->lock();
  const auto answered = at.link->answer(lock, *awaited, header.bind_ok, waiting_for_move(s, *at.socket));
  return answered ? 0 : report(answered.error());
}

ssize_t receive_answer(int s, const LinkAt& at, cmsg_redhdr& header, int flags) {
  const auto number = named_descriptor(header);
  if (!number) return report(number.error());
  endpoint::Waiting waiting = waiting_for_move(s, *at.socket);
  waiting.nonblocking = waiting.nonblocking || (flags & MSG_DONTWAIT) != 0;
  auto lock = at.link->lock();
  if (*number >= 0)
    if (const auto move = at.link->given_by_number(lock, *number);
        move && to_domain(move->description.family) != header.domain)
      return report(Fault::WrongFamily);
  const auto seen = at.link->await_answer(lock, *number, waiting);
  if (!seen) return report(seen.error());
  const endpoint::GivenMove& move = *seen->move;
  if (*number < 0) {
    // Nobody was named: the call says whose answer it is.
    header.domain = to_domain(move.description.family);
    tell_of_listener(header, move.description, move.number, move.id);
  }
  header.bind_ok = seen->bind_ok;
  header.handoff_ok = 0;
  header.tsn = move.server ? move.server->pid : 0;
  return 0;
}

int send_call(int s, const cmsg_redhdr& header) {
  // The seed leaves open which socket this is: the link, or the accept descriptor of the move.
  if (const auto given = given_at(s); given && !(*given)->express) {
    const auto link = (*given)->link;
    auto lock = link->lock();
    if ((*given)->machine.state() != handoff::ListenerState::Stopped) return report(Fault::OutOfOrder);
    const auto called = link->call(lock, *given, waiting_of(s));
    return called ? 0 : report(called.error());
  }
  if (const auto socket = resolve_iso(s); socket && (*socket)->given()) return report(Fault::OutOfOrder);
  const auto at = resolve_link(s);
  if (!at) return report(at.error());
  const auto number = named_descriptor(header);
  if (!number) return report(number.error());
  auto lock = at->link->lock();
  const auto move = at->link->stopped_move(lock, *number);
  if (!move) return report(move.error());
  if (*number >= 0 && to_domain((*move)->description.family) != header.domain) return report(Fault::WrongFamily);
  const auto called = at->link->call(lock, *move, waiting_for_move(s, *at->socket));
  return called ? 0 : report(called.error());
}

namespace {

/// Step 7, S: waits for the CALL and takes.
int take(int s, endpoint::IsoSocket& socket, const std::shared_ptr<endpoint::AwaitedMove>& move, cmsg_redhdr& header) {
  if (to_domain(move->description.family) != header.domain) return report(Fault::WrongFamily);
  const auto link = move->link;
  auto lock = link->lock();
  move->adopt(header.fd_server);
  const auto taken = link->take(lock, move, waiting_for_move(s, socket));
  if (!taken) return report(taken.error());
  BATON_FAULT_POINT(take_told);
  const handoff::Description& description = move->description;
  std::memset(&header.cmsg_redhdr_info, 0, sizeof header.cmsg_redhdr_info);
  tell_of_client(header, description, move->number, move->id);
  header.bind_ok = REDBIND_OK;
  header.handoff_ok = 1;
  header.tsap_name_len = 0;
  header.tsn = os::process_id();
  return 0;
}

/// Step 7, L (baton's own): waits for the outcome.
int outcome(int s, endpoint::IsoSocket& socket, const std::shared_ptr<endpoint::GivenMove>& move, cmsg_redhdr& header) {
  const auto link = move->link;
  auto lock = link->lock();
  header.handoff_ok = 0;
  const auto moved = link->await_outcome(lock, move, waiting_for_move(s, socket));
  if (!moved) return report(moved.error());
  BATON_FAULT_POINT(outcome_told);
  std::memset(&header.cmsg_redhdr_info, 0, sizeof header.cmsg_redhdr_info);
  header.redhdr_red_svrs.domain = to_domain(move->description.family);
  header.redhdr_red_svrs.fd_server = static_cast<short>(move->server_descriptor);
  header.redhdr_red_svrs.tsor_server = move->transport_reference;
  header.redhdr_red_svrs.cref_server = id_for_header(move->id);
  header.bind_ok = REDBIND_OK;
  header.handoff_ok = 1;
  header.tsn = move->server ? move->server->pid : 0;
  return 0;
}

}  // namespace

int receive_call(int s, cmsg_redhdr& header) {
  const auto at = resolve_link(s);
  if (!at) return report(at.error());
  // S names its new end point in fd_server, L its accept descriptor in the union: what stands for a coming end point is
  // S's.
  const Target target = resolve(header.fd_server);
  if (const auto* awaited = std::get_if<std::shared_ptr<endpoint::AwaitedMove>>(&target);
      awaited != nullptr && (*awaited)->link == at->link)
    return take(s, *at->socket, *awaited, header);
  const auto number = named_descriptor(header);
  if (!number) return report(number.error());
  auto lock = at->link->lock();
  const auto move = at->link->outcome_move(lock, *number);
  lock.unlock();
  if (!move) return report(move.error());
  return outcome(s, *at->socket, *move, header);
}

int describe_link(int s, cmsg_redhdr& header) {
  const auto at = resolve_link(s);
  if (!at) return report(at.error());
  const auto peer = at->socket->peer_address();
  if (!peer) return report(peer.error());
  std::memset(&header.cmsg_redhdr_info, 0, sizeof header.cmsg_redhdr_info);
  const Bytes selector = peer->selector.octets();
  std::memcpy(header.redhdr_tsap_name, selector.data(), selector.size());
  header.tsap_name_len = static_cast<short>(selector.size());
  header.domain = AF_ISO;
  auto lock = at->link->lock();
  header.tsn = at->link->peer_process_id(lock);
  return 0;
}

}  // namespace baton::capi
