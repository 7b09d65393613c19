// SPDX-License-Identifier: MIT
// baton: baton/asio_operations.hpp: what the operations of baton/asio.hpp do at each attempt; not for programs.
//
// Each is a body of detail::Running: attempt() goes on as far as it can without waiting, stop() ends it as it is.
// Threads: as an object of Asio: one at a time, by a strand or by a single thread.
#ifndef BATON_ASIO_OPERATIONS_HPP
#define BATON_ASIO_OPERATIONS_HPP

#include <baton/asio_detail.hpp>
#include <baton/baton.hpp>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace baton::detail {

struct LinkWaiter final : Waiter {
  using Waiter::Waiter;
  ~LinkWaiter() override { detach(); }
  Link link;

 protected:
  std::size_t pending() const noexcept override { return link.is_open() ? link.pending().value_or(0) : 0; }
};
struct ListenerWaiter final : Waiter {
  ListenerWaiter(const asio::any_io_executor& executor, LinkListener its)
      : Waiter{executor}, listener{std::move(its)} {}
  ~ListenerWaiter() override { detach(); }
  LinkListener listener;
};

/// Nothing for this operation yet: nothing has come, or what stands in front is another one's.
inline bool later(const Error& error) noexcept {
  return error.would_block() || error.number() == ENOMSG || error.number() == EIO;
}

/// A call that gives its result at once, or later().
template <class Call>
struct Simple {
  using Result = std::invoke_result_t<Call&>;
  std::optional<Result> attempt(Attempted& attempted) {
    Result result = call();
    if (result || !later(result.error())) return result;
    attempted.wants_room = wants_room;
    return std::nullopt;
  }
  Result stop(Error why) { return std::unexpected{std::move(why)}; }

  Call call;
  bool wants_room = false;
};
template <class Call>
Simple(Call, bool) -> Simple<Call>;

struct Connects {
  using Result = std::expected<void, Error>;
  std::optional<Result> attempt(Attempted& attempted) {
    if (at->link.is_open()) return std::unexpected{Error{EISCONN, "this link is connected"}};
    if (!connecting) {
      auto begun = Link::begin_connect(server, own);
      if (!begun) return std::unexpected{begun.error()};
      connecting = std::move(*begun);
    }
    at->detach();  // before what fails is closed
    auto link = connecting->finish(Deadline::now());
    if (!link && !link.error().would_block()) return std::unexpected{link.error()};
    const int number = link ? link->native_handle() : connecting->native_handle();
    if (auto attached = at->attach(number); !attached) return std::unexpected{attached.error()};
    if (!link) {
      attempted.wants_room = connecting->events() == POLLOUT;
      return std::nullopt;
    }
    at->link = std::move(*link);
    return Result{};
  }
  Result stop(Error why) {
    if (connecting) at->detach();
    connecting.reset();
    return std::unexpected{std::move(why)};
  }

  LinkWaiter* at;
  Selector server;
  Selector own;
  std::optional<Connecting<Link>> connecting = std::nullopt;
};

struct Offers {
  using Result = std::expected<Moved, MoveFailure<Connection>>;
  std::optional<Result> attempt(Attempted& attempted) {
    attempted.wants_room = false;
    if (unfit) return stop(*unfit);
    if (!move) {
      auto begun = at->link.begin_offer(std::move(connection), already_read, Deadline::now());
      if (!begun) {
        connection = std::move(begun.error().end_point);
        if (!begun.error().error.would_block()) return stop(std::move(begun.error().error));
        attempted.wants_room = true;
        return std::nullopt;
      }
      move = std::move(*begun);
      attempted.advanced = true;
    }
    const bool called = move->in_doubt();
    auto outcome = move->outcome(Deadline::now());
    if (outcome || !move->pending()) return outcome;
    attempted.advanced = attempted.advanced || called != move->in_doubt();
    return std::nullopt;
  }
  /// Takes the end point back, if it is not called yet.
  Result stop(Error why) {
    if (!move) return std::unexpected{MoveFailure<Connection>{std::move(why), std::move(connection)}};
    move->cancel();
    auto outcome = move->outcome(Deadline::now());
    if (outcome) return outcome;
    MoveFailure<Connection> failure{std::move(why), std::move(outcome.error().end_point), outcome.error().refusal};
    if (move->pending()) failure.in_doubt = std::move(*move);
    return std::unexpected{std::move(failure)};
  }

  LinkWaiter* at;
  Connection connection;
  Octets already_read;
  std::optional<OutgoingMove<Connection>> move = std::nullopt;
  std::optional<Error> unfit = std::nullopt;
};

