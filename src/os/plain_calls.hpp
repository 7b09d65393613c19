// SPDX-License-Identifier: MIT
// baton: os/plain_calls.hpp: the kernel's own calls, for numbers that the library does not stand in for.
//
// Results and errno are the kernel's. Sending on a socket never raises SIGPIPE.
// Threads: any.
#pragma once

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace baton::os::plain {

inline int socket(int domain, int type, int protocol) noexcept { return ::socket(domain, type, protocol); }
inline int bind(int s, const void* name, socklen_t length) noexcept {
  return ::bind(s, static_cast<const sockaddr*>(name), length);
}
inline int listen(int s, int backlog) noexcept { return ::listen(s, backlog); }
inline int accept(int s, void* name, socklen_t* length) noexcept {
  return ::accept(s, static_cast<sockaddr*>(name), length);
}
inline int connect(int s, const void* name, socklen_t length) noexcept {
  return ::connect(s, static_cast<const sockaddr*>(name), length);
}
inline int getsockname(int s, void* name, socklen_t* length) noexcept {
  return ::getsockname(s, static_cast<sockaddr*>(name), length);
}
inline int getpeername(int s, void* name, socklen_t* length) noexcept {
  return ::getpeername(s, static_cast<sockaddr*>(name), length);
}
inline int getsockopt(int s, int level, int name, void* value, socklen_t* length) noexcept {
  return ::getsockopt(s, level, name, value, length);
}
inline int setsockopt(int s, int level, int name, const void* value, socklen_t length) noexcept {
  return ::setsockopt(s, level, name, value, length);
}
inline ssize_t sendto(int s, const void* octets, std::size_t length, int flags, const void* to,
                      socklen_t to_length) noexcept {
  return ::sendto(s, octets, length, flags | MSG_NOSIGNAL, static_cast<const sockaddr*>(to), to_length);
}
inline ssize_t recvfrom(int s, void* room, std::size_t length, int flags, void* from, socklen_t* from_length) noexcept {
  return ::recvfrom(s, room, length, flags, static_cast<sockaddr*>(from), from_length);
}
inline ssize_t sendmsg(int s, const msghdr* message, int flags) noexcept {
  return ::sendmsg(s, message, flags | MSG_NOSIGNAL);
}
inline ssize_t recvmsg(int s, msghdr* message, int flags) noexcept { return ::recvmsg(s, message, flags); }
inline ssize_t read(int s, void* room, std::size_t length) noexcept { return ::read(s, room, length); }
inline ssize_t readv(int s, const iovec* parts, int count) noexcept { return ::readv(s, parts, count); }
inline ssize_t write(int s, const void* octets, std::size_t length) noexcept {
  const ssize_t sent = ::send(s, octets, length, MSG_NOSIGNAL);
  return sent < 0 && errno == ENOTSOCK ? ::write(s, octets, length) : sent;
}
inline ssize_t writev(int s, const iovec* parts, int count) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  const ssize_t sent = ::sendmsg(s, &message, MSG_NOSIGNAL);
  return sent < 0 && errno == ENOTSOCK ? ::writev(s, parts, count) : sent;
}
inline int shutdown(int s, int how) noexcept { return ::shutdown(s, how); }
inline int close(int s) noexcept { return ::close(s); }
inline int ioctl(int s, unsigned long request, void* argument) noexcept { return ::ioctl(s, request, argument); }

}  // namespace baton::os::plain
