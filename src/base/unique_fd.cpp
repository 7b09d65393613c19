// SPDX-License-Identifier: MIT
#include "base/unique_fd.hpp"

#include <unistd.h>

#include <cerrno>

namespace baton {

void UniqueFd::reset() noexcept {
  if (number_ < 0) return;
  const int saved = errno;
  // close(2): on Linux the number is free even when close reports EINTR or EIO; never close twice.
  ::close(std::exchange(number_, -1));
  errno = saved;
}

}  // namespace baton
