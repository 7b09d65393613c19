// SPDX-License-Identifier: MIT
// getsockopt and setsockopt.
#include <algorithm>
#include <climits>
#include <cstring>

#include "baton/soc.h"
#include "capi/faults.hpp"
#include "capi/messages.hpp"
#include "capi/resolve.hpp"
#include "os/plain_calls.hpp"
#include "os/socket.hpp"

namespace plain = baton::os::plain;
using namespace baton;
using namespace baton::capi;
using endpoint::Fault;

namespace {

int give_octets(Bytes data, void* optval, socklen_t* optlen) {
  if (data.size() > *optlen) return report(Fault::TooLong);
  if (!data.empty()) std::memcpy(optval, data.data(), data.size());
  *optlen = static_cast<socklen_t>(data.size());
  return 0;
}

int give_number(int number, void* optval, socklen_t* optlen) {
  return *optlen < sizeof number ? report(Fault::Argument)
                                 : give_octets(std::as_bytes(std::span{&number, 1}), optval, optlen);
}

int milliseconds(Duration duration) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

int get_transport(int s, int name, void* optval, socklen_t* optlen) {
  if (optval == nullptr || optlen == nullptr) return report_errno(EFAULT);
  if (name == TPOPT_REDI_CALL || name == TPOPT_REDI_DATA) {
    auto* const header = redirect_header(optval, *optlen, name);
    if (header == nullptr)
      return report(resolve_iso(s) ? endpoint::Failure{Fault::Header, {}} : resolve_iso(s).error());
    return name == TPOPT_REDI_CALL ? receive_call(s, *header) : describe_link(s, *header);
  }
  if (name == TPOPT_CREDIT) {
    const auto at = resolve_link(s);
    if (!at) return report(at.error());
    auto lock = at->link->lock();
    at->link->look(lock);
    if (at->link->ended(lock)) return report(Fault::LinkEnded);
    return give_number(static_cast<int>(at->link->credit(lock)), optval, optlen);
  }
  const auto socket = resolve_iso(s);
  if (!socket) return report(socket.error());
  if (name == TPOPT_MOVE_TIMEOUT) return give_number(milliseconds((*socket)->move_timeout()), optval, optlen);
  if (name == TPOPT_CONNECT_TIMEOUT) return give_number(milliseconds((*socket)->connect_timeout()), optval, optlen);
  if (name == TPOPT_TPDU_SIZE)
    return give_number(static_cast<int>(cotp::octets((*socket)->tpdu_size())), optval, optlen);
  if (name == TPOPT_LOCAL_ADDRESS || name == TPOPT_PEER_ADDRESS) {
    const auto address = (*socket)->tcp_address(name == TPOPT_LOCAL_ADDRESS);
    return address ? give_octets(address->bytes(), optval, optlen) : report(address.error());
  }
  if (name == TPOPT_DISC_REASON || name == TPOPT_DISC_DATA) {
    const auto refusal = (*socket)->refusal();
    if (refusal && name == TPOPT_DISC_REASON) return give_number(static_cast<int>(refusal->reason), optval, optlen);
    if (refusal) return give_octets(refusal->info.bytes(), optval, optlen);
    if (name == TPOPT_DISC_REASON) return report(Fault::NotConnected);
  }
  const auto connection = (*socket)->connection();
  if (!connection) return report(connection.error());
  if (name == TPOPT_DISC_DATA) return give_octets({}, optval, optlen);
  auto lock = (*connection)->lock();
  (*connection)->look(lock);
  const transport::Connection& machine = (*connection)->machine(lock);
  if (name == TPOPT_OWED)
    return give_number(static_cast<int>(std::min<std::uint64_t>((*connection)->owed(lock), INT_MAX)), optval, optlen);
  if (name == TPOPT_CONN_DATA) return give_octets(machine.connect_data(), optval, optlen);
  if (name == TPOPT_CFRM_DATA) return give_octets(machine.confirm_data(), optval, optlen);
  return report_errno(ENOPROTOOPT);
}

/// False: not a value that the option takes.
bool set_number(endpoint::IsoSocket& socket, int name, int value) {
  if (value < 0 || (value == 0 && name != TPOPT_MOVE_TIMEOUT)) return false;
  if (name == TPOPT_TPDU_SIZE) {
    const auto size = cotp::largest_size_within(static_cast<std::size_t>(value));
    if (cotp::octets(size) != static_cast<std::size_t>(value)) return false;
    socket.set_tpdu_size(size);
    return true;
  }
  const Duration duration = std::chrono::milliseconds{value};
  name == TPOPT_MOVE_TIMEOUT ? socket.set_move_timeout(duration) : socket.set_connect_timeout(duration);
  return true;
}

int set_transport(int s, int name, const void* optval, int optlen) {
  if (optval == nullptr && optlen != 0) return report_errno(EFAULT);
  if (optlen < 0) return report(Fault::Argument);
  const auto length = static_cast<std::size_t>(optlen);
  if (name == TPOPT_REDI_CALL) {
    const auto* const header = redirect_header(const_cast<void*>(optval), length, name);
    return header == nullptr ? report(Fault::Header) : send_call(s, *header);
  }
  const auto socket = resolve_iso(s);
  if (!socket) return report(socket.error());
  const Bytes octets{static_cast<const std::byte*>(optval), length};
  endpoint::Result<void> outcome;
  if (name == TPOPT_MOVE_TIMEOUT || name == TPOPT_CONNECT_TIMEOUT || name == TPOPT_TPDU_SIZE) {
    int value = 0;
    if (length != sizeof value) return report(Fault::Argument);
    std::memcpy(&value, optval, sizeof value);
    if (!set_number(**socket, name, value)) return report(Fault::Argument);
  } else if (name == TPOPT_CONN_DATA) {
    outcome = (*socket)->set_connect_data(octets);
  } else if (name == TPOPT_DISC_DATA) {
    outcome = (*socket)->set_disconnect_data(octets);
  } else if (name == TPOPT_CFRM_DATA) {
    const auto connection = (*socket)->connection();
    if (!connection) return report(connection.error());
    auto lock = (*connection)->lock();
    if ((*connection)->state(lock) == transport::State::Open) return report(Fault::AlreadyConnected);
    outcome = (*connection)->confirm(lock, octets);
  } else {
    return report_errno(ENOPROTOOPT);
  }
  return outcome ? 0 : report(outcome.error());
}

}  // namespace

