// SPDX-License-Identifier: MIT
#include "os/bell.hpp"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <cerrno>

#include "os/tcp_entrance.hpp"
#include "os/test_support.hpp"

namespace baton::os {
namespace {

using testing::eventually;

bool is_readable(FdRef listening) {
  pollfd entry{listening.get(), POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

UniqueFd listening_on(const sockaddr_in6& six, Families families) {
  return std::move(*listen_for_others({reinterpret_cast<const sockaddr*>(&six), sizeof six}, 8, families));
}
UniqueFd listening_on(std::uint32_t host) {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_addr.s_addr = htonl(host);
  return std::move(*listen_for_others({reinterpret_cast<const sockaddr*>(&four), sizeof four}, 8, Families::One));
}

void is_known_by_its_address(FdRef listening) {
  const auto to = reached_at(listening);
  ASSERT_TRUE(to);
  auto bell = Bell::ring(*to);
  ASSERT_TRUE(bell);
  ASSERT_TRUE(eventually([&] { return is_readable(listening); }));
  EXPECT_EQ(bell->look(), Bell::Heard::NotYet);
  auto accepted = accept_for_others(listening);
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->peer, bell->address());
  accepted->connection.reset();
  EXPECT_TRUE(eventually([&] { return bell->look() == Bell::Heard::ByAnother; }));
}

TEST(Bell, IsHeardWhereverASocketListens) {
  is_known_by_its_address(listening_on(INADDR_LOOPBACK).ref());
  is_known_by_its_address(listening_on(INADDR_ANY).ref());
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  is_known_by_its_address(listening_on(six, Families::Both).ref());
  is_known_by_its_address(listening_on(six, Families::One).ref());
}

TEST(Bell, ShowsOnASocketThatWaitsForOctets) {
  const UniqueFd listening = listening_on(INADDR_LOOPBACK);
  const int seconds = 60;
  ASSERT_EQ(setsockopt(listening.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds), 0);
  is_known_by_its_address(listening.ref());
}

TEST(Bell, IsRefusedWhereNobodyListens) {
  UniqueFd listening = listening_on(INADDR_LOOPBACK);
  const auto to = reached_at(listening.ref());
  listening.reset();
  EXPECT_EQ(Bell::ring(*to).error(), Errno{ECONNREFUSED});
}

}  // namespace
}  // namespace baton::os
