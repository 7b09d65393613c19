// SPDX-License-Identifier: MIT
// baton: dispatch/pool.hpp: the workers of one pool, and how they come: by themselves, or because batond goes to them.
//
//   Workers   a worker connects to the pool's TSAP                        --> link is up --> its end --> gone
//   Tsaps     batond connects to each TSAP: not there --> later again --> --> link is up --> its end --> later again
//   Connect   a target is up once its name is found until a connection to it fails, then for a while it is not, and
//             its name is looked up again
//
// Invariant: a visitor given to a pool comes out once: moved, passed over to a copied connection, or came_back.
// Threads: the one of the event loop.
#pragma once

#include <baton/link.hpp>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dispatch/accept_pause.hpp"
#include "dispatch/host_addresses.hpp"
#include "dispatch/passage.hpp"
#include "dispatch/visitor.hpp"
#include "dispatch/worker.hpp"
#include "os/result.hpp"
#include "routing/balance.hpp"
#include "routing/configuration.hpp"

namespace baton::dispatch {

/// That its TSAP cannot be bound, as a sentence.
[[nodiscard]] std::string pool_failure(const routing::Pool& settings, const Error& error);

/// What a pool has done since it was made, workers that are gone included.
struct PoolCounters {
  WorkerCounters moves{};
  std::uint64_t copied = 0;            // connections
  std::uint64_t copied_octets = 0;     // of those that are over
  std::uint64_t connect_failures = 0;  // targets that could not be reached
};

/// One worker or target, for those who look.
struct WorkerView {
  std::uint64_t id = 0;
  std::string name{};  // TSEL, host and port, or path of a socket
  pid_t process = 0;
  std::uint32_t weight = 1;
  std::size_t credit = 0;
  std::size_t under_way = 0;
  std::size_t asked_back = 0;
  bool up = false;
  bool late = false;  // moves wait for longer than `answer`
  bool draining = false;
  WorkerCounters counters{};
};

class Pool final : Worker::Owner, Passage::Owner {
 public:
  class Owner {
   public:
    virtual void moved(Pool& pool, VisitorPtr visitor) = 0;
    /// `worker`: who gave it back. The connection is not open where it had to be dissolved.
    virtual void came_back(Pool& pool, std::uint64_t worker, VisitorPtr visitor, int error) = 0;
    /// A target that cannot be reached now, and is taken for down for a while: nothing about this client.
    virtual void unreachable(Pool& pool, std::uint64_t target, VisitorPtr visitor, int error) = 0;
    virtual void has_room(Pool& pool) = 0;
    virtual void worker_up(Pool& pool, const std::string& name, pid_t process) = 0;
    virtual void worker_down(Pool& pool, const std::string& name, const WorkerCounters& counters) = 0;
    /// `late`: it lets moves wait for longer than `answer`, from now on or no more.
    virtual void worker_late(Pool& pool, const WorkerView& worker, bool late) = 0;

   protected:
    ~Owner() = default;
  };

  enum class Name : std::uint8_t {
    Now,    // bound in open()
    Later,  // another batond has it still: bind()
  };
  /// Errors: those of bind().
  [[nodiscard]] static std::expected<std::unique_ptr<Pool>, Error> open(asio::io_context& loop, routing::Pool settings,
                                                                        std::uint64_t& last_id, Name name,
                                                                        Owner& owner);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Whether a pool of these settings has the same workers: it can go on with set_settings().
  [[nodiscard]] bool serves(const routing::Pool& settings) const;
  void set_settings(routing::Pool settings) { settings_ = std::move(settings); }
  [[nodiscard]] const routing::Pool& settings() const noexcept { return settings_; }

  void states(std::vector<routing::WorkerState>& states, Duration answer, Clock::time_point now) const;
  /// `index`: as states() had it.
  void give(std::size_t index, VisitorPtr visitor);

  /// PoolKind::Workers: takes workers at its TSAP from now on. Errors: those of LinkListener::listen().
  std::expected<void, Error> bind();
  /// Takes no more at it, and the name is free; those that are there stay.
  void release_name();
  /// bind(), again and again until it succeeds.
  void regain_name();

