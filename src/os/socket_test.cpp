// SPDX-License-Identifier: MIT
#include "os/socket.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "os/kernel.hpp"
#include "os/test_support.hpp"

namespace baton::os {
namespace {

using namespace testing;

TEST(Cookie, NamesTheSocketNotTheNumber) {
  const UniqueFd socket = *parked_socket(false, true);
  const UniqueFd other = *parked_socket(false, true);
  const UniqueFd copy = *duplicate(socket.ref());
  EXPECT_EQ(cookie(socket.ref()), cookie(copy.ref()));
  EXPECT_NE(cookie(socket.ref()), cookie(other.ref()));
  EXPECT_EQ(cookie(open_pidfd(getpid())->ref()).error(), Errno{ENOTSOCK});
  EXPECT_EQ(cookie(FdRef{}).error(), Errno{EBADF});
}

TEST(Kind, TellsFamilyTypeAndProtocol) {
  const Connection ipv6 = connect_on_loopback(AF_INET6);
  EXPECT_EQ(kind(ipv6.server.ref()), (SocketKind{AF_INET6, SOCK_STREAM, IPPROTO_TCP}));
  EXPECT_EQ(kind(unix_seqpacket(false)->ref()), (SocketKind{AF_UNIX, SOCK_SEQPACKET, 0}));
  EXPECT_EQ(kind(FdRef{}).error(), Errno{EBADF});
}

TEST(Kind, TellsListeningFromConnected) {
  const UniqueFd listener = listen_on_loopback(AF_INET);
  const Connection connection = connect_to(listener.ref());
  EXPECT_TRUE(is_listening(listener.ref()));
  EXPECT_FALSE(is_listening(connection.server.ref()));
  EXPECT_FALSE(is_listening(FdRef{}));
}

TEST(Kind, TellsMptcpByItsProtocol) {
  const Connection plain = connect_on_loopback(AF_INET);
  EXPECT_FALSE(is_mptcp(plain.server.ref()));
  const UniqueFd multipath{adopt, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP)};
  // A kernel without MPTCP has no such socket to tell.
  EXPECT_EQ(is_mptcp(multipath.ref()), multipath.valid());
}

TEST(Kind, TellsAnUpperLayerProtocol) {
  const Connection connection = connect_on_loopback(AF_INET);
  EXPECT_FALSE(has_upper_layer_protocol(connection.server.ref()));
  EXPECT_FALSE(has_upper_layer_protocol(parked_socket(false, true)->ref()));
  // A kernel without kTLS refuses, and then there is none.
  const bool set = setsockopt(connection.server.get(), IPPROTO_TCP, TCP_ULP, "tls", 3) == 0;
  EXPECT_EQ(has_upper_layer_protocol(connection.server.ref()), set);
}

class Addresses : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Families, Addresses, ::testing::Values(AF_INET, AF_INET6),
                         [](const auto& each) { return each.param == AF_INET ? "Ipv4" : "Ipv6"; });

TEST_P(Addresses, OfOneSideAreThoseOfTheOther) {
  const Connection connection = connect_on_loopback(GetParam());
  EXPECT_EQ(*local_address(connection.server.ref()), *peer_address(connection.client.ref()));
  EXPECT_EQ(*peer_address(connection.server.ref()), *local_address(connection.client.ref()));
  EXPECT_FALSE(*local_address(connection.server.ref()) == *peer_address(connection.server.ref()));
  EXPECT_EQ(local_address(connection.server.ref())->family(), GetParam());
  EXPECT_NE(local_address(connection.server.ref())->port(), 0);
  EXPECT_EQ(interface_index_of_local_address(connection.server.ref()), if_nametoindex("lo"));
  EXPECT_EQ(bound_interface(connection.server.ref()), 0U);
}

TEST(Address, WithoutAPeerIsAnError) {
  EXPECT_EQ(peer_address(parked_socket(false, true)->ref()).error(), Errno{ENOTCONN});
  EXPECT_EQ(local_address(FdRef{}).error(), Errno{EBADF});
}

