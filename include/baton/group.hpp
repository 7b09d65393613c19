// SPDX-License-Identifier: MIT
// baton: baton/group.hpp: end points that move together or not at all: for a restart under load.
//
//   old process, L                                      new process, S
//   Group group{link};                                  HeldGroup group{link};
//   group.add(std::move(listener));                     group.collect();           // all have come, parked
//   group.add(std::move(connection), octets, blob);     ... make ready ...
//   group.commit();       // waits for "ready"          group.ready();             // Connections and Listeners
//
// Invariant: until the commit everything is L's: if S dies, declines, drops its HeldGroup or cannot take a single one,
// all of it comes back by outcomes(); if L dies or drops its Group before it, S gets nothing. One group at a time in
// each direction of a link. S announces room for all of it beforehand: Link::credit; a blob beyond 64 KiB needs one
// more. Threads: distinct objects are independent.
#ifndef BATON_GROUP_HPP
#define BATON_GROUP_HPP

#include <baton/soc.h>
#include <baton/connection.hpp>
#include <baton/deadline.hpp>
#include <baton/detail.hpp>
#include <baton/error.hpp>
#include <baton/express.hpp>
#include <baton/link.hpp>
#include <baton/listener.hpp>
#include <baton/octets.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace baton {

/// The old process's side.
class Group {
 public:
  explicit Group(const Link& link) noexcept : link_{link.handle_} {}
  Group(Group&& other) noexcept = default;
  Group& operator=(Group&&) = delete;
  /// Called off unless it was committed. What comes back waits at the link: Link::outcomes.
  ~Group() {
    if (link_ && open_) ::soc_abort(link_->get());
  }

  /// Adds an end point: its id, which the outcome brings. `already_read`: what was read of the client, up to 64 KiB;
  /// `blob`: what this program says of it, up to 16 MiB. Waits for credit alone. EWOULDBLOCK: none now; EOPNOTSUPP: the
  /// partner's baton knows no groups; ECANCELED, ECONNRESET: the group is off.
  template <class EndPoint>
    requires(std::same_as<EndPoint, Connection> || std::same_as<EndPoint, Listener>)
  [[nodiscard]] std::expected<std::uint64_t, MoveFailure<EndPoint>> add(
      EndPoint&& end_point, Octets already_read = {}, Octets blob = {},
      Deadline deadline = Deadline::never()) noexcept {
    soc_move move = detail::to_move(end_point.native_handle(), already_read, blob);
    const detail::Limit limit{deadline};
    if (detail::repeat([&] { return ::soc_hold(number(), &move, 1); }) < 0)
      return std::unexpected{MoveFailure<EndPoint>{Error::last(), std::move(end_point)}};
    (void)std::move(end_point).release();  // the library's now
    open_ = true;
    ++size_;
    return move.id;
  }
  /// End points whose outcome is not known.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Waits until S is ready, and moves all of it: outcomes() then says of each one how it went. ETIMEDOUT, EWOULDBLOCK:
  /// not ready yet, nothing has changed. Others (ECANCELED: S refused; ECONNRESET: it died): everything comes back by
  /// outcomes().
  [[nodiscard]] std::expected<void, Error> commit(Deadline deadline = Deadline::never()) noexcept {
    int done = 0;
    do {
      done = detail::repeat([&] { return ::soc_commit(number(), deadline.milliseconds()); });
    } while (done < 0 && errno == ETIMEDOUT && !deadline.passed());
    if (done == 0) {
      open_ = false;
      return {};
    }
    auto why = detail::failed();
    if (!why.error().would_block() && !why.error().timed_out()) open_ = false;
    return why;
  }
  /// Everything comes back by outcomes().
  std::expected<void, Error> abort() noexcept {
    open_ = false;
    if (::soc_abort(number()) < 0) return detail::failed();
    return {};
  }
  /// The outcomes of all that was added, and of what else was given on the link. At the deadline those that are known;
  /// size() then is not 0, and the call can be repeated. Fails only where not one is known.
  [[nodiscard]] std::expected<std::vector<Outcome>, Error> outcomes(Deadline deadline = Deadline::never()) noexcept {
    std::vector<Outcome> all;
    while (size_ > 0) {
      auto some = Link{link_}.outcomes(deadline);
      if (!some && all.empty()) return some;
      if (!some) break;
      size_ -= std::min(size_, some->size());
      std::ranges::move(*some, std::back_inserter(all));
    }
    return all;
  }

