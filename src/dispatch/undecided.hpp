// SPDX-License-Identifier: MIT
// baton: dispatch/undecided.hpp: how many connections are accepted and not routed, of all entrances together.
//
// Invariant: each enter() that said yes has one leave(). Threads: the one of the event loop.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/bytes.hpp"
#include "recognise/ip_address.hpp"
#include "routing/configuration.hpp"

namespace baton::dispatch {

class Undecided {
 public:
  explicit Undecided(const routing::Limits& limits) noexcept : limits_{limits} {}
  void set_limits(const routing::Limits& limits) noexcept { limits_ = limits; }

  /// False: one more would be too many, in all or of this source.
  [[nodiscard]] bool enter(const recognise::IpAddress& source) {
    if (count_ >= limits_.undecided) return false;
    const auto entry = of_source_.find(counted_as(source));
    if (entry != of_source_.end() && entry->second >= limits_.undecided_per_source) return false;
    enter_all_the_same(source);
    return true;
  }
  /// One that was admitted before.
  void enter_all_the_same(const recognise::IpAddress& source) {
    ++of_source_[counted_as(source)];
    ++count_;
  }
  void leave(const recognise::IpAddress& source) {
    const auto entry = of_source_.find(counted_as(source));
    if (entry == of_source_.end()) return;
    --count_;
    if (--entry->second == 0) of_source_.erase(entry);
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  struct Hash {
    std::size_t operator()(const recognise::IpAddress& address) const noexcept {
      return std::hash<std::string_view>{}(as_text(address.octets()));
    }
  };
  /// Who has one IPv6 address has all that share its first 64 bits (RFC 4291 §2.5.4).
  static recognise::IpAddress counted_as(const recognise::IpAddress& source) noexcept {
    if (source.is_v4()) return source;
    std::array<std::byte, 16> network{};
    std::ranges::copy(source.octets().first(8), network.begin());
    return recognise::IpAddress::from(network).value_or(source);
  }

  routing::Limits limits_;
  std::size_t count_ = 0;
  std::unordered_map<recognise::IpAddress, std::uint32_t, Hash> of_source_;
};

}  // namespace baton::dispatch
