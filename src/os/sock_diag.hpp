// SPDX-License-Identifier: MIT
// baton: os/sock_diag.hpp: one TCP socket as sock_diag(7) sees it. Only tcp_position.cpp needs it.
//
// Threads: distinct objects are independent.
#pragma once

#include <linux/inet_diag.h>

#include <cstdint>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

struct DiagQueues {
  std::uint32_t receive = 0;  // octets not read, an unread FIN included
  std::uint32_t send = 0;     // octets not acknowledged, our FIN included
};

class SockDiag {
 public:
  /// For one connected TCP socket of this process. Errors: socket(2), getsockname(2), getpeername(2).
  static Result<SockDiag> open(FdRef socket) noexcept;

  /// ENOENT: not known in this network namespace, or no tcp_diag. EPROTO: an answer that makes no sense.
  Result<DiagQueues> queues() noexcept;

 private:
  SockDiag(UniqueFd netlink, const inet_diag_req_v2& request) noexcept
      : netlink_{static_cast<UniqueFd&&>(netlink)}, request_{request} {}

  UniqueFd netlink_;
  inet_diag_req_v2 request_;
};

}  // namespace baton::os
