// SPDX-License-Identifier: MIT
#include "os/local_queue.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace baton::os {

Result<std::size_t> queued_octets(FdRef socket) noexcept {
  int octets = 0;
  if (::ioctl(socket.get(), SIOCOUTQ, &octets) != 0) return failure();
  return static_cast<std::size_t>(octets);
}

void refuse_messages(FdRef socket) noexcept { ::shutdown(socket.get(), SHUT_RD); }

}  // namespace baton::os