  /// Another batond had so many, and of these the processes `drained` get nothing: they are waited for until then.
  void expect(std::size_t workers, std::vector<pid_t> drained, Clock::time_point until);
  /// Some of them are still to come.
  [[nodiscard]] bool expects(Clock::time_point now) const;

  /// A worker has moves that wait for longer than `answer`. Tells the owner of each that begins to, or does no more.
  bool look_who_is_late(Duration answer, Clock::time_point now);
  /// Asks such workers for moves back, so that no more than `room` are to come.
  void recall(std::size_t room, Duration answer, Clock::time_point now);

  /// Whether one of that id is up.
  [[nodiscard]] bool has_worker(std::uint64_t worker) const;
  /// False: there is none of that id.
  bool set_draining(std::uint64_t worker, bool on);
  /// PoolKind::Connect: the names of those that get nothing; of the other kinds none.
  [[nodiscard]] std::vector<std::string> drained_targets() const;
  /// Those of these names, where it has them.
  void drain_targets(const std::vector<std::string>& names);
  /// PoolKind::Connect: looks up anew where its targets are; what is known holds meanwhile.
  void look_up_hosts();
  /// The first time, without the event loop.
  void await_hosts(Instant until);
  /// What another has found out about the targets that it has, too.
  void know_hosts_of(const Pool& before);
  /// Lets its workers go: no new links, and those there are end once nothing is under way.
  void retire();
  /// Nothing is under way, no worker, no copied connection.
  [[nodiscard]] bool is_idle() const noexcept { return members_.empty() && passages_.empty(); }
  [[nodiscard]] std::size_t under_way() const;
  [[nodiscard]] std::size_t copying() const noexcept { return passages_.size(); }
  [[nodiscard]] std::vector<WorkerView> view() const;
  [[nodiscard]] PoolCounters counters() const;

 private:
  struct Member {
    std::unique_ptr<Worker> worker;  // none: a target of PoolKind::Connect
    std::uint64_t id = 0;
    std::uint64_t key = 0;
    std::string name{};
    std::optional<std::size_t> target{};  // its index in settings_.targets
    bool announced = false;
    bool late = false;
    bool draining = false;
    std::size_t copying = 0;
    Clock::time_point down_until{};  // PoolKind::Connect
  };
  struct Attempt;  // to connect to one of PoolKind::Tsaps

  Pool(asio::io_context& loop, routing::Pool settings, std::uint64_t& last_id, Owner& owner);
  void watch_links();
  void accept_links();
  void add(Link link, std::string name, std::optional<std::size_t> target);
  void try_target(std::size_t target);
  void finish_target(std::size_t target);
  void target_failed(std::size_t target);
  void add_targets();
  [[nodiscard]] WorkerView view_of(const Member& member) const;
  [[nodiscard]] bool is_reachable(const Member& member, Clock::time_point now) const;
  void target_is_elsewhere(std::size_t target);
  [[nodiscard]] Member* member_of(const Worker& worker);
  [[nodiscard]] Member* member_of(std::uint64_t id);
  [[nodiscard]] std::uint32_t weight_of(const Member& member) const;

  void moved(Worker& worker, VisitorPtr visitor) override;
  void came_back(Worker& worker, VisitorPtr visitor, int error) override;
  void has_credit(Worker& worker) override;
  void ended(Worker& worker) override;
  void passage_refused(Passage& passage, VisitorPtr visitor, int error) override;
  void passage_over(Passage& passage) override;

  asio::io_context& loop_;
  routing::Pool settings_;
  std::uint64_t& last_id_;
  Owner& owner_;
  std::optional<LinkListener> links_;
  std::optional<asio::posix::stream_descriptor> watched_links_;
  AcceptPause links_pause_;
  std::vector<std::shared_ptr<Attempt>> attempts_;     // PoolKind::Tsaps: one a target
  std::vector<std::unique_ptr<HostAddresses>> hosts_;  // PoolKind::Connect: of each target
  std::list<Member> members_;
  std::list<std::shared_ptr<Passage>> passages_;
  PoolCounters gone_;
  std::size_t expected_ = 0;
  std::vector<pid_t> drained_;
  Clock::time_point expected_until_{};
  bool retired_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::dispatch
