// SPDX-License-Identifier: MIT
// baton: system/raw_peer.hpp: a peer at the other end of a link that says whatever the test wants it to.
//
// Lives in the test's process and uses the kernel's calls alone. Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"

namespace baton::system_tests {

class RawPeer {
 public:
  /// Connects to the socket of a TSEL in a runtime folder, and sends nothing.
  RawPeer(const std::string& folder, std::string_view tsel);
  /// Sends a CR; the CC can be read after the server has confirmed.
  void request();
  /// Sends one message; with `descriptor`, that travels along.
  bool send(Bytes message, int descriptor = -1) const;
  bool send(const std::vector<std::byte>& message, int descriptor = -1) const {
    return send(Bytes{message}, descriptor);
  }
  /// The next message; empty at the end of the link or after 20 s.
  [[nodiscard]] std::vector<std::byte> receive() const;
  /// Messages until one is a frame of this type; empty at the end.
  [[nodiscard]] std::vector<std::byte> receive_frame(std::uint8_t type) const;
  [[nodiscard]] bool connected() const { return connected_; }

 private:
  UniqueFd socket_;
  bool connected_ = false;
};

/// Whole frames, as the library writes them.
std::vector<std::byte> hello_frame(std::uint8_t lowest = 1, std::uint8_t highest = 1);
std::vector<std::byte> offer_frame(std::uint64_t move);
std::vector<std::byte> answer_frame(std::uint64_t move);
std::vector<std::byte> call_frame(std::uint64_t move, bool express, std::size_t count = 1);
std::vector<std::byte> taken_frame(std::uint64_t move);
std::vector<std::byte> cancel_frame(std::uint64_t move);
std::vector<std::byte> cancelled_frame(std::uint64_t move);
std::vector<std::byte> credit_frame(std::uint32_t more);

}  // namespace baton::system_tests
