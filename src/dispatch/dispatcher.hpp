// SPDX-License-Identifier: MIT
// baton: dispatch/dispatcher.hpp: batond without its process: entrances, routes, pools, and who waits in between.
//
//   arrived --> route --none, refused, at fault--> Farewell
//                 |
//                 v
//                 |--to the TSAP called--> CalledTsap::give --> moved, or Farewell
//                 v
//               place --a worker--> Pool::give --> moved
//                 |  ^                    |
//       nobody,   v  | room, every 50 ms  +--> came back: placed again, without that worker
//       all busy held
//                 +--Pool::hold, or Pool::tries workers have refused--> Farewell
//
// For an upgrade (upgrade.hpp): running --freeze()--> frozen: who arrives is kept --thaw()--> running
//                                                       +--pass_on()--> passes on: who arrives goes to the successor
//
// Invariant: a visitor is in one place; what is held is bounded by Limits::undecided. apply() replaces the
// configuration as a whole or not at all. Threads: the one of the event loop.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "dispatch/called_counts.hpp"
#include "dispatch/called_tsap.hpp"
#include "dispatch/entrance.hpp"
#include "dispatch/farewell.hpp"
#include "dispatch/inheritance.hpp"
#include "dispatch/plan.hpp"
#include "dispatch/pool.hpp"
#include "dispatch/undecided.hpp"
#include "dispatch/visitor.hpp"

namespace baton::dispatch {

/// Listening sockets that systemd has opened, by FileDescriptorName=.
using ActivatedSockets = std::multimap<std::string, UniqueFd>;

struct DispatcherCounters {
  std::uint64_t arrived = 0;
  std::uint64_t moved = 0;
  std::uint64_t moved_ns = 0;   // from accept to taken, all together
  std::uint64_t no_route = 0;   // ended: nobody of that name
  std::uint64_t no_worker = 0;  // ended: nobody could take it
  std::uint64_t refused = 0;    // ended: a route says so
  std::uint64_t at_fault = 0;   // ended: bad input
  std::uint64_t dissolved = 0;  // the stream was not where it should be: reset
  std::uint64_t again = 0;      // came back from a worker
};

class Dispatcher final : Entrance::Owner, Pool::Owner, CalledTsap::Owner {
 public:
  Dispatcher(asio::io_context& loop, ActivatedSockets activated);
  ~Dispatcher();
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  /// The configuration, which has no errors, is in force from now on. Failure: what could not be opened, in a sentence;
  /// the one before goes on. `coming`: what another batond has still: such a listener gets its socket by inherit(),
  /// such a pool its name by bind_pools().
  [[nodiscard]] std::expected<void, std::string> apply(routing::Configuration configuration,
                                                       const Inheritance& coming = {});
  /// At the start, before the event loop runs: waits for the names of hosts that pools connect to, if not for long.
  void await_hosts();
  /// Accepts no more; `done` is called when nobody waits, nothing is under way and nothing is copied, nor is anything
  /// `busy` with it.
  void drain(std::function<bool()> busy, std::function<void()> done);
  [[nodiscard]] bool is_draining() const noexcept { return draining_; }

  // An upgrade, the batond that goes.
  [[nodiscard]] Inheritance inheritance() const;
  /// The listening sockets, each twice open now.
  [[nodiscard]] os::Result<std::vector<Heirloom>> listening_sockets() const;
  /// Accepts nobody and gives to nobody: all who wait, who are the caller's now.
  [[nodiscard]] std::vector<VisitorPtr> freeze();
  /// All is as it was; `back`: those of freeze() whose connections are open.
  void thaw(std::vector<VisitorPtr> back);
  void release_names();
  /// Frozen: its workers may go to the successor, and so does everybody who arrives from now on. drain() comes next.
  void pass_on(std::function<void(VisitorPtr)> successor);
  /// One that the successor did not take.
  void give_up(VisitorPtr visitor);

  // An upgrade, the batond that comes.
  /// Failure: a sentence.
  [[nodiscard]] std::expected<void, std::string> bind_pools();
  void inherit(const Heirloom& of, UniqueFd listener);
  void resume(VisitorPtr visitor);

  // For those who look.
  struct OpenEntrance {
    std::string key;  // listening_key() or systemd_key(): the same after a reload
    std::unique_ptr<Entrance> entrance;
  };
  [[nodiscard]] const Plan& plan() const noexcept { return *plan_; }
  [[nodiscard]] const std::vector<OpenEntrance>& entrances() const noexcept { return entrances_; }
  /// In the order of the configuration.
  [[nodiscard]] const std::vector<std::unique_ptr<Pool>>& pools() const noexcept { return pools_; }
  [[nodiscard]] const DispatcherCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] const std::map<std::string, std::uint64_t>& route_counters() const noexcept { return route_counters_; }
  [[nodiscard]] const CalledCounts& called_counts() const noexcept { return called_counts_; }
  [[nodiscard]] std::size_t undecided() const noexcept { return undecided_.count(); }
  [[nodiscard]] std::size_t held() const noexcept { return held_count_; }
  [[nodiscard]] const Farewell& farewell() const noexcept { return farewell_; }
  /// All workers of a pool, or one (0: all). False: there is no such pool or worker.
  bool set_draining(const std::string& pool, std::uint64_t worker, bool on);

