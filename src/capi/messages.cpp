// SPDX-License-Identifier: MIT
#include "capi/messages.hpp"

#include <cstring>

#include "capi/faults.hpp"
#include "endpoint/gathered.hpp"

namespace baton::capi {
namespace {

using endpoint::Fault;

/// What stands at the front of either structure.
struct Front {
  std::uint32_t words[3];
};

/// The third word of a cmsghdr is its level, of which none has such a number.
bool is_redirect_type(const Front& front) {
  return front.words[2] >= TPOPT_REDI_DATA && front.words[2] <= TPOPT_REDI_CALL;
}

bool is_connection_data(const Front& front) { return front.words[1] == 0 && front.words[2] == SOL_TRANSPORT; }

/// The data behind a cmsghdr, or nothing where its length is off.
std::optional<std::span<std::byte>> data_of(const msghdr& message) {
  auto* const header = static_cast<cmsghdr*>(message.msg_control);
  if (message.msg_controllen < sizeof(cmsghdr) || header->cmsg_len < sizeof(cmsghdr) ||
      header->cmsg_len > message.msg_controllen)
    return std::nullopt;
  return std::span{reinterpret_cast<std::byte*>(header + 1), header->cmsg_len - sizeof(cmsghdr)};
}

ssize_t send_connection_data(int s, const std::shared_ptr<endpoint::IsoSocket>& socket, const msghdr& message) {
  const auto data = data_of(message);
  if (!data) return report(Fault::Header);
  const int type = static_cast<const cmsghdr*>(message.msg_control)->cmsg_type;
  if (type == TPOPT_CONN_DATA || type == TPOPT_DISC_DATA) {
    const auto kept = type == TPOPT_CONN_DATA ? socket->set_connect_data(*data) : socket->set_disconnect_data(*data);
    return kept ? 0 : report(kept.error());
  }
  if (type != TPOPT_CFRM_DATA) return report(Fault::Header);
  const auto connection = socket->connection();
  if (!connection) return report(connection.error());
  auto lock = (*connection)->lock();
  if ((*connection)->state(lock) == transport::State::Open) return report(Fault::AlreadyConnected);
  if (auto confirmed = (*connection)->confirm(lock, *data); !confirmed) return report(confirmed.error());
  const std::span<const iovec> octets{message.msg_iov, message.msg_iovlen};
  if (endpoint::total(octets) == 0) return 0;
  const auto sent = (*connection)->send_user_data(lock, octets, waiting_of(s));
  return sent ? static_cast<ssize_t>(*sent) : report(sent.error());
}

/// The kind follows from the state of the connection: disconnect data once it has ended, else what came with the other
/// side's request or confirmation.
ssize_t receive_connection_data(const std::shared_ptr<endpoint::IsoSocket>& socket, msghdr& message) {
  const auto connection = socket->connection();
  if (!connection) return report(connection.error());
  auto* const header = static_cast<cmsghdr*>(message.msg_control);
  auto lock = (*connection)->lock();
  (*connection)->look(lock);
  const transport::Connection& machine = (*connection)->machine(lock);
  int type = TPOPT_DISC_DATA;
  Bytes data = machine.disconnect_info();
  const bool over = machine.state() == transport::State::Closed || machine.state() == transport::State::Closing;
  if (!over && machine.role() == transport::Role::Responder) {
    type = TPOPT_CONN_DATA;
    data = machine.connect_data();
  } else if (!over) {
    if (machine.state() != transport::State::Open) return report(Fault::NotConfirmed);
    type = TPOPT_CFRM_DATA;
    data = machine.confirm_data();
  }
  const std::size_t room = message.msg_controllen - sizeof(cmsghdr);
  message.msg_flags = data.size() > room ? MSG_CTRUNC : 0;
  const Bytes given = data.first(std::min(data.size(), room));
  if (!given.empty()) std::memcpy(header + 1, given.data(), given.size());
  header->cmsg_len = sizeof(cmsghdr) + given.size();
  header->cmsg_level = SOL_TRANSPORT;
  header->cmsg_type = type;
  message.msg_controllen = header->cmsg_len;
  return 0;
}

/// The number's AF_ISO socket; nothing for plain numbers, which the kernel serves with its own control messages.
std::optional<std::shared_ptr<endpoint::IsoSocket>> iso_socket(int s) {
  const Target target = resolve(s);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) return *socket;
  return std::nullopt;
}

/// The front of the control area. The seed gives the control length in step 2 only: where it is 0, the header speaks
/// for itself.
std::optional<Front> front_of(const msghdr& message) {
  Front front;
  if (message.msg_controllen != 0 && message.msg_controllen < sizeof front) return std::nullopt;
  std::memcpy(&front, message.msg_control, sizeof front);
  return front;
}

/// A redirect header given to a number that is no AF_ISO socket is a mistake worth naming.
bool looks_like_redirect(const std::optional<Front>& front) {
  return front && front->words[0] == sizeof(cmsg_redhdr) && front->words[1] == SOL_TRANSPORT &&
         is_redirect_type(*front);
}

std::optional<ssize_t> refuse_elsewhere(int s, const msghdr& message) {
  if (message.msg_controllen == 0 || !looks_like_redirect(front_of(message))) return std::nullopt;
  return report(resolve_iso(s).error());
}

std::size_t length_of(const msghdr& message) {
  return message.msg_controllen == 0 ? sizeof(cmsg_redhdr) : message.msg_controllen;
}

template <class Step>
ssize_t with_link(const std::shared_ptr<endpoint::IsoSocket>& socket, Step step) {
  const auto link = socket->link();
  return link ? step(LinkAt{socket, *link}) : report(link.error());
}

}  // namespace

