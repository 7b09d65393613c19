// SPDX-License-Identifier: MIT
// baton: system/raw_peer.hpp: a peer at the other end of a link that says whatever the test wants it to.
//
// Lives in the test's process and uses the kernel's calls alone. Threads: one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "handoff/frames.hpp"

namespace baton::system_tests {

class RawPeer {
 public:
  /// Connects to the socket of a TSEL in a runtime folder, and sends nothing.
  RawPeer(const std::string& folder, std::string_view tsel);
  /// Goes on with a connected socket.
  explicit RawPeer(UniqueFd socket) : socket_{std::move(socket)}, connected_{true} {}
  /// Sends a CR; the CC can be read after the server has confirmed.
  void request();
  /// Sends one message; with `descriptor`, that travels along.
  bool send(Bytes message, int descriptor = -1) const;
  bool send(const std::vector<std::byte>& message, int descriptor = -1) const {
    return send(Bytes{message}, descriptor);
  }
  /// The same with any number of descriptors, up to 253.
  bool send_with(Bytes message, std::span<const int> descriptors, int flags = 0) const;
  [[nodiscard]] int number() const { return socket_.get(); }
  /// The next message; empty at the end of the link or after 20 s.
  [[nodiscard]] std::vector<std::byte> receive() const;
  /// The same, with the one descriptor that came along, if any.
  [[nodiscard]] std::vector<std::byte> receive(UniqueFd& descriptor) const;
  /// Messages until one is a frame of this type; empty at the end.
  [[nodiscard]] std::vector<std::byte> receive_frame(std::uint8_t type) const;
  [[nodiscard]] bool connected() const { return connected_; }

 private:
  UniqueFd socket_;
  bool connected_ = false;
};

/// A server that is no library: has the name of a TSEL in a runtime folder and confirms who connects.
class RawListener {
 public:
  RawListener(const std::string& folder, std::string_view tsel);
  /// The next connection, confirmed.
  [[nodiscard]] RawPeer accept() const;
  [[nodiscard]] int number() const { return socket_.get(); }

 private:
  UniqueFd socket_;
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
/// A DT with one TSDU of so many octets.
std::vector<std::byte> data_message(std::size_t octets);
/// A CALL with exactly these items.
std::vector<std::byte> call_frame_of(std::uint64_t move, bool express, std::span<const handoff::CallItem> items,
                                     Bytes iso_images = {});
/// What an honest listener would say of a socket of this process: cookie, and position where it is TCP.
handoff::CallItem described(int socket, handoff::Family family = handoff::Family::Inet);
/// The image of an open connection within the host.
std::vector<std::byte> local_image();
/// What the first item of a TAKEN says.
handoff::TakeOutcome outcome_in(const std::vector<std::byte>& taken);
/// The move that a frame is about.
std::uint64_t move_in(const std::vector<std::byte>& frame);

}  // namespace baton::system_tests
