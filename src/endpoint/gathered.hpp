// SPDX-License-Identifier: MIT
// baton: endpoint/gathered.hpp: octets that lie in several places (readv(2), writev(2)).
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace baton::endpoint {

/// Octets of all parts together.
[[nodiscard]] inline std::size_t total(std::span<const iovec> parts) noexcept {
  std::size_t sum = 0;
  for (const iovec& part : parts) sum += part.iov_len;
  return sum;
}

/// `length` octets from `offset` on.
[[nodiscard]] inline std::vector<iovec> slice(std::span<const iovec> octets, std::size_t offset, std::size_t length) {
  std::vector<iovec> parts;
  for (const iovec& part : octets) {
    if (length == 0) break;
    if (offset >= part.iov_len) {
      offset -= part.iov_len;
      continue;
    }
    const std::size_t size = std::min(part.iov_len - offset, length);
    parts.push_back({static_cast<std::byte*>(part.iov_base) + offset, size});
    length -= size;
    offset = 0;
  }
  return parts;
}

}  // namespace baton::endpoint
