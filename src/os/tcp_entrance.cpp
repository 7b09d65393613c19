// SPDX-License-Identifier: MIT
#include "os/tcp_entrance.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

namespace baton::os {

Result<UniqueFd> listen_for_others(const Address& at, int backlog, Families families) noexcept {
  UniqueFd socket{adopt, ::socket(at.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP)};
  if (!socket.valid()) return failure();
  const int on = 1;
  const int only_6 = families == Families::One ? 1 : 0;
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return failure();
  if (at.family() == AF_INET6 && ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_6, sizeof only_6) != 0)
    return failure();
  if (::bind(socket.get(), at.data(), at.size()) != 0 || ::listen(socket.get(), backlog) != 0) return failure();
  return socket;
}

Result<Accepted> accept_for_others(FdRef listener) noexcept {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  UniqueFd connection{adopt, ::accept4(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC)};
  if (!connection.valid()) return failure();
  return Accepted{std::move(connection), Address{reinterpret_cast<const sockaddr*>(&peer), size}};
}

Result<void> set_low_mark(FdRef connection, std::size_t octets) noexcept {
  const int mark = static_cast<int>(std::min<std::size_t>(octets, INT_MAX));
  if (::setsockopt(connection.get(), SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) != 0) return failure();
  return {};
}

bool input_has_ended(FdRef connection) noexcept {
  pollfd entry{connection.get(), POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

Result<void> watch_input(FdRef set, FdRef member, std::uint64_t key) noexcept {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = key;
  if (::epoll_ctl(set.get(), EPOLL_CTL_ADD, member.get(), &event) != 0) return failure();
  return {};
}

std::size_t keys_with_input(FdRef set, std::span<std::uint64_t> keys) noexcept {
  std::array<epoll_event, 256> events;
  const int room = static_cast<int>(std::min(events.size(), keys.size()));
  const int count = ::epoll_wait(set.get(), events.data(), room, 0);
  for (int i = 0; i < count; ++i) keys[static_cast<std::size_t>(i)] = events[static_cast<std::size_t>(i)].data.u64;
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

}  // namespace baton::os
