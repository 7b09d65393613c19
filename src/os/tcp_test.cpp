// SPDX-License-Identifier: MIT
#include "os/tcp.hpp"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <array>
#include <string>

#include "os/resolve_host.hpp"
#include "os/wait.hpp"

namespace baton::os {
namespace {

Address loopback(const char* host, std::uint16_t port = 0) {
  return resolve_host(host, port, Lookup::AddressesOnly).value().at(0);
}

int option(FdRef socket, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(socket.get(), level, name, &value, &size), 0);
  return value;
}

void wait_for(FdRef socket, short events) {
  pollfd entry{socket.get(), events, 0};
  ASSERT_EQ(poll_until({&entry, 1}, never).value(), 1);
}

struct Pair {
  UniqueFd client;
  UniqueFd server;
};

Pair connected(const char* host) {
  const UniqueFd listener = tcp_listener(loopback(host), 1).value();
  const Address at = local_address(listener.ref()).value();
  Pair pair{tcp_socket(at.family(), false).value(), {}};
  while (!connect_step(pair.client.ref(), at).value()) wait_for(pair.client.ref(), POLLOUT);
  wait_for(listener.ref(), POLLIN);
  pair.server = accept_tcp(listener.ref()).value();
  return pair;
}

std::span<const iovec> one(const iovec& part) { return {&part, 1}; }

TEST(Tcp, CarriesOctetsOverBothFamiliesWithoutDelayAndWithKeepAlive) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    const Pair pair = connected(host);
    for (const FdRef each : {pair.client.ref(), pair.server.ref()}) {
      EXPECT_EQ(option(each, IPPROTO_TCP, TCP_NODELAY), 1);
      EXPECT_EQ(option(each, SOL_SOCKET, SO_KEEPALIVE), 1);
      EXPECT_FALSE(is_nonblocking(each));
      EXPECT_TRUE(descriptor_flags(each).value().close_on_exec);
    }
    std::string sent = "abc";
    EXPECT_EQ(send_stream(pair.client.ref(), one({sent.data(), sent.size()})).value(), 3U);
    wait_for(pair.server.ref(), POLLIN);
    std::array<char, 8> room{};
    EXPECT_EQ(receive_stream(pair.server.ref(), one({room.data(), room.size()}), {.peek = true}).value(), 3U);
    EXPECT_EQ(receive_stream(pair.server.ref(), one({room.data(), room.size()})).value(), 3U);
    EXPECT_EQ(std::string(room.data(), 3), sent);
    EXPECT_EQ(receive_stream(pair.server.ref(), one({room.data(), room.size()})).error(), Errno{EAGAIN});
    end_output(pair.client.ref());
    wait_for(pair.server.ref(), POLLIN);
    EXPECT_EQ(receive_stream(pair.server.ref(), one({room.data(), room.size()})).value(), 0U);
  }
}

TEST(Tcp, AnEndedInputPollsReadableAndGivesTheEnd) {
  const Pair pair = connected("127.0.0.1");
  end_input(pair.server.ref());
  wait_for(pair.server.ref(), POLLIN);
  std::byte octet{};
  EXPECT_EQ(receive_stream(pair.server.ref(), one({&octet, 1})).value(), 0U);
}

TEST(Tcp, ConnectingTellsTheRefusal) {
  Address nobody;
  {
    const UniqueFd listener = tcp_listener(loopback("127.0.0.1"), 1).value();
    nobody = local_address(listener.ref()).value();
  }
  const UniqueFd socket = tcp_socket(AF_INET, true).value();
  Result<bool> step = connect_step(socket.ref(), nobody);
  while (step && !*step) {
    wait_for(socket.ref(), POLLOUT);
    step = connect_step(socket.ref(), nobody);
  }
  EXPECT_EQ(step.error(), Errno{ECONNREFUSED});
}

TEST(Tcp, TwoListenersCannotShareAnAddress) {
  const UniqueFd first = tcp_listener(loopback("127.0.0.1"), 1).value();
  EXPECT_EQ(tcp_listener(local_address(first.ref()).value(), 1).error(), Errno{EADDRINUSE});
}

TEST(ResolveHost, TakesAddressesAndPrintsThem) {
  EXPECT_EQ(printable(loopback("192.0.2.7", 102)), "192.0.2.7:102");
  EXPECT_EQ(printable(loopback("2001:db8::7", 1102)), "[2001:db8::7]:1102");
}

TEST(ResolveHost, ANameIsNoAddress) {
  EXPECT_EQ(resolve_host("localhost", 102, Lookup::AddressesOnly).error(), Errno{ENOENT});
  EXPECT_FALSE(resolve_host("localhost", 102, Lookup::Names).value().empty());
}

}  // namespace
}  // namespace baton::os
