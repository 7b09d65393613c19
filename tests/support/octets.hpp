// SPDX-License-Identifier: MIT
// baton: support/octets.hpp: streams that any reader can check at any position.
//
// The octet at a position follows from the stream's name and the position alone. So whoever goes on reading or writing
// a stream that another process began needs its Tally and nothing else, and an octet lost, doubled or out of place is
// seen where it happens. Threads: distinct objects are independent.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace baton::test {

/// How much of a stream has passed, and its FNV-1a hash (64 bit). Can be sent to another process as it is.
struct Tally {
  std::uint64_t octets = 0;
  std::uint64_t hash = 0xcbf29ce484222325;
  void add(Bytes passed) noexcept;
  friend bool operator==(const Tally&, const Tally&) = default;
};

/// The octets of stream `name` from `position` on.
void fill_from_stream(std::uint64_t name, std::uint64_t position, MutableBytes room) noexcept;
/// What a whole stream of `octets` octets adds up to.
[[nodiscard]] Tally tally_of_stream(std::uint64_t name, std::uint64_t octets);

/// The writing end of a stream: fills `room` with what comes next and counts it as written once it has been.
class Producer {
 public:
  explicit Producer(std::uint64_t name, Tally so_far = {}) : name_{name}, tally_{so_far} {}
  void peek(MutableBytes room) const noexcept { fill_from_stream(name_, tally_.octets, room); }
  void written(Bytes octets) noexcept { tally_.add(octets); }
  [[nodiscard]] const Tally& tally() const noexcept { return tally_; }

 private:
  std::uint64_t name_;
  Tally tally_;
};

/// The reading end of a stream.
class Checker {
 public:
  explicit Checker(std::uint64_t name, Tally so_far = {}) : name_{name}, tally_{so_far} {}
  /// Ends the process with a report (support/process.hpp) unless `octets` are what comes next.
  void read(Bytes octets);
  [[nodiscard]] const Tally& tally() const noexcept { return tally_; }

 private:
  std::uint64_t name_;
  Tally tally_;
};

}  // namespace baton::test
