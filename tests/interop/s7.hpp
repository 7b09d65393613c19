// SPDX-License-Identifier: MIT
// baton: interop/s7.hpp: as much of S7 communication as the clients and the server of the tests speak to each other.
//
// One TSDU is one S7 message. A Session answers a client's requests: setting up, reading and writing octets of data
// blocks. The functions below it make such requests and read the answers. What is not a request of these kinds has no
// answer. Without I/O. Threads: distinct objects are independent.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace baton::s7 {

/// Longest S7 message that a session agrees to.
inline constexpr std::size_t max_message = 4096;

// The data block that all parties of a test know, as in peers/area.js.
inline constexpr std::size_t block_size = 8192;
[[nodiscard]] std::byte original(std::uint16_t block, std::size_t address) noexcept;
/// What a client writes there in its `round`.
[[nodiscard]] std::byte written(std::uint16_t block, unsigned round, std::size_t address) noexcept;

/// Data blocks 1 to 4: plain memory, which processes may share.
class Plant {
 public:
  static constexpr std::uint16_t blocks = 4;
  Plant();
  /// The octets of a block, or nothing where there are none.
  [[nodiscard]] std::optional<MutableBytes> area(std::uint16_t block, std::size_t start, std::size_t size) noexcept;

 private:
  std::array<std::array<std::byte, block_size>, blocks> octets_;
};

/// One client's session, as far as its messages go.
class Session {
 public:
  /// `agreed`: what another process has agreed with the client; 0: nothing yet.
  explicit Session(Plant& plant, std::uint16_t agreed = 0) noexcept : plant_{plant}, agreed_{agreed} {}

  /// The answer, in `room` of max_message octets; empty where there is none.
  [[nodiscard]] Bytes answer(Bytes request, MutableBytes room);
  /// Longest message, octets; 0 before it is agreed.
  [[nodiscard]] std::uint16_t agreed() const noexcept { return agreed_; }

 private:
  void set_up(ByteReader parameters, ByteWriter& answer);
  void read(ByteReader parameters, ByteWriter& answer);
  void write(ByteReader parameters, ByteReader data, ByteWriter& answer);

  Plant& plant_;
  std::uint16_t agreed_;
};

// --- Client. Requests are in `room`; an answer that is none for `reference` gives nothing.
[[nodiscard]] Bytes setup_request(MutableBytes room, std::uint16_t reference, std::uint16_t longest_message) noexcept;
/// Longest message that the server agrees to.
[[nodiscard]] std::optional<std::uint16_t> setup_answer(Bytes answer, std::uint16_t reference) noexcept;
[[nodiscard]] Bytes read_request(MutableBytes room, std::uint16_t reference, std::uint16_t block, std::size_t start,
                                 std::size_t size) noexcept;
[[nodiscard]] std::optional<Bytes> read_answer(Bytes answer, std::uint16_t reference) noexcept;
[[nodiscard]] Bytes write_request(MutableBytes room, std::uint16_t reference, std::uint16_t block, std::size_t start,
                                  Bytes octets) noexcept;
[[nodiscard]] bool is_write_answer(Bytes answer, std::uint16_t reference) noexcept;

/// Most octets that one read or write request moves.
[[nodiscard]] constexpr std::size_t readable_at_once(std::uint16_t agreed) noexcept { return agreed - 18U; }
[[nodiscard]] constexpr std::size_t writable_at_once(std::uint16_t agreed) noexcept { return agreed - 28U; }

}  // namespace baton::s7
