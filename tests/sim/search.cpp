// SPDX-License-Identifier: MIT
#include "search.hpp"

#include <bit>
#include <cstring>

namespace baton::sim::search_detail {
namespace {

std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 32U;
  value *= 0xd6e8feb86659fd93U;
  value ^= value >> 32U;
  value *= 0xd6e8feb86659fd93U;
  return value ^ value >> 32U;
}

}  // namespace

Fingerprint fingerprint(const std::string& key) {
  std::uint64_t one = 0x9e3779b97f4a7c15U + key.size();
  std::uint64_t two = 0xc2b2ae3d27d4eb4fU;
  for (std::size_t at = 0; at < key.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, key.data() + at, std::min<std::size_t>(8, key.size() - at));
    one = mix(one ^ word);
    two = mix(std::rotl(two, 23) + word * 0x9ddfea08eb382d69U);
  }
  return {one, two};
}

Cycle find_cycle(const std::vector<std::uint32_t>& successors, const std::vector<std::size_t>& ends) {
  const auto first = [&](std::uint32_t at) { return at == 0 ? std::size_t{0} : ends[at - 1]; };
  std::vector<std::uint32_t> entries(ends.size());
  for (const std::uint32_t each : successors) ++entries[each];
  std::vector<std::uint32_t> ready{0};
  std::size_t ordered = 0;
  for (; !ready.empty(); ++ordered) {
    const std::uint32_t at = ready.back();
    ready.pop_back();
    for (std::size_t i = first(at); i < ends[at]; ++i)
      if (--entries[successors[i]] == 0) ready.push_back(successors[i]);
  }
  if (ordered == ends.size()) return {};
  // Each of the rest comes after another of the rest: back from one to the other, until one is there again.
  std::vector<Way> before(ends.size());
  for (std::uint32_t at = 0; at < ends.size(); ++at)
    for (std::size_t i = first(at); entries[at] > 0 && i < ends[at]; ++i)
      before[successors[i]] = {at, static_cast<std::uint16_t>(i - first(at))};
  auto at =
      static_cast<std::uint32_t>(std::ranges::find_if(entries, [](auto each) { return each > 0; }) - entries.begin());
  std::vector<bool> seen(ends.size());
  for (; !seen[at]; at = before[at].from) seen[at] = true;
  Cycle cycle{at, {}};
  do {
    cycle.choices.push_back(before[at].choice);
    at = before[at].from;
  } while (at != cycle.world);
  std::ranges::reverse(cycle.choices);
  return cycle;
}

}  // namespace baton::sim::search_detail
