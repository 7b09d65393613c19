// SPDX-License-Identifier: MIT
#include "endpoint/waiting.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "endpoint/iso_socket.hpp"
#include "endpoint/link.hpp"
#include "endpoint/moves.hpp"
#include "os/process.hpp"
#include "os/wait.hpp"
#include "os/wake.hpp"

namespace baton::endpoint {
namespace {

/// One round of poll(): what is ready by the library's knowledge, and what the kernel is to be asked.
class Round {
 public:
  explicit Round(std::span<pollfd> entries) : entries_{entries} {}

  /// The kernel's part of each entry; sets revents where the library knows the answer.
  void prepare() {
    for (pollfd& entry : entries_) {
      entry.revents = 0;
      asked_.push_back(kernel_.size());
      if (entry.fd < 0) {
        push({-1, 0, 0}, 0);
        continue;
      }
      const Found found = find(entry.fd);
      if (!found.object || found.foreign) {
        push({entry.fd, entry.events, 0}, everything);
        continue;
      }
      switch (found.object->kind()) {
        case Object::Kind::Socket:
          prepare_socket(entry, static_cast<IsoSocket&>(*found.object));
          break;
        case Object::Kind::Given:
          prepare_given(entry, static_cast<GivenMove&>(*found.object));
          break;
        case Object::Kind::Awaited:
          prepare_awaited(entry, static_cast<AwaitedMove&>(*found.object));
          break;
      }
    }
  }

  /// Why the wait would miss something: a connection's gate could not be made.
  [[nodiscard]] const std::optional<Failure>& failure() const noexcept { return failure_; }
  [[nodiscard]] bool anything_ready() const {
    return std::ranges::any_of(entries_, [](const pollfd& entry) { return entry.revents != 0; });
  }

  ~Round() {
    for (const auto& connection : connections_) {
      const auto lock = connection->lock();
      connection->gate().leave();
    }
  }
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  /// Asks the kernel; true if the process was woken by soc_wake.
  Result<bool> ask(Instant deadline, std::optional<FdRef> wake) {
    std::vector<pollfd> all = kernel_;
    all.insert(all.end(), extra_.begin(), extra_.end());
    if (wake) all.push_back({wake->get(), POLLIN, 0});
    const auto ready = os::poll_until(all, std::min(deadline, earliest_));
    if (!ready) return fail(ready.error());
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const pollfd& answer = all[asked_[i]];
      // For known numbers only the kernel's word on writing counts as it is: reading is looked at again.
      if (answer.fd >= 0) entries_[i].revents |= static_cast<short>(answer.revents & pass_mask_[asked_[i]]);
    }
    return wake && all.back().revents != 0 && os::drain_wake(*wake);
  }

 private:
  static constexpr short everything = ~short{0};

  void push(pollfd entry, short mask) {
    kernel_.push_back(entry);
    pass_mask_.resize(kernel_.size(), everything);
    pass_mask_.back() = mask;
  }

  void prepare_socket(pollfd& entry, IsoSocket& socket) {
    if (const auto ready = socket.ready_to_accept()) {
      if (*ready && (entry.events & POLLIN) != 0) entry.revents = POLLIN;
      return push({entry.fd, static_cast<short>(entry.events & POLLIN), 0}, 0);
    }
    const auto connection = socket.connection_if_any();
    if (!connection) return push({entry.fd, entry.events, 0}, everything);
    const auto lock = connection->lock();
    const auto question = connection->ask(lock, entry);
    push(question.kernel, question.mask);
    earliest_ = std::min(earliest_, question.until);
    enter(lock, connection);
  }

  void prepare_given(pollfd& entry, GivenMove& move) {
    Link::Lock lock = move.link->lock();
    move.link->pump_all(lock);
    (void)move.link->detect_deaths();
    if (move.machine.state() == handoff::ListenerState::Offered) return push({entry.fd, entry.events, 0}, everything);
    if (move.machine.ended()) {
      const Found now = find(entry.fd);
      if (now.object.get() != &move) {  // given back
        lock.unlock();
        if (now.object && now.object->kind() == Object::Kind::Socket)
          return prepare_socket(entry, static_cast<IsoSocket&>(*now.object));
        return push({entry.fd, entry.events, 0}, everything);
      }
      entry.revents = POLLHUP;
      return push({-1, 0, 0}, 0);
    }
    move.link->renew_parked(lock, std::static_pointer_cast<GivenMove>(move.shared_from_this()));
    push({-1, 0, 0}, 0);
    watch(lock, move.link);
  }

  void prepare_awaited(pollfd& entry, AwaitedMove& move) {
    Link::Lock lock = move.link->lock();
    move.link->pump_all(lock);
    (void)move.link->detect_deaths();
    const auto state = move.machine.state();
    if (state == handoff::ServerState::Cancelled || state == handoff::ServerState::Ended ||
        state == handoff::ServerState::Refused)
      entry.revents = POLLHUP;
    move.link->renew_parked(lock, std::static_pointer_cast<AwaitedMove>(move.shared_from_this()));
    push({-1, 0, 0}, 0);
    watch(lock, move.link);
  }

  /// The link's own descriptor ends the wait too.
  void watch(const Link::Lock& lock, const std::shared_ptr<Link>& link) {
    if (!link->ended(lock))
      extra_.push_back({link->waiting_descriptor(lock).get(), link->wait_events(lock, POLLIN), 0});
    enter(lock, link);
  }

  /// Under the lock under which the connection was looked at: whatever another call reads from now on opens the gate.
  void enter(const IsoConnection::Lock& lock, const std::shared_ptr<IsoConnection>& connection) {
    if (auto entered = connection->gate().enter(); !entered) {
      failure_ = fail(entered.error()).error();
      return;
    }
    connections_.push_back(connection);
    connection->add_wait_entries(lock, extra_);
  }

  std::span<pollfd> entries_;
  std::vector<std::size_t> asked_;  // entry -> its place in kernel_
  std::vector<pollfd> kernel_;
  std::vector<short> pass_mask_;                             // which of the kernel's answers count
  std::vector<pollfd> extra_;                                // what ends the wait without being an answer
  std::vector<std::shared_ptr<IsoConnection>> connections_;  // whose gates were entered
  std::optional<Failure> failure_;
  Instant earliest_ = never;
};

}  // namespace

Result<int> poll(std::span<pollfd> entries, Instant deadline) {
  std::optional<FdRef> wake;
  if (auto own = os::own_wake_socket()) wake = *own;
  for (;;) {
    Round round{entries};
    round.prepare();
    const bool ready = round.anything_ready();
    if (round.failure()) return std::unexpected{*round.failure()};
    // A wake that comes together with an event stays for the next wait.
    const auto woken = round.ask(ready ? Instant{} : deadline, ready ? std::nullopt : wake);
    if (!woken) return std::unexpected{woken.error()};
    if (*woken) return fail(Fault::Interrupted);
    const auto count = std::ranges::count_if(entries, [](const pollfd& entry) { return entry.revents != 0; });
    if (count > 0 || os::monotonic_now() >= deadline) return static_cast<int>(count);
  }
}

}  // namespace baton::endpoint
