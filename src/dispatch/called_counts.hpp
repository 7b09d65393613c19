// SPDX-License-Identifier: MIT
// baton: dispatch/called_counts.hpp: how many connections went to the TSAP that they called, by its TSEL.
//
// Invariant: a TSEL is listed from its server's first connection on, and no more than `most` are: what clients call
// without a server makes no entry. The others are counted together. Threads: the one of the event loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "tsap/selector.hpp"

namespace baton::dispatch {

struct CalledCount {
  std::uint64_t moved = 0;
  std::uint64_t refused = 0;  // nobody has bound it, or its server has not taken it
};

class CalledCounts {
 public:
  static constexpr std::size_t most = 256;

  void moved(const tsap::Selector& called) {
    std::string name = called.printable();
    const bool has_room = listed_.size() < most || listed_.contains(name);
    ++(has_room ? listed_[std::move(name)] : others_).moved;
  }
  void refused(const tsap::Selector& called) {
    const auto listed = listed_.find(called.printable());
    ++(listed == listed_.end() ? others_ : listed->second).refused;
  }

  /// By Selector::printable().
  [[nodiscard]] const std::map<std::string, CalledCount>& listed() const noexcept { return listed_; }
  [[nodiscard]] const CalledCount& others() const noexcept { return others_; }

 private:
  std::map<std::string, CalledCount> listed_;
  CalledCount others_;
};

}  // namespace baton::dispatch
