// SPDX-License-Identifier: MIT
// baton: os/tcp_abort.hpp: ends a TCP connection at once.
#pragma once

#include "base/unique_fd.hpp"

namespace baton::os {

/// The client sees a reset now, whoever else holds a duplicate: connect(2) to AF_UNSPEC dissolves the connection.
void abort_connection(FdRef socket) noexcept;

}  // namespace baton::os