 private:
  struct Opening;

  void arrived(VisitorPtr visitor) override;
  void cannot_accept(const Entrance& entrance, int error) override;
  void moved(Pool& pool, VisitorPtr visitor) override;
  void came_back(Pool& pool, std::uint64_t worker, VisitorPtr visitor, int error) override;
  void unreachable(Pool& pool, std::uint64_t target, VisitorPtr visitor, int error) override;
  void has_room(Pool& pool) override;
  void worker_up(Pool& pool, const std::string& name, pid_t process) override;
  void worker_down(Pool& pool, const std::string& name, const WorkerCounters& counters) override;
  void worker_late(Pool& pool, const WorkerView& worker, bool late) override;

  void tsap_took(VisitorPtr visitor) override;
  void tsap_refused(VisitorPtr visitor, int error) override;

  /// `pool`: null where the TSAP called has taken it.
  void note_moved(const Visitor& visitor, const Pool* pool);
  void note_back(const Pool& pool, std::uint64_t worker, const Visitor& visitor, int error);
  void route(VisitorPtr visitor, bool again);
  [[nodiscard]] bool is_own_tsap(const recognise::What& what) const;
  /// False: it was not placed, and is the caller's still.
  [[nodiscard]] bool place(VisitorPtr& visitor, std::size_t pool);
  /// Workers of another batond are still to come, to it or to those that it falls back to.
  [[nodiscard]] bool expects(std::size_t pool, Clock::time_point now) const;
  [[nodiscard]] std::size_t refusals(const Visitor& visitor) const;
  void hold(VisitorPtr visitor, std::size_t pool);
  void retry_held();
  /// No worker of the pool, or of those that it falls back to, has taken it in time.
  void not_taken(VisitorPtr visitor, std::size_t pool);
  void tell_of_not_taken();
  void tick();
  void recall_from_silent();
  void say_farewell(VisitorPtr visitor, recognise::Ending why);
  void look_whether_done();
  [[nodiscard]] std::expected<Opening, std::string> open_all(const routing::Configuration& configuration,
                                                             const Inheritance& coming);
  [[nodiscard]] std::expected<void, std::string> open_entrances(const routing::Configuration& configuration,
                                                                std::size_t listener, const Inheritance& coming,
                                                                Opening& opening);
  [[nodiscard]] std::string names_of_systemd(const Inheritance& before) const;
  [[nodiscard]] std::expected<void, std::string> open_entrance(std::string key, Entrance::Manner manner,
                                                               const std::function<os::Result<UniqueFd>()>& make,
                                                               Opening& opening);
  [[nodiscard]] std::expected<void, std::string> open_pool(const routing::Pool& settings, const Inheritance& coming,
                                                           Opening& opening);
  [[nodiscard]] Entrance* entrance_for(const std::string& listener);
  void adopt(Opening opening);
  void forget_retired();

  asio::io_context& loop_;
  ActivatedSockets activated_;
  std::uint64_t last_id_ = 0;  // of workers and targets
  Undecided undecided_;
  Farewell farewell_;
  CalledTsap called_tsap_;
  std::unique_ptr<Plan> plan_;
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<std::unique_ptr<Pool>> retired_pools_;
  std::vector<OpenEntrance> entrances_;
  std::vector<std::unique_ptr<Entrance>> retired_entrances_;
  routing::PoolWorkers workers_;              // room for what place() asks
  std::vector<std::deque<VisitorPtr>> held_;  // of each pool
  std::size_t held_count_ = 0;
  asio::steady_timer ticker_;
  bool ticking_ = false;
  bool retrying_ = false;
  bool draining_ = false;
  std::function<bool()> busy_;
  std::function<void()> done_;
  bool frozen_ = false;
  std::vector<VisitorPtr> kept_;  // arrived while frozen
  std::function<void(VisitorPtr)> successor_;
  struct NotTaken {
    std::uint64_t clients = 0;  // of whom the log has not told
    Clock::time_point told{};
  };
  std::map<std::string, NotTaken> not_taken_;  // by pool
  Clock::time_point said_no_descriptors_{};
  Clock::time_point said_tsap_refuses_{};
  DispatcherCounters counters_;
  std::map<std::string, std::uint64_t> route_counters_;
  CalledCounts called_counts_;
};

}  // namespace baton::dispatch