struct Accepts {
  using Result = std::expected<Connection, Error>;
  std::optional<Result> attempt(Attempted& attempted) {
    attempted.wants_room = false;
    if (!accepting) {
      auto begun = std::move(incoming).begin_accept(Deadline::now());
      if (!begun && !begun.error().would_block()) return std::unexpected{begun.error()};
      attempted.wants_room = !begun;
      if (!begun) return std::nullopt;
      accepting = std::move(*begun);
      attempted.advanced = true;
    }
    auto taken = accepting->take(Deadline::now());
    if (taken || !accepting->pending()) return taken;
    return std::nullopt;
  }
  /// What has not come yet stays with the listener.
  Result stop(Error why) {
    accepting.reset();
    return std::unexpected{std::move(why)};
  }

  Incoming incoming;
  std::optional<Accepting> accepting = std::nullopt;
};

struct Sends {
  using Result = std::expected<std::size_t, Error>;
  std::optional<Result> attempt(Attempted& attempted) {
    do {
      const auto taken = at->link.send(rest, Deadline::now());
      if (!taken && !taken.error().would_block()) return taken;
      attempted.wants_room = !taken;
      if (!taken) return std::nullopt;
      rest = rest.from(*taken);
      sent += *taken;
    } while (!rest.empty());
    return sent;
  }
  Result stop(Error why) {
    if (sent > 0) return sent;
    return std::unexpected{std::move(why)};
  }

  LinkWaiter* at;
  Octets rest;
  std::size_t sent = 0;
};

/// The group that the operations of an AsyncGroup have in common. Off, it takes no part in anything any more: what was
/// not held yet would open a new one, which a commit in the queue would move.
struct CommonGroup {
  explicit CommonGroup(const Link& link) noexcept : group{link} {}
  std::expected<void, Error> call_off() noexcept {
    off = true;
    return group.abort();
  }

  Group group;
  bool off = false;
};

template <class EndPoint>
struct Adds {
  using Result = std::expected<std::uint64_t, MoveFailure<EndPoint>>;
  std::optional<Result> attempt(Attempted& attempted) {
    if (unfit) return stop(*unfit);
    auto id = common->group.add(std::move(end_point), already_read, blob, Deadline::now());
    if (!id && later(id.error().error)) {
      end_point = std::move(id.error().end_point);
      return std::nullopt;
    }
    attempted.advanced = true;
    return id;
  }
  Result stop(Error why) { return std::unexpected{MoveFailure<EndPoint>{std::move(why), std::move(end_point)}}; }
  bool is_off() const noexcept { return common->off; }

  std::shared_ptr<CommonGroup> common;
  EndPoint end_point;
  Octets already_read;
  Octets blob;
  std::optional<Error> unfit = std::nullopt;
};

struct Commits {
  using Result = std::expected<void, Error>;
  std::optional<Result> attempt(Attempted&) {
    auto done = common->group.commit(Deadline::now());
    if (!done && later(done.error())) return std::nullopt;
    return done;
  }
  /// ECANCELED says of every commit that the group is off: so it is.
  Result stop(Error why) {
    if (why.number() == ECANCELED && !common->off) (void)common->call_off();
    return std::unexpected{std::move(why)};
  }
  bool is_off() const noexcept { return common->off; }

  std::shared_ptr<CommonGroup> common;
};

/// All of a group, by and by.
struct Settles {
  using Result = std::expected<std::vector<Outcome>, Error>;
  std::optional<Result> attempt(Attempted& attempted) {
    auto some = common->group.outcomes(Deadline::now());
    if (!some && !later(some.error())) return stop(std::move(some.error()));
    if (some) std::ranges::move(*some, std::back_inserter(all));
    attempted.advanced = some && !some->empty();
    if (common->group.size() > 0) return std::nullopt;
    return std::move(all);
  }
  Result stop(Error why) {
    if (!all.empty()) return std::move(all);
    return std::unexpected{std::move(why)};
  }

  std::shared_ptr<CommonGroup> common;
  std::vector<Outcome> all = {};
};

struct Collects {
  using Result = std::expected<void, Error>;
  std::optional<Result> attempt(Attempted& attempted) {
    const std::size_t before = group->items().size();
    auto done = group->collect(Deadline::now());
    attempted.advanced = group->items().size() != before;
    if (!done && later(done.error())) return std::nullopt;
    return done;
  }
  Result stop(Error why) {
    if (why.number() == ECANCELED) group->decline();
    return std::unexpected{std::move(why)};
  }

  std::shared_ptr<HeldGroup> group;
};

struct Readies {
  using Result = std::expected<std::vector<Taken>, Error>;
  std::optional<Result> attempt(Attempted&) {
    auto all = group->ready(Deadline::now());
    if (!all && later(all.error())) return std::nullopt;
    return all;
  }
  Result stop(Error why) {
    if (why.number() != ECANCELED) return std::unexpected{std::move(why)};
    // The commit may be here already.
    if (auto all = group->ready(Deadline::now()); all) return all;
    group->decline();
    return std::unexpected{std::move(why)};
  }

  std::shared_ptr<HeldGroup> group;
};

}  // namespace baton::detail
#endif
