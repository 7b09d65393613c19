// SPDX-License-Identifier: MIT
// baton: baton/asio_detail.hpp: what baton/asio.hpp is made of: operations that wait for a descriptor; not for
// programs.
//
// Invariant: while operations wait, Asio holds a Wakeup of their Waiter: it waits for the descriptor, for a time, or
// for its turn. Where Asio drops it uncalled, as when the io_context goes, the operations go with it.
// Threads: as an object of Asio: one at a time, by a strand or by a single thread.
#ifndef BATON_ASIO_DETAIL_HPP
#define BATON_ASIO_DETAIL_HPP

#ifndef ASIO_STANDALONE
#define ASIO_STANDALONE
#endif
#include <poll.h>
#include <utility>  // before Asio, whose coroutines need it

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <baton/soc.h>
#include <baton/deadline.hpp>
#include <baton/detail.hpp>
#include <baton/error.hpp>

#include <algorithm>
#include <chrono>
#include <list>
#include <memory>
#include <optional>

namespace baton::detail {

/// Operations of a kind have an order: the first one has to end before the next one is tried. Those of Each have none.
enum class Kind : unsigned { Each, Connect, Accept, AwaitOffer, Take, Outcomes, Receive, Send, Give };

/// What an attempt says of itself.
struct Attempted {
  bool wants_room = false;  ///< it waits until the descriptor can be written to
  bool advanced = false;    ///< not at its end, but it has read or written something
};

class Operation {
 public:
  explicit Operation(Kind its_kind, Deadline until) noexcept : kind{its_kind}, deadline{until} {}
  virtual ~Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  /// Goes on as far as it can without waiting. True: it has completed.
  virtual bool attempt() = 0;
  /// Completes it as it is.
  virtual void stop(Error why) = 0;
  /// It is not attempted any more but stopped, ECANCELED, wherever it stands.
  [[nodiscard]] virtual bool is_off() const noexcept { return cancelled; }

  const Kind kind;
  const Deadline deadline;
  bool cancelled = false;
  Attempted last;
};

class Waiter;

/// The only form in which Asio has a Waiter.
class Wakeup {
 public:
  using Call = void (Waiter::*)(bool aborted);
  Wakeup(std::shared_ptr<Waiter> waiter, Call call) noexcept : waiter_{std::move(waiter)}, call_{call} {}
  Wakeup(Wakeup&&) noexcept = default;
  Wakeup& operator=(Wakeup&&) = delete;
  ~Wakeup();
  void operator()(asio::error_code error = {});

