// SPDX-License-Identifier: MIT
#include "support/moves.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "baton/soc.h"
#include "support/measure.hpp"

namespace baton::bench {
namespace {

constexpr std::size_t nsel_length = 8;

sockaddr_iso iso_address(std::string_view tsel) {
  sockaddr_iso address{};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = static_cast<unsigned char>(tsel.size());
  char* const name = address.siso_addr.isoa_genaddr;
  std::memset(name, ' ', nsel_length);  // this host
  std::ranges::copy(tsel, name + nsel_length);
  return address;
}

cmsg_redhdr header(int type) {
  cmsg_redhdr head{};
  head.cmsg_len = sizeof head;
  head.cmsg_level = SOL_TRANSPORT;
  head.cmsg_type = type;
  return head;
}

cmsg_redhdr listener_header(int type, int fd) {
  cmsg_redhdr head = header(type);
  head.domain = AF_INET;
  head.redhdr_red_ltcp.fd = static_cast<short>(fd);
  return head;
}

cmsg_redhdr server_header(int type, int fd) {
  cmsg_redhdr head = header(type);
  head.domain = AF_INET;
  head.fd_server = static_cast<short>(fd);
  return head;
}

msghdr message(cmsg_redhdr& head) {
  msghdr result{};
  result.msg_control = &head;
  result.msg_controllen = sizeof head;
  return result;
}

}  // namespace

int link_listen() {
  const int listening = require(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket");
  const sockaddr_iso own = iso_address(measured_tsap);
  require(soc_bind(listening, &own, sizeof own), "soc_bind");
  require(soc_listen(listening, 4), "soc_listen");
  return listening;
}

int link_connect(std::string_view tsap) {
  const int link = require(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket");
  const sockaddr_iso own = iso_address("");
  const sockaddr_iso server = iso_address(tsap);
  require(soc_bind(link, &own, sizeof own), "soc_bind");
  require(soc_connect(link, &server, sizeof server), "soc_connect");
  return link;
}

int link_accept(int listening) {
  const int link = require(soc_accept(listening, nullptr, nullptr), "soc_accept");
  pollfd entry{link, POLLIN, 0};
  require(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");  // confirms
  return link;
}

void offer(int link, int fd) {
  cmsg_redhdr head = listener_header(TPOPT_REDI_DATA, fd);
  const msghdr data = message(head);
  require(soc_sendmsg(link, &data, 0), "soc_sendmsg REDI_DATA");
}

void await_answer(int link, int fd) {
  cmsg_redhdr head = listener_header(TPOPT_REDI_BDOK, fd);
  msghdr data = message(head);
  require(soc_recvmsg(link, &data, 0), "soc_recvmsg REDI_BDOK");
  if (head.bind_ok != REDBIND_OK) fail("the server refused");
}

void call(int link, int fd) {
  const cmsg_redhdr head = listener_header(TPOPT_REDI_CALL, fd);
  require(soc_setsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &head, sizeof head), "soc_setsockopt REDI_CALL");
}

void await_outcome(int link, int fd) {
  cmsg_redhdr head = listener_header(TPOPT_REDI_CALL, fd);
  socklen_t length = sizeof head;
  require(soc_getsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &head, &length), "soc_getsockopt REDI_CALL (listener)");
  if (head.handoff_ok != 1) fail("not moved");
}

void move(int link, int fd) {
  offer(link, fd);
  await_answer(link, fd);
  call(link, fd);
  await_outcome(link, fd);
}

int await_offer(int link) {
  cmsg_redhdr head = header(TPOPT_REDI_DATA);
  msghdr data = message(head);
  require(soc_recvmsg(link, &data, 0), "soc_recvmsg REDI_DATA");
  return head.fd_server;
}

void answer(int link, int fd) {
  cmsg_redhdr head = server_header(TPOPT_REDI_BDOK, fd);
  const msghdr data = message(head);
  require(soc_sendmsg(link, &data, 0), "soc_sendmsg REDI_BDOK");
}

void take(int link, int fd) {
  cmsg_redhdr head = server_header(TPOPT_REDI_CALL, fd);
  socklen_t length = sizeof head;
  require(soc_getsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &head, &length), "soc_getsockopt REDI_CALL (server)");
  if (head.handoff_ok != 1) fail("not taken");
}

int take_move(int link) {
  const int fd = await_offer(link);
  answer(link, fd);
  take(link, fd);
  return fd;
}

void give_all(int link, std::span<const int> fds) {
  std::array<soc_move, SOC_MOVES_MAX> moves;
  std::size_t done = 0;
  const auto collect = [&](int timeout_ms) {
    const int count =
        require(soc_outcomes(link, moves.data(), static_cast<int>(moves.size()), timeout_ms), "soc_outcomes");
    for (int i = 0; i < count; ++i) {
      if (moves[static_cast<std::size_t>(i)].error == 0) continue;
      errno = moves[static_cast<std::size_t>(i)].error;
      fail("an express move was not made");
    }
    done += static_cast<std::size_t>(count);
  };
  for (std::size_t given = 0; given < fds.size();) {
    const std::size_t count = std::min(moves.size(), fds.size() - given);
    for (std::size_t i = 0; i < count; ++i) {
      moves[i] = {};
      moves[i].fd = fds[given + i];
    }
    given += static_cast<std::size_t>(require(soc_give(link, moves.data(), static_cast<int>(count)), "soc_give"));
    if (given < fds.size() && done < given) collect(0);
  }
  while (done < fds.size()) collect(-1);
}

std::vector<int> take_all(int link, std::size_t count) {
  std::array<soc_move, SOC_MOVES_MAX> moves{};
  std::vector<int> fds;
  while (fds.size() < count) {
    const int taken = require(soc_take(link, moves.data(), static_cast<int>(moves.size()), -1), "soc_take");
    for (const soc_move& move : std::span{moves}.first(static_cast<std::size_t>(taken))) fds.push_back(move.fd);
  }
  return fds;
}

}  // namespace baton::bench