extern "C" {

int soc_getsockopt(int s, int level, int optname, void* optval, socklen_t* optlen) {
  if (level == SOL_TRANSPORT) return get_transport(s, optname, optval, optlen);
  const Target target = resolve(s);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target);
      socket != nullptr && level == SOL_SOCKET) {
    if (optval == nullptr || optlen == nullptr) return report_errno(EFAULT);
    if (optname == SO_DOMAIN) return give_number(AF_ISO, optval, optlen);
    if (optname == SO_TYPE) return give_number(SOCK_STREAM, optval, optlen);
    if (optname == SO_ACCEPTCONN) return give_number((*socket)->ready_to_accept() ? 1 : 0, optval, optlen);
  }
  // Behind a parked number is another kind of socket than the program means.
  if (const auto* given = std::get_if<std::shared_ptr<endpoint::GivenMove>>(&target);
      given != nullptr && (*given)->stands_in(s))
    return report(Fault::Busy);
  if (std::holds_alternative<std::shared_ptr<endpoint::AwaitedMove>>(target)) return report(Fault::NotConfirmed);
  return through(plain::getsockopt(s, level, optname, optval, optlen));
}

int soc_setsockopt(int s, int level, int optname, const void* optval, int optlen) {
  if (level == SOL_TRANSPORT) return set_transport(s, optname, optval, optlen);
  const Target target = resolve(s);
  if (const auto* given = std::get_if<std::shared_ptr<endpoint::GivenMove>>(&target);
      given != nullptr && (*given)->stands_in(s))
    return report(Fault::Busy);
  if (std::holds_alternative<std::shared_ptr<endpoint::AwaitedMove>>(target)) return report(Fault::NotConfirmed);
  return through(plain::setsockopt(s, level, optname, optval, static_cast<socklen_t>(optlen)));
}

}  // extern "C"
