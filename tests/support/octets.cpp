// SPDX-License-Identifier: MIT
#include "support/octets.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "support/process.hpp"

namespace baton::test {
namespace {

constexpr std::size_t word = 8;

/// The eight octets of a stream that begin at a multiple of eight (SplitMix64).
std::uint64_t word_at(std::uint64_t name, std::uint64_t index) noexcept {
  std::uint64_t x = name * 0x9e3779b97f4a7c15 + (index + 1) * 0xd1342543de82ef95;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111eb;
  return x ^ (x >> 31U);
}

}  // namespace

void Tally::add(Bytes passed) noexcept {
  for (const std::byte octet : passed) hash = (hash ^ std::to_integer<std::uint64_t>(octet)) * 0x100000001b3;
  octets += passed.size();
}

void fill_from_stream(std::uint64_t name, std::uint64_t position, MutableBytes room) noexcept {
  while (!room.empty()) {
    std::array<std::byte, word> octets;
    const std::uint64_t value = word_at(name, position / word);
    std::memcpy(octets.data(), &value, word);
    const std::size_t begin = position % word;
    const std::size_t size = std::min(word - begin, room.size());
    std::memcpy(room.data(), octets.data() + begin, size);
    room = room.subspan(size);
    position += size;
  }
}

Tally tally_of_stream(std::uint64_t name, std::uint64_t octets) {
  Tally tally;
  std::array<std::byte, 4096> buffer;
  while (tally.octets < octets) {
    const auto part = MutableBytes{buffer}.first(std::min<std::uint64_t>(buffer.size(), octets - tally.octets));
    fill_from_stream(name, tally.octets, part);
    tally.add(part);
  }
  return tally;
}

void Checker::read(Bytes octets) {
  std::array<std::byte, 4096> expected;
  while (!octets.empty()) {
    const auto part = octets.first(std::min(expected.size(), octets.size()));
    fill_from_stream(name_, tally_.octets, MutableBytes{expected}.first(part.size()));
    const auto [wrong, right] = std::ranges::mismatch(part, expected);
    if (wrong != part.end())
      fail("stream " + std::to_string(name_) + ": octet " +
           std::to_string(tally_.octets + static_cast<std::uint64_t>(wrong - part.begin())) + " is not what was sent");
    tally_.add(part);
    octets = octets.subspan(part.size());
  }
}

}  // namespace baton::test
