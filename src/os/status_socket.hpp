// SPDX-License-Identifier: MIT
// baton: os/status_socket.hpp: answers whoever asks how this process is: status/<pid> in the runtime folder.
//
// An AF_UNIX stream socket, 0600: connect, read one document up to the end of file. No question is read.
// Invariant: the name is removed by the process that made it.
// Threads: one object, one thread at a time; answer() needs only the descriptor.
#pragma once

#include <sys/types.h>

#include <string_view>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

class StatusSocket {
 public:
  StatusSocket() noexcept = default;
  StatusSocket(const StatusSocket&) = delete;
  StatusSocket& operator=(const StatusSocket&) = delete;
  ~StatusSocket() { close(); }

  /// Errors: those of open_for_bind("status"), socket(2), bind(2).
  Result<void> open();
  void close() noexcept;
  /// Invalid while closed.
  [[nodiscard]] FdRef descriptor() const noexcept { return listening_.ref(); }

  /// Answers those who wait now, at most a full backlog, without waiting for any of them. False: somebody waits on, and
  /// there is no descriptor for the answer.
  static bool answer(FdRef listening, std::string_view document) noexcept;

 private:
  UniqueFd folder_;
  UniqueFd listening_;
  pid_t owner_ = 0;
};

}  // namespace baton::os
