// SPDX-License-Identifier: MIT
#include "os/local_queue.hpp"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace baton::os {

Result<std::size_t> queued_octets(FdRef socket) noexcept {
  int octets = 0;
  if (::ioctl(socket.get(), SIOCOUTQ, &octets) != 0) return failure();
  return static_cast<std::size_t>(octets);
}

void refuse_messages(FdRef socket) noexcept { ::shutdown(socket.get(), SHUT_RD); }

namespace {
bool shows(FdRef socket, short asked, short wanted) noexcept {
  pollfd entry{socket.get(), asked, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & wanted) != 0;
}
}  // namespace

bool hung_up(FdRef socket) noexcept { return shows(socket, 0, POLLHUP); }

bool is_shut_down(FdRef socket) noexcept { return shows(socket, POLLRDHUP, POLLRDHUP); }

}  // namespace baton::os
