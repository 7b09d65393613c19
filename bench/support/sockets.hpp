// SPDX-License-Identifier: MIT
// baton: bench/support/sockets.hpp: the kernel's own calls, for what baton is compared with and for the clients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace baton::bench {

/// Octets of a message that is sent for comparison: about a frame of baton without descriptors.
inline constexpr std::size_t floor_message = 64;
/// Descriptors in a batch: baton's largest, one less than the kernel's.
inline constexpr std::size_t batch = 252;

/// A connected pair of AF_UNIX SOCK_SEQPACKET sockets.
[[nodiscard]] std::pair<int, int> message_pair();
/// One message of `floor_message` octets with `descriptors`. Tries again while the kernel says ETOOMANYREFS.
void send_message(int socket, std::span<const int> descriptors = {});
/// One message; its descriptors (close-on-exec) are appended to `descriptors`.
void receive_message(int socket, std::vector<int>& descriptors);

/// A listening TCP socket on the loopback address; the kernel chooses the port.
struct TcpListener {
  int descriptor = -1;
  std::uint16_t port = 0;
};
[[nodiscard]] TcpListener tcp_listen(int backlog = 1024);
[[nodiscard]] int tcp_connect(std::uint16_t port);
/// Closing will reset: no TIME_WAIT, so that thousands of connections in a row do not use up the ports.
void reset_on_close(int connection);
/// Both ends of `count` TCP connections over loopback: first the accepted end, then the client's.
[[nodiscard]] std::vector<std::pair<int, int>> tcp_pairs(std::size_t count);

/// Into the epoll set, level triggered; its event has the descriptor as data.
void watch_input(int set, int descriptor);

void write_all(int descriptor, std::span<const std::byte> octets);
void read_all(int descriptor, std::span<std::byte> octets);

}  // namespace baton::bench