TEST(Address, OfALocalSocketHasNoPortAndNoInterface) {
  const UniqueFd parked = *parked_socket(false, true);
  const Address address = *local_address(parked.ref());
  EXPECT_EQ(address.family(), AF_UNIX);
  EXPECT_EQ(address.port(), 0);
  EXPECT_EQ(interface_index_of_local_address(parked.ref()), 0U);
  EXPECT_EQ(Address{}.family(), AF_UNSPEC);
  EXPECT_TRUE(Address{} == Address{});
}

TEST(Interface, IsLoopbackForItsWholePrefixAndNoneForTheWildcard) {
  const UniqueFd socket{adopt, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  EXPECT_EQ(interface_index_of_local_address(socket.ref()), 0U);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 7);
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(interface_index_of_local_address(socket.ref()), if_nametoindex("lo"));
}

TEST(Interface, IsTheOneTheSocketIsBoundTo) {
  const UniqueFd socket{adopt, ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  ASSERT_EQ(setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 2), 0);
  EXPECT_EQ(bound_interface(socket.ref()), if_nametoindex("lo"));
  EXPECT_EQ(interface_index_of_local_address(socket.ref()), if_nametoindex("lo"));
}

TEST(Settings, AreReadAndWritten) {
  const UniqueFd socket = *parked_socket(true, true);
  EXPECT_TRUE(descriptor_flags(socket.ref())->nonblocking);
  EXPECT_TRUE(descriptor_flags(socket.ref())->close_on_exec);
  ASSERT_TRUE(set_nonblocking(socket.ref(), false).has_value());
  ASSERT_TRUE(set_close_on_exec(socket.ref(), false).has_value());
  EXPECT_FALSE(descriptor_flags(socket.ref())->nonblocking);
  EXPECT_FALSE(descriptor_flags(socket.ref())->close_on_exec);
  ASSERT_TRUE(set_nonblocking(socket.ref(), true).has_value());
  ASSERT_TRUE(set_close_on_exec(socket.ref(), true).has_value());
  EXPECT_TRUE(descriptor_flags(socket.ref())->nonblocking);
  EXPECT_TRUE(descriptor_flags(socket.ref())->close_on_exec);
  EXPECT_EQ(descriptor_flags(FdRef{}).error(), Errno{EBADF});
  EXPECT_EQ(set_nonblocking(FdRef{}, true).error(), Errno{EBADF});
  EXPECT_EQ(set_close_on_exec(FdRef{}, true).error(), Errno{EBADF});
}

TEST(Settings, TellTheBuffersAsTheKernelCounts) {
  const UniqueFd socket = *parked_socket(false, true);
  const int wanted = 32768;
  ASSERT_EQ(setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted), 0);
  ASSERT_EQ(setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted), 0);
  EXPECT_EQ(send_buffer(socket.ref()), Result<std::size_t>{65536});
  EXPECT_EQ(receive_buffer(socket.ref()), Result<std::size_t>{65536});
}

TEST(Numbers, ADuplicateNeverTakesTheNumberOfAStandardStream) {
  const pid_t child = fork();
  if (child == 0) {
    const UniqueFd socket = *parked_socket(false, true);
    close(0);
    const auto copy = duplicate(socket.ref());
    _exit(copy && copy->get() >= 3 && descriptor_flags(copy->ref())->close_on_exec ? 0 : 1);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Numbers, AHighDuplicateFallsBackWhereTheLimitIsLower) {
  const UniqueFd socket = *parked_socket(false, true);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_GT(before.rlim_cur, 300U);
  EXPECT_GE(duplicate_high(socket.ref(), 200)->get(), 200);
  const rlimit lower{.rlim_cur = 200, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &lower), 0);
  const auto beyond = duplicate_high(socket.ref(), 200);
  const auto last = duplicate_high(socket.ref(), 199);
  const auto taken = duplicate_high(socket.ref(), 199);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_LT(beyond->get(), 199);
  EXPECT_EQ(last->get(), 199);
  EXPECT_LT(taken->get(), 199);
  EXPECT_EQ(duplicate_high(FdRef{}, 200).error(), Errno{EBADF});
}