 private:
  std::shared_ptr<Waiter> waiter_;
  Call call_;
};

/// The operations of one descriptor, and the waiting for it.
class Waiter : public std::enable_shared_from_this<Waiter> {
 public:
  explicit Waiter(const asio::any_io_executor& executor) : descriptor_{executor}, timer_{executor} {}
  virtual ~Waiter() { detach(); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  [[nodiscard]] asio::any_io_executor executor() { return descriptor_.get_executor(); }

  /// Begins and ends to wait with the reactor for `number`, which stays its owner's.
  std::expected<void, Error> attach(int number) {
    asio::error_code error;
    descriptor_.assign(number, error);
    if (error) return std::unexpected{Error{error.value(), "Asio cannot wait for this descriptor"}};
    return {};
  }
  void detach() {
    if (descriptor_.is_open()) descriptor_.release();
  }

  void add(std::shared_ptr<Operation> operation) {
    operations_.push_back(std::move(operation));
    look_soon();
  }
  void cancel(Operation& operation) {
    operation.cancelled = true;
    look_soon();
  }
  /// Not from within the caller.
  void look_soon() {
    if (std::exchange(posted_, true)) return;
    asio::post(descriptor_.get_executor(), Wakeup{shared_from_this(), &Waiter::on_turn});
  }
  /// All complete, ECANCELED.
  void stop_all() {
    const auto all = std::exchange(operations_, {});
    for (const auto& each : all) each->stop(cancelled());
    rest();
  }
  /// They go without a word: so does the io_context.
  void abandon() noexcept { const auto all = std::exchange(operations_, {}); }

  static Error cancelled() { return Error{ECANCELED, "the operation was cancelled"}; }

 protected:
  /// Units that have been read of the descriptor already.
  [[nodiscard]] virtual std::size_t pending() const noexcept { return 0; }

 private:
  using Clock = Deadline::Clock;
  // It is ready, and yet there is nothing for anyone: the library has no room, or waits for a peer that reads.
  static constexpr std::chrono::milliseconds stalled_time{5};
  // What nobody here wants stands in front.
  static constexpr std::chrono::milliseconds unclaimed_time{50};
  // A process has died and its link lives on, held by a child of it: seen by looking, not on the descriptor.
  static constexpr std::chrono::seconds death_time{1};

  void on_turn(bool) {
    posted_ = false;
    look();
  }
  void on_readable(bool) {
    reading_ = false;
    look();
  }
  void on_writable(bool) {
    writing_ = false;
    look();
  }
  void on_time(bool aborted) {
    if (aborted) return;
    timing_ = false;
    look();
  }

  void look() {
    // One operation may read what another one waits for: again, until nothing changes any more.
    bool unclaimed = false;
    while (!operations_.empty()) {
      if (pass()) {
        unclaimed = false;
        continue;
      }
      // What there is now may just have come.
      if (unclaimed || !something_there()) break;
      unclaimed = true;
    }
    wait(unclaimed);
  }
  /// Tries all: whether anything has changed.
  bool pass() {
    const std::size_t before = pending();
    const bool changed = attempt_all(false);
    // Credit counts only after a give has missed it: who waits for it is the last one to read.
    return attempt_all(true) || changed || pending() != before;
  }
  bool attempt_all(bool giving) {
    unsigned waiting = 0;  // kinds whose first operation goes on waiting
    bool changed = false;
    for (auto at = operations_.begin(); at != operations_.end();) {
      Operation& operation = **at;
      const unsigned bit = operation.kind == Kind::Each ? 0 : 1U << static_cast<unsigned>(operation.kind);
      const bool its_turn = (operation.kind == Kind::Give) == giving;
      if (its_turn && settle(operation, (waiting & bit) == 0)) {
        at = operations_.erase(at);
        changed = true;
        continue;
      }
      if (its_turn) waiting |= bit;
      changed = changed || (its_turn && operation.last.advanced);
      ++at;
    }
    return changed;
  }
  /// Whether it has completed.
  static bool settle(Operation& operation, bool is_first) {
    operation.last.advanced = false;
    if (operation.is_off()) {
      operation.stop(cancelled());
      return true;
    }
    if (is_first && operation.attempt()) return true;
    if (!operation.deadline.passed()) return false;
    operation.stop(late(operation.deadline).error());
    return true;
  }

  [[nodiscard]] bool wants_room() const noexcept {
    return std::ranges::any_of(operations_, [](const auto& each) { return each->last.wants_room; });
  }
  [[nodiscard]] pollfd entry() {
    const int events = wants_room() ? POLLIN | POLLOUT : POLLIN;
    return {descriptor_.is_open() ? descriptor_.native_handle() : -1, static_cast<short>(events), 0};
  }
  /// As the library sees it, which reads all that has come, and looks for processes that have died.
  [[nodiscard]] bool something_there() {
    pollfd its = entry();
    return ::soc_poll_ms(&its, 1, 0) > 0;
  }
  [[nodiscard]] bool kernel_ready() {
    pollfd its = entry();
    return ::poll(&its, 1, 0) > 0;
  }
  void wait(bool unclaimed) {
    if (operations_.empty()) return rest();
    const bool giving = std::ranges::any_of(operations_, [](const auto& each) { return each->kind == Kind::Give; });
    const bool stalled = unclaimed && kernel_ready();
    Clock::time_point until = Clock::now();
    until += stalled ? stalled_time : unclaimed || giving ? unclaimed_time : death_time;
    for (const auto& each : operations_) until = std::min(until, each->deadline.at());
    if (!timing_ || timer_.expiry() > until) {
      timer_.expires_at(until);
      timing_ = true;
      timer_.async_wait(Wakeup{shared_from_this(), &Waiter::on_time});
    }
    if (stalled || !descriptor_.is_open()) return;
    using Descriptor = asio::posix::stream_descriptor;
    if (!std::exchange(reading_, true))
      descriptor_.async_wait(Descriptor::wait_read, Wakeup{shared_from_this(), &Waiter::on_readable});
    if (wants_room() && !std::exchange(writing_, true))
      descriptor_.async_wait(Descriptor::wait_write, Wakeup{shared_from_this(), &Waiter::on_writable});
  }
  /// Nothing is waited for: nothing keeps the io_context running.
  void rest() {
    asio::error_code ignored;
    if (reading_ || writing_) descriptor_.cancel(ignored);
    if (std::exchange(timing_, false)) timer_.cancel();
  }

  asio::posix::stream_descriptor descriptor_;
  asio::steady_timer timer_;
  std::list<std::shared_ptr<Operation>> operations_;
  bool reading_ = false;
  bool writing_ = false;
  bool timing_ = false;
  bool posted_ = false;
};

inline Wakeup::~Wakeup() {
  if (waiter_) waiter_->abandon();
}
inline void Wakeup::operator()(asio::error_code error) {
  const auto waiter = std::move(waiter_);
  (waiter.get()->*call_)(error == asio::error::operation_aborted);
}

/// A body with the handler that hears of its end. Body: Result; attempt(Attempted&) -> std::optional<Result>;
/// stop(Error) -> Result; is_off() -> bool, if something else than its own cancellation ends it.
template <class Body, class Handler>
class Running final : public Operation {
 public:
  Running(Kind its_kind, Deadline until, Body body, Handler handler, const asio::any_io_executor& executor)
      : Operation{its_kind, until},
        body_{std::move(body)},
        handler_{std::move(handler)},
        work_{asio::get_associated_executor(handler_, executor)} {}

