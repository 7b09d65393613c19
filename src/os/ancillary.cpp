// SPDX-License-Identifier: MIT
#include "os/ancillary.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/check.hpp"
#include "os/kernel.hpp"
#include "os/socket.hpp"

namespace baton::os {
namespace {

constexpr std::size_t descriptors_room = CMSG_SPACE(max_descriptors_per_message * sizeof(int));
constexpr std::size_t control_room = descriptors_room + CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int));

/// The payload of a control message, which the kernel aligns for size_t only.
Bytes payload(cmsghdr* control) noexcept {
  return {reinterpret_cast<const std::byte*>(CMSG_DATA(control)), control->cmsg_len - CMSG_LEN(0)};
}

template <class T>
T value_at(Bytes octets, std::size_t offset) noexcept {
  T value;
  std::memcpy(&value, octets.data() + offset, sizeof value);
  return value;
}

void take_descriptors(Bytes octets, std::vector<UniqueFd>& descriptors) noexcept {
  const std::size_t count = octets.size() / sizeof(int);
  descriptors.reserve(descriptors.size() + count);
  for (std::size_t i = 0; i < count; ++i) descriptors.emplace_back(adopt, value_at<int>(octets, i * sizeof(int)));
}

void take_control(cmsghdr* control, Received& out) noexcept {
  const Bytes octets = payload(control);
  if (control->cmsg_level != SOL_SOCKET) return;
  if (control->cmsg_type == SCM_RIGHTS) {
    take_descriptors(octets, out.descriptors);
  } else if (control->cmsg_type == SCM_CREDENTIALS && octets.size() >= sizeof(ucred)) {
    const auto sender = value_at<ucred>(octets, 0);
    out.sender = Credentials{.pid = sender.pid, .uid = sender.uid, .gid = sender.gid};
  } else if (control->cmsg_type == scm_pidfd && octets.size() >= sizeof(int)) {
    // Below zero the kernel says why there is none: the sender is gone, or the table of this process is full.
    const int number = value_at<int>(octets, 0);
    if (number >= 0) out.sender_pidfd = UniqueFd{adopt, number};
  }
}

void empty(Received& out) noexcept {
  out.size = 0;
  out.data_truncated = false;
  out.control_truncated = false;
  out.end = false;
  out.discard_descriptors();
  out.sender.reset();
  out.sender_pidfd.reset();
}

}  // namespace

void Received::discard_descriptors() noexcept {
  for (const UniqueFd& each : descriptors)
    if (each.valid() && linger_time(each.ref()) > 0) set_linger_time(each.ref(), 0);
  descriptors.clear();
}

Result<void> receive_message(FdRef socket, MutableBytes buffer, Received& out, ReceiveFlags flags) noexcept {
  BATON_CHECK(!buffer.empty());
  empty(out);
  alignas(cmsghdr) std::byte control[control_room];
  iovec octets{.iov_base = buffer.data(), .iov_len = buffer.size()};
  msghdr message{};
  message.msg_iov = &octets;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const int how = MSG_CMSG_CLOEXEC | (flags.peek ? MSG_PEEK : 0) | (flags.dont_wait ? MSG_DONTWAIT : 0);
  const ssize_t size = recvmsg(socket.get(), &message, how);
  if (size < 0) return failure();
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each))
    take_control(each, out);
  out.size = static_cast<std::size_t>(size);
  out.data_truncated = (message.msg_flags & MSG_TRUNC) != 0;
  out.control_truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  out.end = size == 0;
  return {};
}

Result<std::size_t> send_message(FdRef socket, std::span<const iovec> octets, std::span<const int> descriptors,
                                 SendFlags flags) noexcept {
  if (descriptors.size() > max_descriptors_per_message) return failure(EINVAL);
  if (std::ranges::all_of(octets, [](const iovec& part) { return part.iov_len == 0; })) return failure(EINVAL);
  alignas(cmsghdr) std::byte control[descriptors_room];
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(octets.data());  // sendmsg(2) does not write to it
  message.msg_iovlen = octets.size();
  if (!descriptors.empty()) {
    const cmsghdr header{
        .cmsg_len = CMSG_LEN(descriptors.size_bytes()), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    std::memcpy(control, &header, sizeof header);
    std::memcpy(control + CMSG_LEN(0), descriptors.data(), descriptors.size_bytes());
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    // The padding behind an odd number of descriptors travels nowhere, but the kernel reads it.
    std::memset(control + header.cmsg_len, 0, message.msg_controllen - header.cmsg_len);
  }
  const ssize_t sent = sendmsg(socket.get(), &message, MSG_NOSIGNAL | (flags.dont_wait ? MSG_DONTWAIT : 0));
  if (sent < 0) return failure();
  return static_cast<std::size_t>(sent);
}

}  // namespace baton::os