TEST(Numbers, ReplaceClosesWhatWasThere) {
  const UniqueFd source = *parked_socket(false, true);
  auto pair = *seqpacket_pair();
  ASSERT_TRUE(replace(source.ref(), pair.first.get(), false).has_value());
  EXPECT_EQ(cookie(pair.first.ref()), cookie(source.ref()));
  EXPECT_FALSE(descriptor_flags(pair.first.ref())->close_on_exec);
  char none = 0;
  EXPECT_EQ(recv(pair.second.get(), &none, 1, MSG_DONTWAIT), 0);
  ASSERT_TRUE(replace(source.ref(), pair.first.get(), true).has_value());
  EXPECT_TRUE(descriptor_flags(pair.first.ref())->close_on_exec);
  EXPECT_EQ(replace(source.ref(), source.get(), true).error(), Errno{EINVAL});
  EXPECT_EQ(replace(FdRef{}, pair.first.get(), true).error(), Errno{EBADF});
}

TEST(LocalSocket, AParkedOneCanNeitherReadNorWrite) {
  const UniqueFd parked = *parked_socket(true, false);
  EXPECT_FALSE(descriptor_flags(parked.ref())->close_on_exec);
  char none = 0;
  EXPECT_EQ(read(parked.get(), &none, 1), -1);
  EXPECT_EQ(last_error(), Errno{EAGAIN});
  EXPECT_EQ(write(parked.get(), &none, 1), -1);
  EXPECT_EQ(last_error(), Errno{ENOTCONN});
}

TEST(LocalSocket, SeqpacketIsCloseOnExec) {
  const UniqueFd socket = *unix_seqpacket(true);
  EXPECT_TRUE(descriptor_flags(socket.ref())->nonblocking);
  EXPECT_TRUE(descriptor_flags(socket.ref())->close_on_exec);
  const auto pair = *seqpacket_pair();
  EXPECT_FALSE(descriptor_flags(pair.first.ref())->nonblocking);
  EXPECT_TRUE(descriptor_flags(pair.second.ref())->close_on_exec);
}

/// A socket bound to an abstract name of the kernel's choice.
UniqueFd abstract_listener(sockaddr_un& name, socklen_t& size) {
  UniqueFd listener = *unix_seqpacket(false);
  const sa_family_t family = AF_UNIX;
  EXPECT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&family), sizeof family), 0);
  EXPECT_EQ(listen(listener.get(), 1), 0);
  size = sizeof name;
  EXPECT_EQ(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
  return listener;
}

TEST(LocalSocket, KnowsWhoConnectedAndWhetherItLives) {
  sockaddr_un name{};
  socklen_t size = 0;
  const UniqueFd listener = abstract_listener(name, size);
  const pid_t child = fork();
  if (child == 0) {
    const UniqueFd client = *unix_seqpacket(false);
    char none = 0;
    const bool connected = connect(client.get(), reinterpret_cast<const sockaddr*>(&name), size) == 0;
    _exit(connected && recv(client.get(), &none, 1, 0) == 1 ? 0 : 1);
  }
  const UniqueFd server{adopt, accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  EXPECT_EQ(peer_credentials(server.ref()), (Credentials{child, geteuid(), getegid()}));
  const auto pidfd = peer_pidfd(server.ref());
  ASSERT_TRUE(pidfd.has_value());
  EXPECT_TRUE(descriptor_flags(pidfd->ref())->close_on_exec);
  EXPECT_FALSE(has_exited(pidfd->ref()));
  send_text(server.ref(), "x");
  EXPECT_TRUE(eventually([&pidfd] { return has_exited(pidfd->ref()); }));
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(LocalSocket, WithoutAPeerHasNoPidfd) {
  const auto none = peer_pidfd(unix_seqpacket(false)->ref());
  ASSERT_FALSE(none.has_value());
  EXPECT_TRUE(none.error() == Errno{ESRCH} || none.error() == Errno{ENODATA}) << number(none.error());
  EXPECT_FALSE(peer_pidfd(FdRef{}).has_value());
}

}  // namespace
}  // namespace baton::os
