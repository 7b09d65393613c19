// SPDX-License-Identifier: MIT
#include "routing/balance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace baton::routing {
namespace {

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of the output.
constexpr std::uint64_t mixed(std::uint64_t value) noexcept {
  value += 0x9E3779B97F4A7C15U;
  value = (value ^ value >> 30U) * 0xBF58476D1CE4E5B9U;
  value = (value ^ value >> 27U) * 0x94D049BB133111EBU;
  return value ^ value >> 31U;
}

/// FNV-1a, 64 bits.
constexpr std::uint64_t hash_of(Bytes octets) noexcept {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const std::byte octet : octets) hash = (hash ^ std::to_integer<std::uint64_t>(octet)) * 0x100000001B3U;
  return mixed(hash);
}

/// Weighted rendezvous hashing (Schindelhauer, Schomaker 2005): each worker draws -weight / ln(u), the largest wins,
/// and wins in proportion to its weight.
double score(const WorkerState& worker, std::uint64_t client) noexcept {
  constexpr double two_to_53 = 9007199254740992.0;
  const std::uint64_t drawn = mixed(client ^ mixed(worker.key)) >> 11U;
  const double between_0_and_1 = (static_cast<double>(drawn) + 0.5) / two_to_53;
  return -static_cast<double>(worker.weight) / std::log(between_0_and_1);
}

/// Whether it would take this connection, had it credit.
bool would_take(const WorkerState& worker, std::span<const WorkerId> refused) noexcept {
  return worker.up && !worker.draining && worker.weight > 0 && std::ranges::find(refused, worker.id) == refused.end();
}

/// Fewest moves for its weight, as if it had the one at hand already; compared without division.
bool less_busy(const WorkerState& left, const WorkerState& right) noexcept {
  return std::uint64_t{left.moves + std::uint64_t{1}} * right.weight <
         std::uint64_t{right.moves + std::uint64_t{1}} * left.weight;
}

std::size_t by_hash(std::span<const WorkerState> workers, const std::vector<std::size_t>& able,
                    const recognise::IpAddress& source) {
  const std::uint64_t client = hash_of(source.octets());
  return *std::ranges::max_element(able, {}, [&](std::size_t each) { return score(workers[each], client); });
}

}  // namespace

std::uint64_t stable_key(std::string_view name) noexcept { return hash_of(as_bytes(name)); }

std::size_t Balancer::in_turn(std::span<const WorkerState> workers, const std::vector<std::size_t>& able) {
  std::erase_if(turns_, [&](const auto& turn) {
    return std::ranges::find(workers, turn.first, &WorkerState::id) == workers.end();
  });
  std::int64_t total = 0;
  std::size_t chosen = able.front();
  std::int64_t largest = std::numeric_limits<std::int64_t>::min();
  for (const std::size_t each : able) {
    std::int64_t& turn = turns_[workers[each].id];
    turn += workers[each].weight;
    total += workers[each].weight;
    if (turn <= largest) continue;
    largest = turn;
    chosen = each;
  }
  turns_[workers[chosen].id] -= total;
  return chosen;
}

std::expected<std::size_t, NoWorker> Balancer::choose(Policy policy, std::span<const WorkerState> workers,
                                                      const recognise::IpAddress& source,
                                                      std::span<const WorkerId> refused) {
  std::vector<std::size_t> able;
  bool busy = false;
  for (std::size_t each = 0; each < workers.size(); ++each) {
    if (!would_take(workers[each], refused)) continue;
    if (workers[each].credit > 0)
      able.push_back(each);
    else
      busy = true;
  }
  if (able.empty()) return std::unexpected{busy ? NoWorker::AllBusy : NoWorker::Nobody};
  switch (policy) {
    case Policy::First:
      return able.front();
    case Policy::Hash:
      return by_hash(workers, able, source);
    case Policy::LeastMoves: {
      // Among the least busy in turn: with nothing under way anywhere the first must not get everything.
      const std::size_t least = *std::ranges::min_element(
          able, [&](std::size_t a, std::size_t b) { return less_busy(workers[a], workers[b]); });
      std::erase_if(able, [&](std::size_t each) { return less_busy(workers[least], workers[each]); });
      return in_turn(workers, able);
    }
    case Policy::RoundRobin:
      break;
  }
  return in_turn(workers, able);
}

std::vector<std::size_t> pools_in_order(const std::vector<Pool>& pools, std::size_t pool) {
  std::vector<std::size_t> order{pool};
  for (std::size_t at = 0; at < order.size(); ++at)
    for (const std::string& name : pools[order[at]].fallback) {
      const auto found = std::ranges::find(pools, name, &Pool::name);
      if (found == pools.end()) continue;
      const auto index = static_cast<std::size_t>(found - pools.begin());
      if (std::ranges::find(order, index) == order.end()) order.push_back(index);
    }
  return order;
}

Balancers::Balancers(const Configuration& configuration) : pools_{&configuration.pools}, each_(pools_->size()) {
  for (std::size_t i = 0; i < pools_->size(); ++i) orders_.push_back(pools_in_order(*pools_, i));
}

std::expected<Placement, NoWorker> Balancers::place(std::size_t pool, const PoolWorkers& workers,
                                                    const recognise::IpAddress& source,
                                                    std::span<const WorkerId> refused, bool patient) {
  NoWorker why = NoWorker::Nobody;
  for (const std::size_t each : orders_[pool]) {
    const auto chosen = each_[each].choose((*pools_)[each].policy, workers[each], source, refused);
    if (chosen) return Placement{each, *chosen};
    if (chosen.error() == NoWorker::AllBusy) why = NoWorker::AllBusy;
    if (patient && why == NoWorker::AllBusy) break;
  }
  return std::unexpected{why};
}

}  // namespace baton::routing
