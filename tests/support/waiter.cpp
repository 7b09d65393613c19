// SPDX-License-Identifier: MIT
#include "support/waiter.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include <algorithm>
#include <array>

#include "baton/soc.h"

namespace baton::test {

const char* name_of(Waits how) noexcept {
  switch (how) {
    case Waits::Blocking:
      return "Blocking";
    case Waits::Select:
      return "Select";
    case Waits::SocPoll:
      return "SocPoll";
    case Waits::Epoll:
      return "Epoll";
  }
  return "";
}

Waiter::Waiter(Waits how) : how_{how} {
  if (how_ == Waits::Epoll) set_ = UniqueFd{adopt, checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")};
}

void Waiter::prepare(int number) const {
  const int flags = checked(::fcntl(number, F_GETFL), "fcntl(F_GETFL)");
  const int wanted = nonblocking() ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  checked(::fcntl(number, F_SETFL, wanted), "fcntl(F_SETFL)");
}

bool Waiter::is_prepared(int number) const {
  return ((checked(::fcntl(number, F_GETFL), "fcntl(F_GETFL)") & O_NONBLOCK) != 0) == nonblocking();
}

void Waiter::wait(std::span<pollfd> entries) const {
  for (pollfd& entry : entries) entry.revents = 0;
  switch (how_) {
    case Waits::Blocking:
      fail("a blocking program does not wait");
    case Waits::Select:
      return select(entries);
    case Waits::SocPoll:
      checked(soc_poll(entries.data(), entries.size(), -1), "soc_poll");
      return;
    case Waits::Epoll:
      return epoll(entries);
  }
}

void Waiter::select(std::span<pollfd> entries) const {
  fd_set reading;
  fd_set writing;
  FD_ZERO(&reading);
  FD_ZERO(&writing);
  int highest = -1;
  for (const pollfd& entry : entries) {
    require(entry.fd < FD_SETSIZE, "a number that select can name");
    if ((entry.events & POLLIN) != 0) FD_SET(entry.fd, &reading);
    if ((entry.events & POLLOUT) != 0) FD_SET(entry.fd, &writing);
    highest = std::max(highest, entry.fd);
  }
  const int count = checked(soc_select(highest + 1, &reading, &writing, nullptr, nullptr), "soc_select");
  int found = 0;
  for (pollfd& entry : entries) {
    if (FD_ISSET(entry.fd, &reading)) entry.revents |= POLLIN;
    if (FD_ISSET(entry.fd, &writing)) entry.revents |= POLLOUT;
    found += (FD_ISSET(entry.fd, &reading) ? 1 : 0) + (FD_ISSET(entry.fd, &writing) ? 1 : 0);
  }
  require(count > 0 && count == found, "soc_select counts the bits that it leaves");
}

void Waiter::epoll(std::span<pollfd> entries) const {
  bool ready = false;
  for (pollfd& entry : entries) {
    if ((entry.events & POLLIN) == 0 || soc_pending(entry.fd) <= 0) continue;
    entry.revents = POLLIN;
    ready = true;
  }
  if (ready) return;
  for (const pollfd& entry : entries) {
    epoll_event event{};
    event.events = static_cast<std::uint32_t>(entry.events);
    event.data.fd = entry.fd;
    checked(::epoll_ctl(set_.get(), EPOLL_CTL_ADD, entry.fd, &event), "epoll_ctl(ADD)");
  }
  std::array<epoll_event, 8> events;
  const int count = checked(::epoll_wait(set_.get(), events.data(), events.size(), -1), "epoll_wait");
  for (const epoll_event& event : std::span{events}.first(static_cast<std::size_t>(count)))
    std::ranges::find(entries, event.data.fd, &pollfd::fd)->revents = static_cast<short>(event.events);
  for (const pollfd& entry : entries)
    checked(::epoll_ctl(set_.get(), EPOLL_CTL_DEL, entry.fd, nullptr), "epoll_ctl(DEL)");
}

}  // namespace baton::test
