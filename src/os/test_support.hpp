// SPDX-License-Identifier: MIT
// baton: os/test_support.hpp: what the unit tests of this room share: loopback connections, counting, waiting.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "os/process.hpp"

namespace baton::os::testing {

inline constexpr Duration patience = std::chrono::seconds{20};

/// Descriptors open in this process. The one that looks is counted each time alike.
inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator numbers{"/proc/self/fd"};
  return static_cast<std::size_t>(std::distance(begin(numbers), end(numbers)));
}

/// Whether `condition` comes true within patience.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition) {
  const Instant deadline = monotonic_now() + patience;
  while (!condition()) {
    if (monotonic_now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

struct Connection {
  UniqueFd client;
  UniqueFd server;
};

inline UniqueFd listen_on_loopback(int family) {
  UniqueFd listener{adopt, ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 ipv6{};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_addr = IN6ADDR_LOOPBACK_INIT;
  const auto* const address =
      family == AF_INET ? reinterpret_cast<const sockaddr*>(&ipv4) : reinterpret_cast<const sockaddr*>(&ipv6);
  EXPECT_EQ(bind(listener.get(), address, family == AF_INET ? sizeof ipv4 : sizeof ipv6), 0);
  EXPECT_EQ(listen(listener.get(), 4), 0);
  return listener;
}

inline Connection connect_to(FdRef listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  Connection made;
  made.client = UniqueFd{adopt, ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_EQ(connect(made.client.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  made.server = UniqueFd{adopt, accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  EXPECT_TRUE(made.server.valid());
  return made;
}

inline Connection connect_on_loopback(int family) { return connect_to(listen_on_loopback(family).ref()); }

inline void send_text(FdRef socket, std::string_view text) {
  ASSERT_EQ(send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

/// Reads exactly `size` octets.
inline std::string read_text(FdRef socket, std::size_t size) {
  std::string text(size, '\0');
  EXPECT_EQ(recv(socket.get(), text.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
  return text;
}

/// close(2) with a reset instead of a FIN.
inline void reset_connection(UniqueFd socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ASSERT_EQ(setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
}

}  // namespace baton::os::testing