cmsg_redhdr* redirect_header(void* area, std::size_t length, int type) noexcept {
  auto* const header = static_cast<cmsg_redhdr*>(area);
  if (header == nullptr || length != sizeof(cmsg_redhdr) || header->cmsg_len != sizeof(cmsg_redhdr) ||
      header->cmsg_level != SOL_TRANSPORT || header->cmsg_type != type)
    return nullptr;
  return header;
}

std::optional<ssize_t> send_control(int s, const msghdr& message, int flags) {
  if (message.msg_control == nullptr) return std::nullopt;
  const auto socket = iso_socket(s);
  if (!socket) return refuse_elsewhere(s, message);
  const auto front = front_of(message);
  if ((flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL)) != 0) return report(Fault::Unsupported);
  if (!front) return report(Fault::Header);
  if (is_connection_data(*front)) return send_connection_data(s, *socket, message);
  if (auto* header = redirect_header(message.msg_control, message.msg_controllen, TPOPT_REDI_DATA))
    return with_link(*socket, [&](const LinkAt& at) { return send_offer(s, at, message, *header); });
  if (auto* header = redirect_header(message.msg_control, length_of(message), TPOPT_REDI_BDOK))
    return with_link(*socket, [&](const LinkAt& at) { return send_answer(s, at, message, *header); });
  return report(Fault::Header);
}

std::optional<ssize_t> receive_control(int s, msghdr& message, int flags) {
  if (message.msg_control == nullptr) return std::nullopt;
  const auto socket = iso_socket(s);
  if (!socket) return refuse_elsewhere(s, message);
  if ((flags & ~MSG_DONTWAIT) != 0) return report(Fault::Unsupported);
  if (auto* header = redirect_header(message.msg_control, length_of(message), TPOPT_REDI_DATA))
    return with_link(*socket, [&](const LinkAt& at) { return receive_offer(s, at, message, *header, flags); });
  if (auto* header = redirect_header(message.msg_control, length_of(message), TPOPT_REDI_BDOK))
    return with_link(*socket, [&](const LinkAt& at) { return receive_answer(s, at, *header, flags); });
  const auto front = front_of(message);
  if (!front || is_redirect_type(*front) || front->words[1] == SOL_TRANSPORT ||
      message.msg_controllen < sizeof(cmsghdr))
    return report(Fault::Header);
  return receive_connection_data(*socket, message);
}

}  // namespace baton::capi
