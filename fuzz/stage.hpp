// SPDX-License-Identifier: MIT
// baton: fuzz/stage.hpp: what the fuzzers of the whole library stand on: a runtime folder, links, end points, other
// files, and the count of descriptors.
//
// Both ends of every link are this process, so no peer ever dies: what is in doubt at the end is abandoned.
// Invariant: after each input as many descriptors are open as before. Threads: one, and the library's outcome reader.
#pragma once

#include <poll.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "baton/soc.h"
#include "fuzz/input.hpp"

namespace baton::fuzz {

/// A TCP connection over loopback, non-blocking.
struct TcpPair {
  UniqueFd client;
  UniqueFd server;
};
[[nodiscard]] TcpPair connect_tcp();

/// soc_poll_ms() without waiting; libFuzzer's alarm may interrupt it.
void look_at(std::span<pollfd> entries);

/// Kinds of files that a peer may send instead of what it should: TCP in several states, pipes, other sockets ...
inline constexpr std::size_t kinds_of_files = 12;
/// Of the kind `choice % kinds_of_files`; 0 is a connected TCP socket.
[[nodiscard]] UniqueFd some_file(std::uint8_t choice);

/// Made once: BATON_RUNTIME_DIR is set to a new folder, a socket listens at TSEL "fuzz". The folder goes at exit.
class Stage {
 public:
  [[nodiscard]] static Stage& the();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  /// The number of the listening socket, non-blocking.
  [[nodiscard]] int listening() const noexcept { return listening_; }
  /// The bare AF_UNIX socket of a peer that has connected and sent its CR; the program's end is confirmed.
  struct RawLink {
    UniqueFd peer;
    int number = -1;
  };
  [[nodiscard]] RawLink open_raw_link() const;
  /// A bare AF_UNIX socket, non-blocking, of a peer that has connected to the name and has said nothing.
  [[nodiscard]] UniqueFd connect_raw() const;
  /// A CR, as a peer sends it: to a name of this host, or over TCP, where it calls the TSAP.
  [[nodiscard]] std::vector<std::byte> connect_request(bool over_tcp) const;
  /// Both ends the library's, non-blocking.
  struct Link {
    int active = -1;
    int passive = -1;
  };
  [[nodiscard]] Link open_link() const;

  /// Takes what waits at the listening socket, and closes it.
  void refuse_all() const;
  /// Abandons what is in doubt on these links, closes them and the program's other numbers; then counts. Where
  /// something may be on its way to the listening socket still, it is waited for.
  void clear(const std::vector<int>& links, const std::vector<int>& others);

 private:
  Stage();
  [[nodiscard]] int accept() const;

  int listening_ = -1;
  std::size_t standing_ = 0;  // descriptors that are open for good; 0: not yet counted
};

[[nodiscard]] sockaddr_iso iso_address(const char* tsel);

}  // namespace baton::fuzz
