// SPDX-License-Identifier: MIT
#include "os/epoll.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace baton::os {
namespace {

Result<void> control(int set, int operation, FdRef member) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = member.get();
  if (::epoll_ctl(set, operation, member.get(), &event) != 0) return failure();
  return {};
}

}  // namespace

Result<UniqueFd> epoll_set() noexcept {
  UniqueFd set{adopt, ::epoll_create1(EPOLL_CLOEXEC)};
  if (!set.valid()) return failure();
  return set;
}

Result<void> epoll_add(FdRef set, FdRef member) noexcept { return control(set.get(), EPOLL_CTL_ADD, member); }

Result<void> epoll_remove(FdRef set, FdRef member) noexcept { return control(set.get(), EPOLL_CTL_DEL, member); }

bool epoll_has(int number, FdRef member) noexcept {
  // A modification that changes nothing: ENOENT, EBADF or EINVAL wherever it is not that set.
  return control(number, EPOLL_CTL_MOD, member).has_value();
}

std::size_t epoll_ready(FdRef set, std::span<int> ready) noexcept {
  std::array<epoll_event, 64> events;
  const auto most = static_cast<int>(std::min(ready.size(), events.size()));
  const int count = ::epoll_wait(set.get(), events.data(), most, 0);
  for (int i = 0; i < count; ++i) ready[static_cast<std::size_t>(i)] = events[static_cast<std::size_t>(i)].data.fd;
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

bool is_epoll_set(int number) noexcept {
  // Another set, which surely is no member: ENOENT only where `number` could have members at all.
  const auto other = epoll_set();
  if (!other) return false;
  const auto changed = control(number, EPOLL_CTL_MOD, other->ref());
  return !changed && os::number(changed.error()) == ENOENT;
}

Result<UniqueFd> accept_connection(FdRef listening) noexcept {
  UniqueFd connection{adopt, ::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  if (!connection.valid()) return failure();
  return connection;
}

}  // namespace baton::os
