// SPDX-License-Identifier: MIT
// baton: system/flood.hpp: a process that sends the same messages on a link again and again.
//
// It reads away what comes back, so that only the other side's reading holds it up. Threads: one.
#pragma once

#include <sys/types.h>

#include <vector>

#include "raw_peer.hpp"

namespace baton::system_tests {

class Flood {
 public:
  static constexpr unsigned long for_ever = ~0UL;

  /// Sends all of `messages` in order, `rounds` times, or until nobody reads the link any more. `descriptors` go along
  /// with each.
  Flood(const RawPeer& peer, const std::vector<std::vector<std::byte>>& messages, unsigned long rounds,
        const std::vector<int>& descriptors = {});
  /// Connects to a socket file and closes again, for ever.
  explicit Flood(const std::string& socket_path, uid_t user = 0);
  /// Ends it.
  ~Flood();
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  /// Whether it has sent everything; never waits longer than `milliseconds`.
  [[nodiscard]] bool finished(int milliseconds = 0);

 private:
  bool start();

  std::vector<pid_t> pids_;
};

}  // namespace baton::system_tests
