// SPDX-License-Identifier: MIT
// baton: os/named_socket.hpp: AF_UNIX sockets by folder and name, whatever the length of the folder's path.
//
// A folder is a directory descriptor (O_PATH will do); a name is one path component, NUL-terminated, at most 80
// characters. The kernel gets "/proc/self/fd/<number>/<name>", so /proc must be mounted.
// Invariant: a socket is looked up without following symbolic links and then reached by its own inode: what was
// checked is what is connected to.
// Threads: any; async-signal-safe. Names and errors: unix(7).
#pragma once

#include <sys/types.h>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// Binds to the name; the file has exactly `mode`, and never a wider one on the way. EADDRINUSE: the name exists.
Result<void> bind_at(FdRef socket, FdRef folder, const char* name, mode_t mode) noexcept;

/// listen(2).
Result<void> listen_on(FdRef socket, int backlog) noexcept;

/// A socket file that was found, pinned by an O_PATH descriptor, and its owner.
struct FoundSocket {
  UniqueFd file;
  uid_t owner;
};
/// ENOENT: no such name; ENOTSOCK: something else is there, a symbolic link included.
[[nodiscard]] Result<FoundSocket> find_socket(FdRef folder, const char* name) noexcept;

/// connect(2) to a found file. ECONNREFUSED: nobody has the socket, or one of another type; EACCES: it is not ours to
/// write to; EAGAIN: the backlog is full.
Result<void> connect_to(FdRef socket, const FoundSocket& target) noexcept;

/// Sends one datagram of one octet without waiting. Errors as above; EAGAIN: the queue is full.
Result<void> send_octet_to(FdRef socket, const FoundSocket& target) noexcept;

/// The same over a connected socket.
Result<void> send_octet(FdRef socket) noexcept;

/// For descriptors that the program does not know of, which must not sit in the place of standard input, output or
/// error: the same, or a duplicate at 3 or above.
[[nodiscard]] Result<UniqueFd> above_standard(UniqueFd descriptor) noexcept;

}  // namespace baton::os
