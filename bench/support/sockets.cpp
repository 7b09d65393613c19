// SPDX-License-Identifier: MIT
#include "support/sockets.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "support/measure.hpp"

namespace baton::bench {
namespace {

union Control {
  cmsghdr head;
  std::array<char, CMSG_SPACE(sizeof(int) * batch)> room;
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

std::pair<int, int> message_pair() {
  std::array<int, 2> ends{};
  require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
  return {ends[0], ends[1]};
}

void send_message(int socket, std::span<const int> descriptors) {
  std::array<std::byte, floor_message> octets{};
  iovec part{octets.data(), octets.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control;
  if (!descriptors.empty()) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    control.head = {.cmsg_len = CMSG_LEN(descriptors.size_bytes()), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    std::memcpy(CMSG_DATA(&control.head), descriptors.data(), descriptors.size_bytes());
  }
  while (sendmsg(socket, &message, 0) < 0) {
    if (errno != ETOOMANYREFS) fail("sendmsg of the comparison");
    sched_yield();
  }
}

void receive_message(int socket, std::vector<int>& descriptors) {
  std::array<std::byte, floor_message> octets;
  iovec part{octets.data(), octets.size()};
  Control control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != static_cast<ssize_t>(octets.size()))
    fail("recvmsg of the comparison");
  const cmsghdr* const head = CMSG_FIRSTHDR(&message);
  if (head == nullptr) return;
  const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  const std::size_t before = descriptors.size();
  descriptors.resize(before + count);
  std::memcpy(descriptors.data() + before, CMSG_DATA(head), count * sizeof(int));
}

TcpListener tcp_listen(int backlog) {
  TcpListener listener;
  listener.descriptor = require(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  require(bind(listener.descriptor, reinterpret_cast<sockaddr*>(&address), length), "bind");
  require(listen(listener.descriptor, backlog), "listen");
  require(getsockname(listener.descriptor, reinterpret_cast<sockaddr*>(&address), &length), "getsockname");
  listener.port = ntohs(address.sin_port);
  return listener;
}

int tcp_connect(std::uint16_t port) {
  const int connection = require(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const sockaddr_in address = loopback(port);
  require(connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
  const int on = 1;
  require(setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt(TCP_NODELAY)");
  return connection;
}

void reset_on_close(int connection) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  require(setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "setsockopt(SO_LINGER)");
}

std::vector<std::pair<int, int>> tcp_pairs(std::size_t count) {
  const TcpListener listener = tcp_listen();
  std::vector<std::pair<int, int>> pairs;
  for (std::size_t i = 0; i < count; ++i) {
    const int client = tcp_connect(listener.port);
    pairs.emplace_back(require(accept4(listener.descriptor, nullptr, nullptr, SOCK_CLOEXEC), "accept"), client);
  }
  close(listener.descriptor);
  return pairs;
}

void watch_input(int set, int descriptor) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = descriptor}};
  require(epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
}

void write_all(int descriptor, std::span<const std::byte> octets) {
  while (!octets.empty())
    octets =
        octets.subspan(static_cast<std::size_t>(require(write(descriptor, octets.data(), octets.size()), "write")));
}

void read_all(int descriptor, std::span<std::byte> octets) {
  while (!octets.empty()) {
    const ssize_t size = require(read(descriptor, octets.data(), octets.size()), "read");
    if (size == 0) fail("end of file while reading");
    octets = octets.subspan(static_cast<std::size_t>(size));
  }
}

}  // namespace baton::bench
