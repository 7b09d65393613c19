// SPDX-License-Identifier: MIT
#include "os/control_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "os/named_socket.hpp"
#include "os/socket.hpp"

namespace baton::os {
namespace {

constexpr int backlog = 16;

Result<UniqueFd> stream_socket() noexcept {
  UniqueFd socket{adopt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return failure();
  return socket;
}

/// Nobody listens at it, nor ever will.
bool is_left_over(FdRef folder, const char* name) noexcept {
  const auto found = find_socket(folder, name);
  if (!found || found->owner != ::geteuid()) return false;
  const auto probe = stream_socket();
  if (!probe) return false;
  const auto connected = connect_to(probe->ref(), *found);
  return !connected && number(connected.error()) == ECONNREFUSED;
}

}  // namespace

Result<UniqueFd> listen_for_requests(FdRef folder, const char* name) noexcept {
  auto socket = stream_socket();
  if (!socket) return socket;
  auto bound = bind_at(socket->ref(), folder, name, 0600);
  if (!bound && number(bound.error()) == EADDRINUSE && is_left_over(folder, name)) {
    if (::unlinkat(folder.get(), name, 0) != 0) return failure();
    bound = bind_at(socket->ref(), folder, name, 0600);
  }
  if (!bound) return std::unexpected{bound.error()};
  if (auto listens = listen_on(socket->ref(), backlog); !listens) return std::unexpected{listens.error()};
  return socket;
}

Result<UniqueFd> listen_for_requests(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const UniqueFd folder{adopt, ::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!folder.valid()) return failure();
  return listen_for_requests(folder.ref(), name.c_str());
}

Result<UniqueFd> accept_request(FdRef listening) noexcept {
  UniqueFd connection{adopt, ::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!connection.valid()) return failure();
  const auto peer = peer_credentials(connection.ref());
  if (!peer) return std::unexpected{peer.error()};
  if (peer->uid != 0 && peer->uid != ::geteuid()) return failure(EPERM);
  return connection;
}

}  // namespace baton::os