 private:
  [[nodiscard]] int number() const noexcept { return link_ ? link_->get() : -1; }

  std::shared_ptr<const detail::Handle> link_;
  std::size_t size_ = 0;
  bool open_ = false;
};

/// One end point of a group that is not committed yet.
struct Held {
  std::uint64_t id = 0;
  bool listening = false;  ///< a Listener
  std::span<const std::byte> already_read;
  std::span<const std::byte> blob;
};

/// The new process's side.
class HeldGroup {
 public:
  explicit HeldGroup(const Link& link) noexcept : link_{link.handle_} {}
  HeldGroup(HeldGroup&& other) noexcept = default;
  HeldGroup& operator=(HeldGroup&&) = delete;
  /// Declined unless ready() has succeeded.
  ~HeldGroup() {
    if (link_ && !parked_.empty()) ::soc_decline(link_->get());
  }

  /// Waits until all of the group has come. ETIMEDOUT, EWOULDBLOCK, ENOMSG: call again. ECANCELED, ECONNRESET: it is
  /// off. Express moves that come in between are taken: others().
  [[nodiscard]] std::expected<void, Error> collect(Deadline deadline = Deadline::never()) noexcept {
    while (!complete_) {
      auto arrivals = detail::take(number(), deadline, SOC_MOVES_MAX);
      if (!arrivals) return over(std::move(arrivals.error()));
      for (detail::Arrival& arrival : *arrivals) {
        if (arrival.ends_group())
          complete_ = true;
        else if (arrival.held())
          parked_.push_back(std::move(arrival));
        else
          others_.push_back(std::move(arrival).taken());
      }
    }
    return {};
  }
  /// What has come so far: lives until ready() or the end of this object.
  [[nodiscard]] std::vector<Held> items() const noexcept {
    std::vector<Held> items;
    for (const detail::Arrival& arrival : parked_)
      items.push_back(
          {arrival.move.id, arrival.move.kind == SOC_LISTENING, arrival.already_read, arrival.blob.octets()});
    return items;
  }
  [[nodiscard]] std::vector<Taken> others() noexcept { return std::exchange(others_, {}); }
  /// Everything stays with L.
  void decline() noexcept {
    if (link_) ::soc_decline(number());
    parked_.clear();  // closed: of a group that is committed already this gives each one back
    complete_ = false;
  }

  /// Says that this process has all it needs, and waits for the commit: the end points, in the order in which they were
  /// added; data flows at them. ETIMEDOUT, EWOULDBLOCK: call again. ECANCELED: L called it off or died; EPROTO: the
  /// group is not complete.
  [[nodiscard]] std::expected<std::vector<Taken>, Error> ready(Deadline deadline = Deadline::never()) noexcept {
    if (!complete_) return detail::failed(EPROTO, "the group has not come as a whole: collect it first");
    int usable = 0;
    do {
      usable = detail::repeat([&] { return ::soc_ready(number(), deadline.milliseconds()); });
    } while (usable < 0 && errno == ETIMEDOUT && !deadline.passed());
    if (usable < 0) {
      auto why = over(Error::last());
      return std::unexpected{std::move(why.error())};
    }
    std::vector<Taken> all;
    for (detail::Arrival& arrival : parked_) all.push_back(std::move(arrival).taken());
    parked_.clear();
    complete_ = false;
    return all;
  }

 private:
  [[nodiscard]] int number() const noexcept { return link_ ? link_->get() : -1; }
  std::expected<void, Error> over(Error why) noexcept {
    if (!why.would_block() && !why.timed_out() && why.number() != ENOMSG) {
      parked_.clear();
      complete_ = false;
    }
    return std::unexpected{std::move(why)};
  }

  std::shared_ptr<const detail::Handle> link_;
  std::vector<detail::Arrival> parked_;
  std::vector<Taken> others_;
  bool complete_ = false;
};

}  // namespace baton
#endif