  bool attempt() override {
    auto result = body_.attempt(last);
    if (!result) return false;
    complete(std::move(*result));
    return true;
  }
  void stop(Error why) override { complete(body_.stop(std::move(why))); }
  [[nodiscard]] bool is_off() const noexcept override {
    if constexpr (requires { body_.is_off(); }) return cancelled || body_.is_off();
    return cancelled;
  }
  [[nodiscard]] auto slot() const noexcept { return asio::get_associated_cancellation_slot(handler_); }

 private:
  /// Never from within the call that has begun it: by way of its executor.
  void complete(typename Body::Result result) {
    if (auto its_slot = slot(); its_slot.is_connected()) its_slot.clear();
    asio::post(work_.get_executor(), [handler = std::move(handler_), result = std::move(result)]() mutable {
      std::move(handler)(std::move(result));
    });
    work_.reset();
  }

  using HandlerExecutor = asio::associated_executor_t<Handler, asio::any_io_executor>;
  Body body_;
  Handler handler_;
  asio::executor_work_guard<HandlerExecutor> work_;
};

/// Begins an operation in the way the token asks for.
template <class Body, class Token>
auto start(std::shared_ptr<Waiter> waiter, Kind kind, Deadline deadline, Body body, Token&& token) {
  const auto begin = [](auto handler, std::shared_ptr<Waiter> at, Kind its_kind, Deadline until, Body its_body) {
    using Made = Running<Body, decltype(handler)>;
    auto made = std::make_shared<Made>(its_kind, until, std::move(its_body), std::move(handler), at->executor());
    if (auto slot = made->slot(); slot.is_connected())
      slot.assign([waits = std::weak_ptr{at}, weak = std::weak_ptr<Operation>{made}](asio::cancellation_type) {
        const auto its_waiter = waits.lock();
        const auto operation = weak.lock();
        if (its_waiter && operation) its_waiter->cancel(*operation);
      });
    at->add(std::move(made));
  };
  return asio::async_initiate<Token, void(typename Body::Result)>(begin, token, std::move(waiter), kind, deadline,
                                                                  std::move(body));
}

}  // namespace baton::detail
#endif
