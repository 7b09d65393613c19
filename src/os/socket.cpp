// SPDX-License-Identifier: MIT
#include "os/socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "os/kernel.hpp"

namespace baton::os {
namespace {

template <class T>
Result<T> option(FdRef socket, int level, int name) noexcept {
  T value{};
  socklen_t size = sizeof value;
  if (getsockopt(socket.get(), level, name, &value, &size) != 0) return failure();
  return value;
}

Result<void> set_option(FdRef socket, int name, int value) noexcept {
  if (setsockopt(socket.get(), SOL_SOCKET, name, &value, sizeof value) != 0) return failure();
  return {};
}

Result<std::size_t> size_option(FdRef socket, int name) noexcept {
  const auto size = option<int>(socket, SOL_SOCKET, name);
  if (!size) return std::unexpected{size.error()};
  return static_cast<std::size_t>(*size);
}

using NameCall = int (*)(int, sockaddr*, socklen_t*);
Result<Address> address_from(FdRef socket, NameCall call) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (call(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return failure();
  return Address{reinterpret_cast<const sockaddr*>(&storage), size};
}

Result<UniqueFd> new_socket(int type, bool nonblocking, bool close_on_exec) noexcept {
  const int flags = (nonblocking ? SOCK_NONBLOCK : 0) | (close_on_exec ? SOCK_CLOEXEC : 0);
  const int number = ::socket(AF_UNIX, type | flags, 0);
  if (number < 0) return failure();
  return UniqueFd{adopt, number};
}

Result<UniqueFd> duplicate_from(FdRef descriptor, int lowest) noexcept {
  const int number = fcntl(descriptor.get(), F_DUPFD_CLOEXEC, lowest);
  if (number < 0) return failure();
  return UniqueFd{adopt, number};
}

constexpr int first_plain_number = 3;

}  // namespace

Result<std::uint64_t> cookie(FdRef socket) noexcept { return option<std::uint64_t>(socket, SOL_SOCKET, SO_COOKIE); }

Result<SocketKind> kind(FdRef socket) noexcept {
  const auto domain = option<int>(socket, SOL_SOCKET, SO_DOMAIN);
  if (!domain) return std::unexpected{domain.error()};
  const auto type = option<int>(socket, SOL_SOCKET, SO_TYPE);
  if (!type) return std::unexpected{type.error()};
  const auto protocol = option<int>(socket, SOL_SOCKET, SO_PROTOCOL);
  if (!protocol) return std::unexpected{protocol.error()};
  return SocketKind{.domain = *domain, .type = *type, .protocol = *protocol};
}

int tcp_domain(FdRef socket) noexcept {
  // Only stream sockets have this protocol: SO_TYPE would say nothing new.
  const auto protocol = option<int>(socket, SOL_SOCKET, SO_PROTOCOL);
  if (!protocol || *protocol != IPPROTO_TCP) return AF_UNSPEC;
  return option<int>(socket, SOL_SOCKET, SO_DOMAIN).value_or(AF_UNSPEC);
}

bool is_tcp(FdRef socket, int domain) noexcept { return domain != AF_UNSPEC && tcp_domain(socket) == domain; }

bool is_listening(FdRef socket) noexcept { return option<int>(socket, SOL_SOCKET, SO_ACCEPTCONN).value_or(0) != 0; }

bool has_upper_layer_protocol(FdRef socket) noexcept {
  std::array<char, 16> name{};  // TCP_ULP_NAME_MAX
  socklen_t size = name.size();
  return getsockopt(socket.get(), IPPROTO_TCP, TCP_ULP, name.data(), &size) == 0 && size > 0;
}

bool is_mptcp(FdRef socket) noexcept {
  return option<int>(socket, SOL_SOCKET, SO_PROTOCOL).value_or(0) == IPPROTO_MPTCP;
}

Address::Address(const sockaddr* address, socklen_t size) noexcept
    : size_{std::min(size, static_cast<socklen_t>(sizeof storage_))} {
  std::memcpy(&storage_, address, size_);
}

std::uint16_t Address::port() const noexcept {
  // The port stands at the same place in both.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  if (family() != AF_INET && family() != AF_INET6) return 0;
  in_port_t port;
  std::memcpy(&port, reinterpret_cast<const std::byte*>(&storage_) + offsetof(sockaddr_in, sin_port), sizeof port);
  return ntohs(port);
}

bool operator==(const Address& a, const Address& b) noexcept { return std::ranges::equal(a.bytes(), b.bytes()); }

Result<Address> local_address(FdRef socket) noexcept { return address_from(socket, &getsockname); }
Result<Address> peer_address(FdRef socket) noexcept { return address_from(socket, &getpeername); }

bool is_address(const Address& address, const std::string& host, std::uint16_t port) noexcept {
  if (address.port() != port) return false;
  if (host.empty()) return true;
  in6_addr wanted{};
  if (address.family() == AF_INET6)
    return ::inet_pton(AF_INET6, host.c_str(), &wanted) == 1 &&
           std::memcmp(&wanted, &reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr, sizeof wanted) == 0;
  in_addr wanted4{};
  return address.family() == AF_INET && ::inet_pton(AF_INET, host.c_str(), &wanted4) == 1 &&
         wanted4.s_addr == reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr.s_addr;
}

bool is_nonblocking(FdRef descriptor) noexcept {
  const int flags = fcntl(descriptor.get(), F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

Result<DescriptorFlags> descriptor_flags(FdRef descriptor) noexcept {
  const int status = fcntl(descriptor.get(), F_GETFL);
  if (status < 0) return failure();
  const int flags = fcntl(descriptor.get(), F_GETFD);
  if (flags < 0) return failure();
  return DescriptorFlags{.nonblocking = (status & O_NONBLOCK) != 0, .close_on_exec = (flags & FD_CLOEXEC) != 0};
}

Result<void> set_nonblocking(FdRef descriptor, bool on) noexcept {
  const int status = fcntl(descriptor.get(), F_GETFL);
  if (status < 0) return failure();
  const int wanted = on ? status | O_NONBLOCK : status & ~O_NONBLOCK;
  if (wanted != status && fcntl(descriptor.get(), F_SETFL, wanted) != 0) return failure();
  return {};
}

Result<void> set_close_on_exec(FdRef descriptor, bool on) noexcept {
  if (fcntl(descriptor.get(), F_SETFD, on ? FD_CLOEXEC : 0) != 0) return failure();
  return {};
}

Result<std::size_t> receive_buffer(FdRef socket) noexcept { return size_option(socket, SO_RCVBUF); }
Result<std::size_t> send_buffer(FdRef socket) noexcept { return size_option(socket, SO_SNDBUF); }

Result<UniqueFd> duplicate(FdRef descriptor) noexcept { return duplicate_from(descriptor, first_plain_number); }

Result<UniqueFd> duplicate_high(FdRef descriptor, int at_least) noexcept {
  auto high = duplicate_from(descriptor, std::max(at_least, first_plain_number));
  // EINVAL: `at_least` is beyond the limit. EMFILE: all numbers from there on are taken.
  if (!high && (high.error() == Errno{EINVAL} || high.error() == Errno{EMFILE})) return duplicate(descriptor);
  return high;
}

Result<void> replace(FdRef source, int number, bool close_on_exec) noexcept {
  if (dup3(source.get(), number, close_on_exec ? O_CLOEXEC : 0) < 0) return failure();
  return {};
}

Result<UniqueFd> unix_seqpacket(bool nonblocking) noexcept { return new_socket(SOCK_SEQPACKET, nonblocking, true); }

Result<std::pair<UniqueFd, UniqueFd>> seqpacket_pair() noexcept {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return failure();
  return std::pair{UniqueFd{adopt, pair[0]}, UniqueFd{adopt, pair[1]}};
}

Result<UniqueFd> parked_socket(bool nonblocking, bool close_on_exec) noexcept {
  return new_socket(SOCK_DGRAM, nonblocking, close_on_exec);
}

int linger_time(FdRef socket) noexcept {
  const auto setting = option<linger>(socket, SOL_SOCKET, SO_LINGER);
  return setting && setting->l_onoff != 0 ? setting->l_linger : 0;
}

void set_linger_time(FdRef socket, int seconds) noexcept {
  const linger setting{.l_onoff = seconds > 0 ? 1 : 0, .l_linger = seconds};
  [[maybe_unused]] const int outcome = setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &setting, sizeof setting);
}

void stop_signals(FdRef descriptor) noexcept {
  const int status = fcntl(descriptor.get(), F_GETFL);
  if (status >= 0 && (status & O_ASYNC) != 0) {
    [[maybe_unused]] const int outcome = fcntl(descriptor.get(), F_SETFL, status & ~O_ASYNC);
  }
}

Result<Credentials> peer_credentials(FdRef socket) noexcept {
  const auto peer = option<ucred>(socket, SOL_SOCKET, SO_PEERCRED);
  if (!peer) return std::unexpected{peer.error()};
  return Credentials{.pid = peer->pid, .uid = peer->uid, .gid = peer->gid};
}

Result<UniqueFd> peer_pidfd(FdRef socket) noexcept {
  if (kernel_features().peer_pidfd) {
    const auto pidfd = option<int>(socket, SOL_SOCKET, so_peerpidfd);
    if (!pidfd) return std::unexpected{pidfd.error()};
    return UniqueFd{adopt, *pidfd};
  }
  const auto peer = peer_credentials(socket);
  if (!peer) return std::unexpected{peer.error()};
  // 0: outside this pid namespace, or not connected.
  if (peer->pid <= 0) return failure(ESRCH);
  return open_pidfd(peer->pid);
}

Result<void> enable_sender_identity(FdRef socket) noexcept {
  const auto credentials = set_option(socket, SO_PASSCRED, 1);
  if (!credentials || !kernel_features().sender_pidfd) return credentials;
  return set_option(socket, so_passpidfd, 1);
}

bool refuse_descriptors(FdRef socket) noexcept {
  return kernel_features().descriptor_refusal && set_option(socket, so_passrights, 0).has_value();
}

void accept_descriptors(FdRef socket) noexcept {
  if (kernel_features().descriptor_refusal) (void)set_option(socket, so_passrights, 1);
}

}  // namespace baton::os
