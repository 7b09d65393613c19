// SPDX-License-Identifier: MIT
// baton: system/steps.hpp: the steps of a handoff as one function each, for the agent that makes them.
//
// Every function runs in the calling process; the result tells what the call returned and what stood in its header.
#pragma once

#include <baton/soc.h>

#include <span>
#include <string_view>

namespace baton::system_tests {

struct Step {
  ssize_t result = -1;
  int error = 0;  // errno, 0 where the call succeeded
  cmsg_redhdr header = {};
  char octets[1024] = {};  // an offer's user data
  char text[192] = {};     // soc_error_text()
  [[nodiscard]] bool ok() const { return result >= 0; }
};

cmsg_redhdr make_header(int type, int domain, int number = -1);

/// L, steps 1, 4, 5 and 7. `domain` 0 names nobody.
Step offer(int link, int number, int domain, std::string_view user_data = {});
Step await_answer(int link, int number, int domain, int flags = 0);
Step call(int link, int number, int domain);
Step outcome(int link, int number, int domain);
/// S, steps 2, 3 and 6.
/// `room`: for more octets than a Step can tell.
Step receive_offer(int link, int flags = 0, std::span<char> room = {});
Step answer(int link, const cmsg_redhdr& offered, short bind_ok = 0);
Step take(int link, const cmsg_redhdr& offered);
/// One of sendmsg, recvmsg, setsockopt and getsockopt with exactly this header and length.
Step send_raw(int link, const cmsg_redhdr& header, size_t length);
Step receive_raw(int link, const cmsg_redhdr& header, size_t length, int flags = 0);
Step set_raw(int link, const cmsg_redhdr& header, int length);
Step get_raw(int link, const cmsg_redhdr& header, socklen_t length);

/// An AF_ISO address of this host.
sockaddr_iso iso_address(std::string_view tsel, std::string_view nsel = "        ");
/// A listening AF_ISO socket, a socket with a free name, a connection that the server has still to confirm: each a
/// number or -1.
int listen_iso(std::string_view tsel, int backlog = 16);
int named_iso(int type_flags = 0);
int connect_iso(std::string_view tsel, int type_flags = 0);
/// Accepts and confirms.
int accept_iso(int listening);

/// A TCP socket that listens on a free loopback port, which `port` gets.
int listen_tcp(int family, unsigned short* port);
/// A plain connection to it, in blocking mode.
int connect_tcp(int family, unsigned short port);

/// Sets RLIMIT_NOFILE so that no descriptor can be opened but `spare` ones; gives the limit that was in force.
unsigned long limit_descriptors(int spare);
void restore_descriptors(unsigned long limit);

}  // namespace baton::system_tests
