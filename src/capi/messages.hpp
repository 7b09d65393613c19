// SPDX-License-Identifier: MIT
// baton: capi/messages.hpp: sendmsg and recvmsg with a control area on an AF_ISO socket.
//
// The area is a struct cmsg_redhdr (a step of a handoff) or a struct cmsghdr (connection, confirm or disconnect data).
// They are told apart by their second word: in the first it is SOL_TRANSPORT, in the second the upper half of a length,
// which is 0. Nothing: the call has no control area, or the number is not an AF_ISO socket: the caller goes on.
// Threads: any.
#pragma once

#include <sys/socket.h>

#include <optional>

#include "baton/soc.h"
#include "capi/resolve.hpp"

namespace baton::capi {

std::optional<ssize_t> send_control(int s, const msghdr& message, int flags);
std::optional<ssize_t> receive_control(int s, msghdr& message, int flags);

/// A redirect header of exactly the right length, level and type; else nullptr.
[[nodiscard]] cmsg_redhdr* redirect_header(void* area, std::size_t length, int type) noexcept;

// The steps of a handoff (handoff.cpp). Each gives what the C call gives.
ssize_t send_offer(int s, const LinkAt& at, const msghdr& message, cmsg_redhdr& header);
ssize_t send_answer(int s, const LinkAt& at, const msghdr& message, cmsg_redhdr& header);
ssize_t receive_offer(int s, const LinkAt& at, msghdr& message, cmsg_redhdr& header, int flags);
ssize_t receive_answer(int s, const LinkAt& at, cmsg_redhdr& header, int flags);
int send_call(int s, const cmsg_redhdr& header);
int receive_call(int s, cmsg_redhdr& header);
int describe_link(int s, cmsg_redhdr& header);

}  // namespace baton::capi
