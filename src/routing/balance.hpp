// SPDX-License-Identifier: MIT
// baton: routing/balance.hpp: which worker of a pool takes a connection, and which pool where none can.
//
// A worker can take one when its link is up, it drains not, has credit, weighs something and has not refused it. Round
// robin and least moves go by weight: a worker of weight 2 gets twice as much. The hash is a rendezvous: a worker that
// goes takes none but its own clients with it, and one that comes takes its share evenly from all.
// Threads: one Balancer belongs to one thread.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "recognise/ip_address.hpp"
#include "routing/configuration.hpp"

namespace baton::routing {

using WorkerId = std::uint64_t;

/// What is known of a worker, or of a target, now.
struct WorkerState {
  WorkerId id = 0;           ///< of this link: a worker that has come again is another
  std::uint64_t key = 0;     ///< stable_key() of what stays the same when it comes again: the hash goes by it
  std::uint32_t weight = 1;  ///< 0: gets nothing
  std::uint32_t credit = 0;  ///< connections that it can take now
  std::uint32_t moves = 0;   ///< under way to it
  bool up = false;           ///< its link is up
  bool draining = false;     ///< gets nothing new
};

[[nodiscard]] std::uint64_t stable_key(std::string_view name) noexcept;

enum class NoWorker : std::uint8_t {
  AllBusy,  ///< some could, and have no credit now: hold the client, ask again when credit comes
  Nobody,   ///< nobody that has not refused: hold it while the pool's `hold` lasts, as one may come
};

struct Placement {
  std::size_t pool = 0;    ///< index in the configuration
  std::size_t worker = 0;  ///< index in that pool's workers
  friend bool operator==(const Placement&, const Placement&) = default;
};

/// The turns of one pool.
class Balancer {
 public:
  /// An index in `workers`, whose order is that of Policy::First. `refused`: who has refused this connection.
  [[nodiscard]] std::expected<std::size_t, NoWorker> choose(Policy policy, std::span<const WorkerState> workers,
                                                            const recognise::IpAddress& source,
                                                            std::span<const WorkerId> refused);

 private:
  std::size_t in_turn(std::span<const WorkerState> workers, const std::vector<std::size_t>& able);

  // Smooth weighted round robin: everyone's turn grows by its weight, the one with the largest is chosen and pays for
  // all.
  std::unordered_map<WorkerId, std::int64_t> turns_;
};

/// The workers of every pool, in the order of the configuration.
using PoolWorkers = std::vector<std::vector<WorkerState>>;

/// All pools.
class Balancers {
 public:
  explicit Balancers(const Configuration& configuration);

  /// Asks `pool`, then the pools it falls back to, theirs last; each once. AllBusy, if any says so.
  /// `patient`: where those of a pool are busy, the pools behind it are not asked.
  [[nodiscard]] std::expected<Placement, NoWorker> place(std::size_t pool, const PoolWorkers& workers,
                                                         const recognise::IpAddress& source,
                                                         std::span<const WorkerId> refused, bool patient = false);
  /// pools_in_order() of `pool`.
  [[nodiscard]] const std::vector<std::size_t>& order(std::size_t pool) const { return orders_[pool]; }

 private:
  const std::vector<Pool>* pools_;
  std::vector<Balancer> each_;
  std::vector<std::vector<std::size_t>> orders_;
};

/// `pool` and those it falls back to, in the order in which they are asked.
[[nodiscard]] std::vector<std::size_t> pools_in_order(const std::vector<Pool>& pools, std::size_t pool);

}  // namespace baton::routing
