// SPDX-License-Identifier: MIT
// baton: os/socket.hpp: what a socket is, its settings, and new descriptors. One call, one function.
//
// Functions that answer yes or no say no where the kernel does not answer; the others give its error.
// SO_ERROR is read nowhere: reading clears it, and it belongs to whoever owns the end point.
// Threads: any.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "os/process.hpp"
#include "os/result.hpp"

namespace baton::os {

// --- What it is ---------------------------------------------------------------------------------------------------

/// SO_COOKIE: the kernel's name for the socket, never used again while the host runs. ENOTSOCK for other files.
[[nodiscard]] Result<std::uint64_t> cookie(FdRef socket) noexcept;

struct SocketKind {
  int domain = 0;    // AF_INET, AF_INET6, AF_UNIX ...
  int type = 0;      // SOCK_STREAM ...
  int protocol = 0;  // IPPROTO_TCP ...; 0 for AF_UNIX
  friend constexpr bool operator==(const SocketKind&, const SocketKind&) noexcept = default;
};
[[nodiscard]] Result<SocketKind> kind(FdRef socket) noexcept;

/// A TCP socket of that family; MPTCP is none.
[[nodiscard]] bool is_tcp(FdRef socket, int domain) noexcept;
/// AF_INET or AF_INET6 of a TCP socket; AF_UNSPEC of anything else.
[[nodiscard]] int tcp_domain(FdRef socket) noexcept;
[[nodiscard]] bool is_listening(FdRef socket) noexcept;
/// TCP_ULP is set: the kernel changes the stream on its way (kTLS).
[[nodiscard]] bool has_upper_layer_protocol(FdRef socket) noexcept;
[[nodiscard]] bool is_mptcp(FdRef socket) noexcept;

// --- Addresses ----------------------------------------------------------------------------------------------------

/// A socket address of any family.
class Address {
 public:
  Address() noexcept = default;
  /// Copies `size` octets, at most sizeof(sockaddr_storage).
  Address(const sockaddr* address, socklen_t size) noexcept;

  [[nodiscard]] sa_family_t family() const noexcept {
    return size_ < sizeof(sa_family_t) ? sa_family_t{} : storage_.ss_family;
  }
  [[nodiscard]] const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t size() const noexcept { return size_; }
  [[nodiscard]] Bytes bytes() const noexcept { return std::as_bytes(std::span{&storage_, 1}).first(size_); }
  /// Port of AF_INET and AF_INET6 in host order, else 0.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// The same octets.
  friend bool operator==(const Address& a, const Address& b) noexcept;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

[[nodiscard]] Result<Address> local_address(FdRef socket) noexcept;
/// An IP address and port, where `host` is the address in text or empty, which is any.
[[nodiscard]] bool is_address(const Address& address, const std::string& host, std::uint16_t port) noexcept;
/// ENOTCONN: there is no other side, or no longer.
[[nodiscard]] Result<Address> peer_address(FdRef socket) noexcept;

/// The interface that the socket is bound to (SO_BINDTODEVICE, or a link-local address), 0 if none.
[[nodiscard]] unsigned bound_interface(FdRef socket) noexcept;
/// The interface that carries the local address of a TCP socket (if_nametoindex(3)): the one it is bound to, else the
/// one of a link-local address, else the one that has the address; 0 if none. Walks all interfaces of this process'
/// network namespace, at most once a second for the same address.
[[nodiscard]] unsigned interface_index_of_local_address(FdRef socket) noexcept;

// --- Settings -----------------------------------------------------------------------------------------------------

struct DescriptorFlags {
  bool nonblocking = false;    // of the open file: shared by all its holders
  bool close_on_exec = false;  // of the number
};
[[nodiscard]] Result<DescriptorFlags> descriptor_flags(FdRef descriptor) noexcept;
/// O_NONBLOCK of the open file; false where there is none.
[[nodiscard]] bool is_nonblocking(FdRef descriptor) noexcept;
Result<void> set_nonblocking(FdRef descriptor, bool on) noexcept;
Result<void> set_close_on_exec(FdRef descriptor, bool on) noexcept;

/// SO_RCVBUF and SO_SNDBUF as the kernel counts: octets, twice what was set (socket(7)).
[[nodiscard]] Result<std::size_t> receive_buffer(FdRef socket) noexcept;
[[nodiscard]] Result<std::size_t> send_buffer(FdRef socket) noexcept;

// --- Numbers ------------------------------------------------------------------------------------------------------

/// A duplicate at 3 or above, close-on-exec: never in the place of standard input, output or error.
[[nodiscard]] Result<UniqueFd> duplicate(FdRef descriptor) noexcept;
/// The same at `at_least` or above; at any free number from 3 where the limit is lower or the numbers above are taken.
[[nodiscard]] Result<UniqueFd> duplicate_high(FdRef descriptor, int at_least) noexcept;
/// dup3(2): `number` names `source`'s open file from now on, with nothing in between; what it named before is closed.
/// EINVAL: it is `source`'s own number.
Result<void> replace(FdRef source, int number, bool close_on_exec) noexcept;

// --- Local sockets ------------------------------------------------------------------------------------------------

/// An AF_UNIX SOCK_SEQPACKET socket, close-on-exec.
[[nodiscard]] Result<UniqueFd> unix_seqpacket(bool nonblocking) noexcept;
/// Two connected ones, blocking, close-on-exec.
[[nodiscard]] Result<std::pair<UniqueFd, UniqueFd>> seqpacket_pair() noexcept;
/// What stands in for an end point: an unconnected AF_UNIX datagram socket, whose reads wait and whose writes fail.
[[nodiscard]] Result<UniqueFd> parked_socket(bool nonblocking, bool close_on_exec) noexcept;

/// How long a close waits for unsent octets (SO_LINGER, seconds); 0: it does not wait.
[[nodiscard]] int linger_time(FdRef socket) noexcept;
/// 0: a close does not wait. close(2) waits even where the socket is non-blocking, so what a stranger has sent is never
/// closed with its own setting. The setting is the open file's: all its holders have it.
void set_linger_time(FdRef socket, int seconds) noexcept;
/// Switches off that the descriptor raises signals (O_ASYNC, fcntl(2)): whom they go to its former owner has said.
void stop_signals(FdRef descriptor) noexcept;

/// SO_PEERCRED: who listened, connected or made the pair, at that time.
[[nodiscard]] Result<Credentials> peer_credentials(FdRef socket) noexcept;
/// A pidfd of that process: SO_PEERPIDFD, else pidfd_open of the pid, which by then may be a stranger's.
/// ESRCH: gone, or outside this pid namespace.
[[nodiscard]] Result<UniqueFd> peer_pidfd(FdRef socket) noexcept;

/// From now on the kernel stamps who sends on each message received here: credentials, and a pidfd where it can.
/// An unbound socket gets an abstract name when it next connects or sends (autobind, unix(7)).
Result<void> enable_sender_identity(FdRef socket) noexcept;
/// From now on the sender of descriptors to this socket gets EPERM. False: the kernel cannot; they still arrive.
[[nodiscard]] bool refuse_descriptors(FdRef socket) noexcept;
/// Descriptors arrive again.
void accept_descriptors(FdRef socket) noexcept;

}  // namespace baton::os
