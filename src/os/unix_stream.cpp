// SPDX-License-Identifier: MIT
#include "os/unix_stream.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace baton::os {

Result<UniqueFd> unix_stream(bool nonblocking) noexcept {
  UniqueFd made{adopt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0)};
  if (!made.valid()) return failure();
  return made;
}

Address unix_address(std::string_view path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = std::min(path.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path, path.data(), size);
  const std::size_t whole = offsetof(sockaddr_un, sun_path) + size + 1;
  return {reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(whole)};
}

}  // namespace baton::os
