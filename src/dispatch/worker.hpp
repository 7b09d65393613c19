// SPDX-License-Identifier: MIT
// baton: dispatch/worker.hpp: the link to one process that takes connections: gives, and hears what became of it.
//
//   give() --> collected --(end of this turn of the loop)--> under way --outcome--> owner.moved()
//                 |                                             |
//                 +-- no credit, link at its end ---------------+-- refused, worker dead --> owner.came_back()
//
// What a turn of the event loop has collected goes in one message. The credit is the worker's: what it says it takes.
// A worker that lets the moves under way wait for longer than Limits::answer gets no more until it has answered: they
// stay in doubt, for it may have taken them. recall() asks for them back; what it has not taken then comes back.
// Invariant: every visitor that was given comes out once, by moved() or came_back(), also after the link's end; ended()
//            is last: then, and not before, the owner may destroy it.
// Threads: the one of the event loop.
#pragma once

#include <baton/link.hpp>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "dispatch/visitor.hpp"

namespace baton::dispatch {

/// What a worker has done since its link was made.
struct WorkerCounters {
  std::uint64_t moved = 0;
  std::uint64_t refused = 0;    // came back, the worker living
  std::uint64_t lost = 0;       // came back, for it died or closed its link
  std::uint64_t recalled = 0;   // came back as it was asked to
  std::uint64_t dissolved = 0;  // the stream was not where it should be: reset
};

class Worker {
 public:
  class Owner {
   public:
    virtual void moved(Worker& worker, VisitorPtr visitor) = 0;
    /// `error`: why, an errno value. The visitor's connection is not open where it had to be dissolved (EUCLEAN).
    virtual void came_back(Worker& worker, VisitorPtr visitor, int error) = 0;
    /// There is credit, more than before, or from a worker that was silent.
    virtual void has_credit(Worker& worker) = 0;
    virtual void ended(Worker& worker) = 0;

   protected:
    ~Owner() = default;
  };

  Worker(asio::io_context& loop, Link link, std::uint64_t id, Owner& owner);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void give(VisitorPtr visitor);
  /// Asks for at most `most` of those under way back, for each once: how many.
  std::size_t recall(std::size_t most);
  /// Asked for, and without outcome.
  [[nodiscard]] std::size_t asked_back() const noexcept { return asked_back_; }
  /// No more is given; the link is closed once nothing is under way.
  void drain();

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] bool is_up() const noexcept { return !closing_ && !at_end_; }
  /// No outcome for so long, while moves are under way.
  [[nodiscard]] bool is_silent_for(Clock::duration time, Clock::time_point now) const noexcept {
    return !under_way_.empty() && now - last_progress_ > time;
  }
  /// Connections that it takes now, beyond those under way.
  [[nodiscard]] std::size_t credit() const noexcept {
    return credit_ > collected_.size() ? credit_ - collected_.size() : 0;
  }
  [[nodiscard]] std::size_t under_way() const noexcept { return under_way_.size() + collected_.size(); }
  [[nodiscard]] const WorkerCounters& counters() const noexcept { return counters_; }
  /// That sent last; 0 before it has.
  [[nodiscard]] pid_t process() const;

 private:
  void watch();
  void flush();
  void send_batch(std::vector<Outgoing>& batch, std::vector<VisitorPtr>& visitors);
  void read_outcomes();
  /// Until nothing is left, in the link or read ahead, or says_more_. False: not all that is on the link now could be
  /// read.
  bool read_link();
  void take_outcome(Outcome outcome);
  void tell_credit();
  void end();

  asio::io_context& loop_;
  Link link_;
  asio::posix::stream_descriptor watched_;  // the link's number, which it does not own
  asio::steady_timer retry_;                // a dead worker whose death the kernel has not told yet
  const std::uint64_t id_;
  Owner& owner_;
  std::vector<VisitorPtr> collected_;
  std::unordered_map<std::uint64_t, VisitorPtr> under_way_;  // by the id of the move
  std::size_t asked_back_ = 0;
  Clock::time_point last_progress_{};
  std::size_t credit_ = 0;        // that the owner knows of
  std::size_t fresh_credit_ = 0;  // the link's, when it was last read
  WorkerCounters counters_;
  bool progressed_ = false;
  bool says_more_ = false;  // than is dropped in one turn
  bool flushing_ = false;
  bool watching_ = false;
  bool tells_ = true;  // it has not shown that it cannot be told what a connection is (Visitor::told)
  bool closing_ = false;
  bool at_end_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what the loop still holds
};

}  // namespace baton::dispatch
