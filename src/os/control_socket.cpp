// SPDX-License-Identifier: MIT
#include "os/control_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
bool is_left_over(const RequestPlace& place) noexcept {
  const auto found = find_socket(place.folder.ref(), place.name.c_str());
  if (!found || found->owner != ::geteuid()) return false;
  const auto probe = stream_socket();
  if (!probe) return false;
  const auto connected = connect_to(probe->ref(), *found);
  return !connected && number(connected.error()) == ECONNREFUSED;
}

}  // namespace

Result<RequestPlace> request_place(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  RequestPlace place{UniqueFd{adopt, ::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)},
                     slash == std::string::npos ? path : path.substr(slash + 1)};
  if (!place.folder.valid()) return failure();
  return place;
}

bool is_same_place(const RequestPlace& one, const RequestPlace& other) noexcept {
  struct stat mine;
  struct stat theirs;
  return one.name == other.name && ::fstat(one.folder.get(), &mine) == 0 && ::fstat(other.folder.get(), &theirs) == 0 &&
         mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
}

Result<UniqueFd> listen_for_requests(const RequestPlace& place) noexcept {
  auto socket = stream_socket();
  if (!socket) return socket;
  const auto bind = [&] { return bind_at(socket->ref(), place.folder.ref(), place.name.c_str(), 0600); };
  auto bound = bind();
  if (!bound && number(bound.error()) == EADDRINUSE && is_left_over(place)) {
    if (::unlinkat(place.folder.get(), place.name.c_str(), 0) != 0) return failure();
    bound = bind();
  }
  if (!bound) return std::unexpected{bound.error()};
  if (auto listens = listen_on(socket->ref(), backlog); !listens) return std::unexpected{listens.error()};
  return socket;
}

Result<UniqueFd> listen_for_requests(const std::string& path) {
  const auto place = request_place(path);
  if (!place) return std::unexpected{place.error()};
  return listen_for_requests(*place);
}

void remove_left_over(const RequestPlace& place) noexcept {
  if (is_left_over(place)) (void)::unlinkat(place.folder.get(), place.name.c_str(), 0);
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
