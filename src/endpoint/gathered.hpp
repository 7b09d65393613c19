// SPDX-License-Identifier: MIT
// baton: endpoint/gathered.hpp: octets that lie in several places (readv(2), writev(2)).
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>

namespace baton::endpoint {

/// Octets of all parts together.
[[nodiscard]] inline std::size_t total(std::span<const iovec> parts) noexcept {
  std::size_t sum = 0;
  for (const iovec& part : parts) sum += part.iov_len;
  return sum;
}

}  // namespace baton::endpoint
