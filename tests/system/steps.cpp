// SPDX-License-Identifier: MIT
#include "steps.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace baton::system_tests {
namespace {

Step step(ssize_t result, const cmsg_redhdr& header) {
  Step made;
  made.error = result < 0 ? errno : 0;
  made.result = result;
  made.header = header;
  if (result < 0) std::snprintf(made.text, sizeof made.text, "%s", soc_error_text());
  return made;
}

msghdr message_with(cmsg_redhdr& header, size_t length) {
  msghdr message{};
  message.msg_control = &header;
  message.msg_controllen = length;
  return message;
}

struct LoopbackAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  LoopbackAddress(int family, unsigned short port) {
    if (family == AF_INET) {
      auto& inet = reinterpret_cast<sockaddr_in&>(storage);
      inet.sin_family = AF_INET;
      inet.sin_port = htons(port);
      inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      length = sizeof inet;
    } else {
      auto& inet6 = reinterpret_cast<sockaddr_in6&>(storage);
      inet6.sin6_family = AF_INET6;
      inet6.sin6_port = htons(port);
      inet6.sin6_addr = in6addr_loopback;
      length = sizeof inet6;
    }
  }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

}  // namespace

cmsg_redhdr make_header(int type, int domain, int number) {
  cmsg_redhdr header = {};
  header.cmsg_len = sizeof header;
  header.cmsg_level = SOL_TRANSPORT;
  header.cmsg_type = type;
  header.domain = static_cast<short>(domain);
  header.redhdr_red_ltcp.fd = static_cast<short>(number);
  return header;
}

Step offer(int link, int number, int domain, std::string_view user_data) {
  cmsg_redhdr header = make_header(TPOPT_REDI_DATA, domain, number);
  msghdr message = message_with(header, sizeof header);
  iovec octets{const_cast<char*>(user_data.data()), user_data.size()};
  if (!user_data.empty()) {
    message.msg_iov = &octets;
    message.msg_iovlen = 1;
  }
  return step(soc_sendmsg(link, &message, 0), header);
}

Step await_answer(int link, int number, int domain, int flags) {
  return receive_raw(link, make_header(TPOPT_REDI_BDOK, domain, number), sizeof(cmsg_redhdr), flags);
}

Step call(int link, int number, int domain) {
  return set_raw(link, make_header(TPOPT_REDI_CALL, domain, number), sizeof(cmsg_redhdr));
}

Step outcome(int link, int number, int domain) {
  cmsg_redhdr header = make_header(TPOPT_REDI_CALL, domain, number);
  header.fd_server = -1;
  return get_raw(link, header, sizeof header);
}

Step receive_offer(int link, int flags, std::span<char> room) {
  cmsg_redhdr header = make_header(TPOPT_REDI_DATA, 0);
  msghdr message = message_with(header, sizeof header);
  Step made;
  iovec octets{made.octets, sizeof made.octets};
  if (!room.empty()) octets = {room.data(), room.size()};
  message.msg_iov = &octets;
  message.msg_iovlen = 1;
  const ssize_t result = soc_recvmsg(link, &message, flags);
  Step seen = step(result, header);
  std::memcpy(seen.octets, made.octets, sizeof seen.octets);
  return seen;
}

Step answer(int link, const cmsg_redhdr& offered, short bind_ok) {
  cmsg_redhdr header = offered;
  header.cmsg_type = TPOPT_REDI_BDOK;
  header.bind_ok = bind_ok;
  return send_raw(link, header, sizeof header);
}

Step take(int link, const cmsg_redhdr& offered) {
  cmsg_redhdr header = offered;
  header.cmsg_type = TPOPT_REDI_CALL;
  return get_raw(link, header, sizeof header);
}

Step send_raw(int link, const cmsg_redhdr& header, size_t length) {
  cmsg_redhdr copy = header;
  const msghdr message = message_with(copy, length);
  return step(soc_sendmsg(link, &message, 0), copy);
}

Step receive_raw(int link, const cmsg_redhdr& header, size_t length, int flags) {
  cmsg_redhdr copy = header;
  msghdr message = message_with(copy, length);
  return step(soc_recvmsg(link, &message, flags), copy);
}

Step set_raw(int link, const cmsg_redhdr& header, int length) {
  return step(soc_setsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &header, length), header);
}

Step get_raw(int link, const cmsg_redhdr& header, socklen_t length) {
  cmsg_redhdr copy = header;
  return step(soc_getsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &copy, &length), copy);
}

sockaddr_iso iso_address(std::string_view tsel, std::string_view nsel) {
  sockaddr_iso address = {};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = static_cast<unsigned char>(tsel.size());
  std::copy_n(nsel.begin(), std::min<std::size_t>(nsel.size(), 8), address.siso_addr.isoa_genaddr);
  std::copy_n(tsel.begin(), std::min<std::size_t>(tsel.size(), TSAPNAMMAXLEN), address.siso_addr.isoa_genaddr + 8);
  return address;
}

int listen_iso(std::string_view tsel, int backlog) {
  const int number = soc_socket(AF_ISO, SOCK_STREAM, 0);
  const sockaddr_iso address = iso_address(tsel);
  if (number < 0 || soc_bind(number, &address, sizeof address) < 0 || soc_listen(number, backlog) < 0) return -1;
  return number;
}

int named_iso(int type_flags) {
  const int number = soc_socket(AF_ISO, SOCK_STREAM | type_flags, 0);
  const sockaddr_iso address = iso_address("");
  if (number < 0 || soc_bind(number, &address, sizeof address) < 0) return -1;
  return number;
}

int connect_iso(std::string_view tsel, int type_flags) {
  const int number = named_iso(type_flags);
  const sockaddr_iso address = iso_address(tsel);
  if (number < 0 || soc_connect(number, &address, sizeof address) < 0) return -1;
  return number;
}

int accept_iso(int listening) {
  const int number = soc_accept(listening, nullptr, nullptr);
  if (number < 0 || soc_setsockopt(number, SOL_TRANSPORT, TPOPT_CFRM_DATA, "", 0) < 0) return -1;
  return number;
}

int listen_tcp(int family, unsigned short* port) {
  const int number = soc_socket(family, SOCK_STREAM, 0);
  LoopbackAddress address{family, 0};
  if (number < 0 || soc_bind(number, address.get(), static_cast<int>(address.length)) < 0 || soc_listen(number, 64) < 0)
    return -1;
  if (soc_getsockname(number, address.get(), &address.length) < 0) return -1;
  *port = ntohs(family == AF_INET ? reinterpret_cast<sockaddr_in&>(address.storage).sin_port
                                  : reinterpret_cast<sockaddr_in6&>(address.storage).sin6_port);
  return number;
}

int connect_tcp(int family, unsigned short port) {
  const int number = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  LoopbackAddress address{family, port};
  if (number >= 0 && ::connect(number, address.get(), address.length) == 0) return number;
  if (number >= 0) ::close(number);
  return -1;
}

unsigned long limit_descriptors(int spare) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const unsigned long before = limit.rlim_cur;
  // The lowest free numbers come first: the limit stands behind the spare ones of them.
  int number = 0;
  for (int found = 0;; ++number) {
    if (::fcntl(number, F_GETFD) >= 0) continue;
    if (found++ == spare) break;
  }
  limit.rlim_cur = static_cast<rlim_t>(number);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return before;
}

void restore_descriptors(unsigned long before) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = before;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace baton::system_tests
