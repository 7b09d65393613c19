// SPDX-License-Identifier: MIT
#include "os/tcp_abort.hpp"

#include <sys/socket.h>

namespace baton::os {

void abort_connection(FdRef socket) noexcept {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  [[maybe_unused]] const int outcome = ::connect(socket.get(), &nobody, sizeof nobody);
}

}  // namespace baton::os
