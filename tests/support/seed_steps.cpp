// SPDX-License-Identifier: MIT
#include "support/seed_steps.hpp"

#include <algorithm>
#include <cstring>

namespace baton::test {
namespace {

constexpr std::size_t nsel_length = 8;

sockaddr_iso address_of(std::string_view tsel) {
  sockaddr_iso address{};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = static_cast<unsigned char>(tsel.size());
  std::memset(address.siso_addr.isoa_genaddr, ' ', nsel_length);  // this host
  std::ranges::copy(tsel, address.siso_addr.isoa_genaddr + nsel_length);
  return address;
}

cmsg_redhdr listener_header(int type, EndPoint of) {
  cmsg_redhdr header = redirect_header(type);
  header.domain = static_cast<short>(of.domain);
  header.redhdr_red_ltcp.fd = static_cast<short>(of.number);
  return header;
}

msghdr message(cmsg_redhdr& header, iovec* octets) {
  msghdr result{};
  result.msg_control = &header;
  result.msg_controllen = sizeof header;
  if (octets->iov_len > 0) {
    result.msg_iov = octets;
    result.msg_iovlen = 1;
  }
  return result;
}

}  // namespace

EndPoint end_point(int number) {
  int domain = 0;
  socklen_t size = sizeof domain;
  checked(soc_getsockopt(number, SOL_SOCKET, SO_DOMAIN, &domain, &size), "getsockopt(SO_DOMAIN)");
  return {number, domain};
}

cmsg_redhdr redirect_header(int type) {
  cmsg_redhdr header{};
  header.cmsg_len = sizeof header;
  header.cmsg_level = SOL_TRANSPORT;
  header.cmsg_type = type;
  return header;
}

int Steps::listen(std::string_view tsel, int backlog) const {
  const int listening = checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket");
  const sockaddr_iso own = address_of(tsel);
  checked(soc_bind(listening, &own, sizeof own), "soc_bind");
  checked(soc_listen(listening, backlog), "soc_listen");
  waiter_.prepare(listening);
  return listening;
}

int Steps::accept(int listening) const {
  const int link =
      waiter_.retry("soc_accept", listening, POLLIN, [&] { return soc_accept(listening, nullptr, nullptr); });
  waiter_.prepare(link);
  return link;
}

int Steps::connect(std::string_view tsel) const {
  const int link = checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket");
  waiter_.prepare(link);
  const sockaddr_iso own = address_of("");
  const sockaddr_iso server = address_of(tsel);
  checked(soc_bind(link, &own, sizeof own), "soc_bind");
  // select and soc_poll report writable when the confirmation is there; to epoll its arrival makes the socket readable.
  const short events = waiter_.how() == Waits::Epoll ? POLLIN : POLLOUT;
  waiter_.retry("soc_connect", link, events, [&] { return soc_connect(link, &server, sizeof server); });
  return link;
}

void Steps::offer(int link, EndPoint of, Bytes octets) const {
  cmsg_redhdr header = listener_header(TPOPT_REDI_DATA, of);
  iovec part{const_cast<std::byte*>(octets.data()), octets.size()};
  const msghdr data = message(header, &part);
  const auto sent = waiter_.retry("soc_sendmsg(REDI_DATA)", link, POLLOUT, [&] { return soc_sendmsg(link, &data, 0); });
  require(static_cast<std::size_t>(sent) == octets.size(), "an offer takes all octets");
}

bool Steps::try_answer(int link, EndPoint of, cmsg_redhdr& header) const {
  header = listener_header(TPOPT_REDI_BDOK, of);
  iovec part{};
  msghdr data = message(header, &part);
  const auto received = soc_recvmsg(link, &data, MSG_DONTWAIT);
  if (received < 0 && errno == EWOULDBLOCK) return false;
  require(checked(received, "soc_recvmsg(REDI_BDOK)") == 0, "an answer without octets");
  require(header.bind_ok == REDBIND_OK, "the server accepts");
  require(header.tsn > 0, "the answer tells of the server's process");
  return true;
}

cmsg_redhdr Steps::await_answer(int link, EndPoint of) const {
  cmsg_redhdr header = listener_header(TPOPT_REDI_BDOK, of);
  iovec part{};
  msghdr data = message(header, &part);
  waiter_.retry("soc_recvmsg(REDI_BDOK)", link, POLLIN, [&] { return soc_recvmsg(link, &data, 0); });
  require(header.bind_ok == REDBIND_OK, "the server accepts");
  require(of.number < 0 || header.redhdr_red_ltcp.fd == of.number, "the union stays as the caller filled it");
  require(header.tsn > 0, "the answer tells of the server's process");
  return header;
}

cmsg_redhdr Steps::await_any_answer(int link) const { return await_answer(link, {-1, 0}); }

void Steps::call(int link, EndPoint of) const {
  const cmsg_redhdr header = listener_header(TPOPT_REDI_CALL, of);
  waiter_.retry("soc_setsockopt(REDI_CALL)", link, POLLOUT,
                [&] { return soc_setsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &header, sizeof header); });
}

