// SPDX-License-Identifier: MIT
#include "api/style.hpp"

#include <poll.h>

namespace baton::test {
namespace {

class Blocking final : public Style {
 public:
  const char* name() const override { return "Blocking"; }
  std::expected<Link, Error> connect(const Selector& server, Deadline deadline) const override {
    return Link::connect(server, deadline);
  }
  std::expected<Link, Error> accept(LinkListener& listener, Deadline deadline) const override {
    return listener.accept(deadline);
  }
  std::expected<Connection, Error> accept(Listener& listener, Deadline deadline) const override {
    return listener.accept(deadline);
  }
  std::expected<Moved, MoveFailure<Connection>> offer(Link& link, Connection connection, Octets already_read,
                                                      Deadline deadline) const override {
    return link.offer(std::move(connection), already_read, deadline);
  }
  std::expected<Moved, MoveFailure<Connection>> outcome(Link&, OutgoingMove<Connection>& move,
                                                        Deadline deadline) const override {
    return move.outcome(deadline);
  }
  std::expected<Incoming, Error> await_offer(Link& link, Deadline deadline) const override {
    return link.await_offer(deadline);
  }
  std::expected<Connection, Error> accept(Link&, Incoming incoming, Deadline deadline) const override {
    return std::move(incoming).accept(deadline);
  }
  std::expected<std::size_t, Error> give(Link& link, std::span<Outgoing> moves, Deadline deadline) const override {
    return link.give(moves, deadline);
  }
  std::expected<std::vector<Outcome>, Error> outcomes(Link& link, Deadline deadline) const override {
    return link.outcomes(deadline);
  }
  std::expected<std::vector<Taken>, Error> take(Link& link, Deadline deadline) const override {
    return link.take(deadline);
  }
  std::expected<std::size_t, Error> send(Link& link, Octets message, Deadline deadline) const override {
    return link.send(message, deadline);
  }
  std::expected<Received, Error> receive(Link& link, std::span<std::byte> room, Deadline deadline) const override {
    return link.receive(room, deadline);
  }
};

class Polling final : public Style {
 public:
  const char* name() const override { return "Polling"; }
  std::expected<Link, Error> connect(const Selector& server, Deadline deadline) const override {
    auto connecting = Link::begin_connect(server);
    if (!connecting) return std::unexpected{connecting.error()};
    for (;;) {
      auto link = connecting->finish(Deadline::now());
      if (link || !link.error().would_block()) return link;
      if (!wait(connecting->native_handle(), connecting->events(), deadline)) return late();
    }
  }
  std::expected<Link, Error> accept(LinkListener& listener, Deadline deadline) const override {
    return loop(listener.native_handle(), POLLIN, deadline, [&] { return listener.accept(Deadline::now()); });
  }
  std::expected<Connection, Error> accept(Listener& listener, Deadline deadline) const override {
    return loop(listener.native_handle(), POLLIN, deadline, [&] { return listener.accept(Deadline::now()); });
  }
  std::expected<Moved, MoveFailure<Connection>> offer(Link& link, Connection connection, Octets already_read,
                                                      Deadline deadline) const override {
    auto move = link.begin_offer(std::move(connection), already_read, Deadline::now());
    if (!move) return std::unexpected{std::move(move.error())};
    auto ended = outcome(link, *move, deadline);
    if (ended || !move->pending()) return ended;
    move->cancel();
    auto cancelled = move->outcome(Deadline::now());
    if (cancelled) return cancelled;
    if (move->pending())
      ended.error().in_doubt = std::move(*move);
    else
      ended.error().end_point = std::move(cancelled.error().end_point);
    return ended;
  }
  std::expected<Moved, MoveFailure<Connection>> outcome(Link&, OutgoingMove<Connection>& move,
                                                        Deadline deadline) const override {
    for (;;) {
      auto ended = move.outcome(Deadline::now());
      if (ended || !ended.error().error.would_block()) return ended;
      if (!wait(move.native_handle(), POLLIN, deadline))
        return std::unexpected{MoveFailure<Connection>{late().error()}};
    }
  }
  std::expected<Incoming, Error> await_offer(Link& link, Deadline deadline) const override {
    return loop(link.native_handle(), POLLIN, deadline, [&] { return link.await_offer(Deadline::now()); });
  }
  std::expected<Connection, Error> accept(Link&, Incoming incoming, Deadline deadline) const override {
    auto accepting = std::move(incoming).begin_accept(Deadline::now());
    if (!accepting) return std::unexpected{accepting.error()};
    return loop(accepting->native_handle(), POLLIN, deadline, [&] { return accepting->take(Deadline::now()); });
  }
  std::expected<std::size_t, Error> give(Link& link, std::span<Outgoing> moves, Deadline deadline) const override {
    return loop(link.native_handle(), POLLIN, deadline, [&] { return link.give(moves, Deadline::now()); });
  }
  std::expected<std::vector<Outcome>, Error> outcomes(Link& link, Deadline deadline) const override {
    return loop(link.native_handle(), POLLIN, deadline, [&] { return link.outcomes(Deadline::now()); });
  }
  std::expected<std::vector<Taken>, Error> take(Link& link, Deadline deadline) const override {
    return loop(link.native_handle(), POLLIN, deadline, [&] { return link.take(Deadline::now()); });
  }
  std::expected<std::size_t, Error> send(Link& link, Octets message, Deadline deadline) const override {
    return loop(link.native_handle(), POLLOUT, deadline, [&] { return link.send(message, Deadline::now()); });
  }
  std::expected<Received, Error> receive(Link& link, std::span<std::byte> room, Deadline deadline) const override {
    return loop(link.native_handle(), POLLIN, deadline, [&] { return link.receive(room, Deadline::now()); });
  }

 private:
  static std::unexpected<Error> late() { return std::unexpected{Error{ETIMEDOUT, "the deadline of the loop"}}; }
  /// As an event loop does: nothing but poll(2).
  static bool wait(int number, short events, Deadline deadline) {
    pollfd entry{number, events, 0};
    return ::poll(&entry, 1, deadline.milliseconds()) > 0;
  }
  template <class Call>
  static auto loop(int number, short events, Deadline deadline, Call call) -> decltype(call()) {
    for (;;) {
      auto result = call();
      if (result || !result.error().would_block()) return result;
      if (!wait(number, events, deadline)) return late();
    }
  }
};

}  // namespace

const Style& blocking_style() {
  static const Blocking style;
  return style;
}
const Style& polling_style() {
  static const Polling style;
  return style;
}
std::vector<const Style*> styles() { return {&blocking_style(), &polling_style(), &asio_style()}; }

}  // namespace baton::test
