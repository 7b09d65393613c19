// SPDX-License-Identifier: MIT
// baton: link/registry.hpp: TSAP names of this host, and connections to them.
//
// The name of a TSAP is `tsap/<TSEL in hex>` in the runtime folder (os/runtime_folder.hpp): an AF_UNIX SEQPACKET
// socket; beside it `<hex>.lock`, whose exclusive flock(2) says who has the name.
//
//            claim                  listen                 ~BoundName
//   free ------------> claimed ----------------> listening ----------> free
//                          \------------------------------------------/
//
// Invariant: whoever holds the lock of the file that is at the lock's path has the name; so a socket found there by
// the holder is a leftover. The lock dies with the last process that inherited it, so kill -9 frees a name.
// Threads: distinct objects are independent; the environment is read at each call.
#pragma once

#include <sys/types.h>

#include "base/unique_fd.hpp"
#include "link/admission.hpp"
#include "os/result.hpp"
#include "tsap/selector.hpp"

namespace baton::link {

/// A name that this process has. Given back on destruction (socket, then lock file, under the lock), but only by the
/// process that claimed it: in a forked child the destructor merely closes.
class BoundName {
 public:
  BoundName(BoundName&&) noexcept = default;
  BoundName& operator=(BoundName&& other) noexcept;
  BoundName(const BoundName&) = delete;
  BoundName& operator=(const BoundName&) = delete;
  ~BoundName() { give_back(); }

  [[nodiscard]] const tsap::Selector& selector() const noexcept { return selector_; }

  /// A listening socket at the name: non-blocking, close-on-exec. A second call replaces the first one's socket.
  /// Errors: EADDRINUSE something is at the path that cannot be removed; those of socket(2), bind(2), listen(2).
  [[nodiscard]] os::Result<UniqueFd> listen(int backlog, mode_t mode = listening_mode());

 private:
  friend os::Result<BoundName> claim(const tsap::Selector& selector);
  BoundName(const tsap::Selector& selector, UniqueFd folder, UniqueFd lock) noexcept;
  [[nodiscard]] static os::Result<BoundName> take(const tsap::Selector& selector);
  void give_back() noexcept;

  tsap::Selector selector_;
  UniqueFd folder_;
  UniqueFd lock_;
  pid_t claimer_;
};

/// Claims a name for this process. An empty selector takes a free generated one, "~<pid>.<number>".
/// Errors: EADDRINUSE taken, or a foreign user's file stands at the name; those of os::open_for_bind("tsap").
[[nodiscard]] os::Result<BoundName> claim(const tsap::Selector& selector);

/// Connects to a name, looking into every folder of the search. Never waits: EAGAIN means that the listener's backlog
/// is full, also where `nonblocking` (the mode of the socket returned) is false. The socket is close-on-exec.
/// Errors: ECONNREFUSED no such name, or nobody listens; EACCES the name is there but its user is not admitted;
/// EAGAIN; those of socket(2). A message should name os::described_search().
[[nodiscard]] os::Result<UniqueFd> connect_to(const tsap::Selector& selector, bool nonblocking);

}  // namespace baton::link
