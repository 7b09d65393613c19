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

bool hung_up(FdRef socket) noexcept {
  pollfd entry{socket.get(), 0, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0;
}

}  // namespace baton::os
