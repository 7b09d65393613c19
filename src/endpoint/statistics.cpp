// SPDX-License-Identifier: MIT
#include "endpoint/statistics.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "os/process.hpp"

namespace baton::endpoint {

void Statistics::pause_since(Instant begin, Instant end) noexcept {
  if (begin <= Instant{} || begin > end) return;
  const auto ns = static_cast<std::uint64_t>((end - begin).count());
  pause_count.fetch_add(1, std::memory_order_relaxed);
  pause_total_ns.fetch_add(ns, std::memory_order_relaxed);
  std::uint64_t longest = pause_longest_ns.load(std::memory_order_relaxed);
  while (ns > longest && !pause_longest_ns.compare_exchange_weak(longest, ns, std::memory_order_relaxed)) {
  }
}

Statistics& statistics() noexcept {
  static Statistics instance;
  return instance;
}

std::string statistics_as_json() {
  Statistics& s = statistics();
  const std::array<std::pair<std::string_view, const Statistics::Counter*>, 14> fields{{
      {"offered", &s.offered},
      {"moved", &s.moved},
      {"refused", &s.refused},
      {"cancelled", &s.cancelled},
      {"given_back", &s.given_back},
      {"in_doubt", &s.in_doubt},
      {"touched", &s.touched},
      {"abandoned", &s.abandoned},
      {"received", &s.received},
      {"taken", &s.taken},
      {"links", &s.links},
      {"pause_count", &s.pause_count},
      {"pause_total_ns", &s.pause_total_ns},
      {"pause_longest_ns", &s.pause_longest_ns},
  }};
  std::string json = "{\"pid\":" + std::to_string(os::process_id());
  for (const auto& [name, counter] : fields) {
    json += ",\"";
    json += name;
    json += "\":" + std::to_string(counter->load(std::memory_order_relaxed));
  }
  json += "}\n";
  return json;
}

}  // namespace baton::endpoint
