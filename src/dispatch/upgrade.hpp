// SPDX-License-Identifier: MIT
// baton: dispatch/upgrade.hpp: the batond that goes: starts the one that follows, hands over, or goes on.
//
//   start() --> Starting --hello--> Preparing --prepared--> Holding --all are held--> Committing --commit--> Confirming
//                  |                    |                      |                          |                    |
//                  +--------------------+----------------------+--------------------------+     running: Over <+
//                  | it failed, ended, or its time is up                                                       |
//                  v                                                                                           |
//                Failing: it is killed; what it does not own comes back --it is dead--> Failed <---------------+
//
// Invariant: the dispatcher is frozen from Holding until Over or Failed; its listening sockets stay open until Over, so
// that nobody in their queues is lost whenever the other dies; the group is all or nothing until the commit. Clients
// that are not in it, or come back, follow when it is over.
// Threads: the one of the event loop.
#pragma once

#include <baton/link.hpp>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dispatch/conversation.hpp"
#include "dispatch/inheritance.hpp"
#include "dispatch/visitor.hpp"
#include "dispatch/worker.hpp"
#include "os/spawn.hpp"

namespace baton::dispatch {

class Upgrade final : Worker::Owner {
 public:
  class Owner {
   public:
    /// What this batond has.
    [[nodiscard]] virtual Inheritance inheritance() const = 0;
    /// Serves nobody from here on. All its listening sockets, each twice open now. Failure: a sentence.
    [[nodiscard]] virtual std::expected<std::vector<Heirloom>, std::string> listening_sockets() const = 0;
    [[nodiscard]] virtual std::vector<VisitorPtr> freeze() = 0;
    virtual void release_names() = 0;
    /// Serves again; `back`: those of freeze() that are left.
    virtual void upgrade_failed(std::vector<VisitorPtr> back, const std::string& why) = 0;
    /// `report`: what the one that asked is told.
    virtual void upgraded(nlohmann::json report) = 0;
    /// Over: one that the successor did not take.
    virtual void not_taken(VisitorPtr visitor) = 0;

   protected:
    ~Owner() = default;
  };

  /// `words`: the program and its arguments. `control`: the listening control socket, which it inherits.
  Upgrade(asio::io_context& loop, std::vector<std::string> words, Duration time, Owner& owner);
  ~Upgrade();
  Upgrade(const Upgrade&) = delete;
  Upgrade& operator=(const Upgrade&) = delete;

  /// Failure: a sentence, and the owner hears no more.
  [[nodiscard]] std::expected<void, std::string> start(FdRef control);
  /// Fails it, with that reason, unless it is over.
  void call_off(std::string why);
  /// Neither over nor failed.
  [[nodiscard]] bool goes_on() const noexcept { return step_ < Step::Over; }

  // Over.
  /// To the successor.
  void pass_on(VisitorPtr visitor);
  /// Nobody is on the way to it.
  [[nodiscard]] bool is_idle() const noexcept { return waiting_.empty() && (!late_ || late_->under_way() == 0); }

 private:
  enum class Step : std::uint8_t { Starting, Preparing, Holding, Committing, Confirming, Failing, Over, Failed };

  void watch_child();
  void child_ended();
  void watch_name();
  void watch_link();
  void meet();
  void advance();
  void hear_all();
  void heard(const nlohmann::json& message);
  void hand_over();
  void hold();
  void commit();
  void group_is_off(const Error& why);
  void collect_outcomes();
  void running();
  void set_time(Duration time, const char* what);
  void fail(std::string why);
  void finish_failing();
  void offer_waiting();

  void moved(Worker& worker, VisitorPtr visitor) override;
  void came_back(Worker& worker, VisitorPtr visitor, int error) override;
  void has_credit(Worker& worker) override;
  void ended(Worker& worker) override;

  asio::io_context& loop_;
  std::vector<std::string> words_;
  Duration time_;
  Owner& owner_;
  Step step_ = Step::Starting;
  std::string why_;  // it failed
  os::Child child_;
  asio::posix::stream_descriptor watched_child_;  // numbers that these do not own
  asio::posix::stream_descriptor watched_name_;
  asio::posix::stream_descriptor watched_link_;
  asio::steady_timer timer_;
  asio::steady_timer again_;
  std::optional<LinkListener> name_;
  std::optional<Link> link_;
  Inbox inbox_;
  std::size_t heard_ = 0;  // messages
  bool watches_link_ = false;
  std::string version_;  // of the one that comes
  Clock::time_point frozen_at_{};
  std::deque<Heirloom> heirlooms_;  // to be held, in order; then the visitors
  std::deque<VisitorPtr> visitors_;
  std::unordered_map<std::uint64_t, VisitorPtr> in_doubt_;  // by the id of the move; none: a listening socket
  std::vector<VisitorPtr> back_;
  std::size_t sockets_ = 0;
  std::size_t clients_ = 0;
  std::unique_ptr<Worker> late_;    // the link, once it is over
  std::deque<VisitorPtr> waiting_;  // for credit
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::dispatch
