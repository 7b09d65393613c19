// SPDX-License-Identifier: MIT
// baton: support/sockets.hpp: TCP over loopback with the kernel's own calls: for clients and for what is moved.
//
// Every function ends the process with a report on failure (support/process.hpp).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace baton::test {

/// AF_INET or AF_INET6; the kernel chooses the port.
[[nodiscard]] UniqueFd tcp_listen(int family);
[[nodiscard]] std::uint16_t port_of(FdRef socket);
[[nodiscard]] UniqueFd tcp_connect(int family, std::uint16_t port);

/// "[address]:port".
[[nodiscard]] std::string local_name(int socket);
[[nodiscard]] std::string peer_name(int socket);
[[nodiscard]] std::uint64_t cookie_of(int socket);
/// The connection's state in the kernel (TCP_ESTABLISHED ...).
[[nodiscard]] int tcp_state_of(int socket);
/// Octets that the kernel has not sent, or the other side not acknowledged.
[[nodiscard]] int unsent_octets(int socket);
/// Octets that have arrived and nobody has read.
[[nodiscard]] int unread_octets(int socket);

/// Blocking.
void write_all(FdRef socket, Bytes octets);
/// Blocking; 0: end of file.
[[nodiscard]] std::size_t read_some(FdRef socket, MutableBytes room);

}  // namespace baton::test
