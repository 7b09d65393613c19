// SPDX-License-Identifier: MIT
// baton: os/ancillary.hpp: messages with descriptors (unix(7), SCM_RIGHTS): the only place that receives ancillary
// data.
//
// Invariant: every descriptor that the kernel installs is owned by a UniqueFd before anything is judged, so that no
// error and no truncation leaks one. All of them are close-on-exec.
// Threads: distinct sockets and distinct Received objects are independent.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "os/process.hpp"
#include "os/result.hpp"

namespace baton::os {

/// The most descriptors in one message (SCM_MAX_FD of the kernel).
inline constexpr std::size_t max_descriptors_per_message = 253;

struct Received {
  Received() noexcept = default;
  Received(const Received&) = delete;
  Received& operator=(const Received&) = delete;
  ~Received() { discard_descriptors(); }
  /// Closes them without waiting: a socket's SO_LINGER, which its sender chose, is switched off first.
  void discard_descriptors() noexcept;

  std::size_t size = 0;            // octets in the caller's buffer
  bool data_truncated = false;     // the message was longer than the buffer; the rest is lost
  bool control_truncated = false;  // descriptors were lost, most often because the table of this process is full
  bool end = false;                // a read of 0: the other side is gone
  std::vector<UniqueFd> descriptors;
  std::optional<Credentials> sender;  // after enable_sender_identity(); pid 0: sent before that, or another namespace
  UniqueFd sender_pidfd;              // the same, where the kernel has SO_PASSPIDFD and a number was free
};

struct ReceiveFlags {
  bool peek = false;       // the message stays; its descriptors are duplicates, once more at every peek
  bool dont_wait = false;  // EAGAIN instead of waiting, whatever the socket's mode
};

struct SendFlags {
  bool dont_wait = false;
};

/// Receives one message. `buffer` is not empty. `out` is emptied first, which closes what it still owned; reuse one
/// object, so that its vector keeps its room. On failure `out` is empty.
/// Errors: recvmsg(2), EINTR and EAGAIN among them. ECONNRESET is only a hint: read on until `end`.
Result<void> receive_message(FdRef socket, MutableBytes buffer, Received& out, ReceiveFlags flags = {}) noexcept;

/// Sends one message with up to 253 descriptors, which stay the caller's. Never raises SIGPIPE. Gives the octets sent.
/// EINVAL: no octets at all (an empty message looks like the end, or loses its descriptors), or too many descriptors.
/// ETOOMANYREFS: too many descriptors of this user are under way: try later. EPERM: the other side takes none.
/// Others: sendmsg(2).
Result<std::size_t> send_message(FdRef socket, std::span<const iovec> octets, std::span<const int> descriptors,
                                 SendFlags flags = {}) noexcept;

}  // namespace baton::os
