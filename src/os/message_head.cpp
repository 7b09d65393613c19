// SPDX-License-Identifier: MIT
#include "os/message_head.hpp"

#include <sys/socket.h>

namespace baton::os {
namespace {

Result<std::size_t> receive(FdRef socket, MutableBytes head, int flags) noexcept {
  iovec part{head.data(), head.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t size = ::recvmsg(socket.get(), &message, flags | MSG_DONTWAIT);
  if (size < 0) return failure();
  return static_cast<std::size_t>(size);
}

}  // namespace

Result<std::size_t> peek_head(FdRef socket, MutableBytes head) noexcept { return receive(socket, head, MSG_PEEK); }

Result<void> drop_message(FdRef socket) noexcept {
  std::byte unread;
  const auto dropped = receive(socket, {&unread, 1}, 0);
  if (!dropped) return std::unexpected{dropped.error()};
  return {};
}

}  // namespace baton::os
