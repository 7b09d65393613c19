// SPDX-License-Identifier: MIT
// baton: interop/capture.hpp: every packet of the loopback interface in a file (tcpdump), and Wireshark's view of it.
//
// For a process alone in its network namespace (in_namespace.sh). Fails with a report where tcpdump or tshark cannot
// do their work. Threads: one, and none may be running: it forks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "support/process.hpp"

namespace baton::interop {

class Capture {
 public:
  /// Returns when packets are being captured.
  Capture();
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// Ends it; every packet sent before is in the file.
  void end();
  /// What tshark prints of packets that `filter` selects, line by line: the values of `fields`, or nothing else than
  /// its usual line. `port` is taken for RFC 1006's.
  [[nodiscard]] std::vector<std::string> lines(std::uint16_t port, std::string_view filter,
                                               const std::vector<std::string>& fields = {}) const;

 private:
  [[nodiscard]] std::string file() const { return folder_ + "/loopback.pcap"; }

  std::string folder_;
  UniqueFd report_;  // what tcpdump says
  std::vector<test::Child> tcpdump_;
};

/// Everything that Wireshark finds wrong with RFC 1006, X.224 or S7 in it, or with TCP itself; empty where all is well.
[[nodiscard]] std::string complaints(const Capture& capture, std::uint16_t port);

/// What S7 clients and servers have said to each other.
struct Conversations {
  unsigned connections = 0;  // TCP
  unsigned requests = 0;
  unsigned answers = 0;  // in the order of the requests, to each of them one
  unsigned unanswered = 0;
};
[[nodiscard]] Conversations conversations(const Capture& capture, std::uint16_t port);

}  // namespace baton::interop
