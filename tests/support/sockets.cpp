// SPDX-License-Identifier: MIT
#include "support/sockets.hpp"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "support/process.hpp"

namespace baton::test {
namespace {

union Address {
  sockaddr any;
  sockaddr_in ipv4;
  sockaddr_in6 ipv6;
};

socklen_t loopback(Address& address, int family, std::uint16_t port) {
  address = {};
  if (family == AF_INET) {
    address.ipv4.sin_family = AF_INET;
    address.ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.ipv4.sin_port = htons(port);
    return sizeof address.ipv4;
  }
  address.ipv6.sin6_family = AF_INET6;
  address.ipv6.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  address.ipv6.sin6_port = htons(port);
  return sizeof address.ipv6;
}

std::string text_of(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool ipv4 = address.any.sa_family == AF_INET;
  const void* const number =
      ipv4 ? static_cast<const void*>(&address.ipv4.sin_addr) : static_cast<const void*>(&address.ipv6.sin6_addr);
  if (::inet_ntop(address.any.sa_family, number, text.data(), text.size()) == nullptr) fail_call("inet_ntop");
  return "[" + std::string{text.data()} +
         "]:" + std::to_string(ntohs(ipv4 ? address.ipv4.sin_port : address.ipv6.sin6_port));
}

int number_from(int socket, unsigned long request, const char* what) {
  int value = 0;
  checked(::ioctl(socket, request, &value), what);
  return value;
}

}  // namespace

UniqueFd tcp_listen(int family) {
  UniqueFd listener{adopt, checked(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
  Address address;
  const socklen_t size = loopback(address, family, 0);
  checked(::bind(listener.get(), &address.any, size), "bind");
  checked(::listen(listener.get(), 512), "listen");
  return listener;
}

std::uint16_t port_of(FdRef socket) {
  Address address{};
  socklen_t size = sizeof address;
  checked(::getsockname(socket.get(), &address.any, &size), "getsockname");
  return ntohs(address.any.sa_family == AF_INET ? address.ipv4.sin_port : address.ipv6.sin6_port);
}

UniqueFd tcp_connect(int family, std::uint16_t port) {
  UniqueFd client{adopt, checked(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
  Address address;
  const socklen_t size = loopback(address, family, port);
  checked(::connect(client.get(), &address.any, size), "connect");
  return client;
}

std::string local_name(int socket) {
  Address address{};
  socklen_t size = sizeof address;
  checked(::getsockname(socket, &address.any, &size), "getsockname");
  return text_of(address);
}

std::string peer_name(int socket) {
  Address address{};
  socklen_t size = sizeof address;
  checked(::getpeername(socket, &address.any, &size), "getpeername");
  return text_of(address);
}

std::uint64_t cookie_of(int socket) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  checked(::getsockopt(socket, SOL_SOCKET, SO_COOKIE, &cookie, &size), "getsockopt(SO_COOKIE)");
  return cookie;
}

int tcp_state_of(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  checked(::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size), "getsockopt(TCP_INFO)");
  return info.tcpi_state;
}

int unsent_octets(int socket) { return number_from(socket, SIOCOUTQ, "ioctl(SIOCOUTQ)"); }
int unread_octets(int socket) { return number_from(socket, SIOCINQ, "ioctl(SIOCINQ)"); }

void write_all(FdRef socket, Bytes octets) {
  while (!octets.empty()) {
    const auto sent = checked(::send(socket.get(), octets.data(), octets.size(), MSG_NOSIGNAL), "send");
    octets = octets.subspan(static_cast<std::size_t>(sent));
  }
}

std::size_t read_some(FdRef socket, MutableBytes room) {
  return static_cast<std::size_t>(checked(::recv(socket.get(), room.data(), room.size(), 0), "recv"));
}

}  // namespace baton::test