cmsg_redhdr Steps::await_outcome(int link, EndPoint of) const {
  cmsg_redhdr header = listener_header(TPOPT_REDI_CALL, of);
  waiter_.retry("soc_getsockopt(REDI_CALL) of the listener", link, POLLIN, [&] {
    socklen_t size = sizeof header;
    return soc_getsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &header, &size);
  });
  require(header.handoff_ok == 1 && header.bind_ok == REDBIND_OK, "the end point has moved");
  require(header.redhdr_red_svrs.domain == of.domain, "the outcome tells of the server's socket");
  return header;
}

std::optional<Offered> Steps::await_offer(int link, MutableBytes room) const {
  Offered offered;
  offered.header = redirect_header(TPOPT_REDI_DATA);
  iovec part{room.data(), room.size()};
  msghdr data = message(offered.header, &part);
  const auto received =
      waiter_.retry("soc_recvmsg(REDI_DATA)", link, POLLIN, [&] { return soc_recvmsg(link, &data, 0); }, ECONNRESET);
  if (received < 0) return std::nullopt;
  offered.octets = static_cast<std::size_t>(received);
  require(offered.header.fd_server >= 0, "the offer brings a number");
  const int flags =
      offered.header.domain == AF_ISO ? offered.header.redhdr_red_liso.flags : offered.header.redhdr_red_ltcp.flags;
  require((flags & RED_OFFERED) != 0, "the offer is flagged");
  return offered;
}

void Steps::answer(int link, Offered& offered) const {
  offered.header.cmsg_type = TPOPT_REDI_BDOK;
  iovec part{};
  const msghdr data = message(offered.header, &part);
  waiter_.retry("soc_sendmsg(REDI_BDOK)", link, POLLOUT, [&] { return soc_sendmsg(link, &data, 0); });
}

EndPoint Steps::take(int link, Offered& offered) const {
  const int number = offered.number();
  offered.header.cmsg_type = TPOPT_REDI_CALL;
  waiter_.retry("soc_getsockopt(REDI_CALL)", link, POLLIN, [&] {
    socklen_t size = sizeof offered.header;
    return soc_getsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &offered.header, &size);
  });
  require(offered.header.handoff_ok == 1 && offered.header.fd_server == number, "the end point is taken");
  const EndPoint taken = end_point(number);
  require(taken.domain == offered.header.domain, "the end point has the family that was offered");
  require(waiter_.is_prepared(number), "the end point keeps the mode that it had at the listener");
  return taken;
}

void Steps::write_all(int number, Bytes octets) const {
  while (!octets.empty()) {
    const auto sent =
        waiter_.retry("soc_write", number, POLLOUT, [&] { return soc_write(number, octets.data(), octets.size()); });
    octets = octets.subspan(static_cast<std::size_t>(sent));
  }
}

std::size_t Steps::read_some(int number, MutableBytes room) const {
  return static_cast<std::size_t>(
      waiter_.retry("soc_read", number, POLLIN, [&] { return soc_read(number, room.data(), room.size()); }));
}

void Steps::read_all(int number, MutableBytes room) const {
  while (!room.empty()) {
    const std::size_t size = read_some(number, room);
    require(size > 0, "the octets come before the end of file");
    room = room.subspan(size);
  }
}

}  // namespace baton::test
