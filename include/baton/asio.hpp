// SPDX-License-Identifier: MIT
// baton: baton/asio.hpp: links for Asio (standalone, 1.22 or later): every call that waits, as an asynchronous
// operation.
//
//   baton::AsyncLink link{executor};
//   auto connected = co_await link.async_connect("work", use_awaitable);
//   auto moved = co_await link.async_offer(std::move(socket), 5s, use_awaitable);        // an asio::ip::tcp::socket
//   ... if (!moved) serve(baton::to_socket(executor, std::move(moved.error().end_point)));   // ... comes back
//
//   baton::AsyncGroup group{link};                 // a restart: all or nothing; the other side: AsyncHeldGroup
//   co_await group.async_add(std::move(acceptor), use_awaitable); ...
//   co_await group.async_commit(use_awaitable);
//
// Any completion token: coroutines, callbacks, use_future. Completion is with one std::expected, void(std::expected<T,
// Error>), and not with (error_code, T): a coroutine would make an exception of the error_code and drop the T beside
// it, and with it the connection that a failure gives back. Nothing here throws.
// Each operation takes a Deadline before its token, if wanted; it ends with ETIMEDOUT. Each can be cancelled by its
// cancellation slot, whatever the type: ECANCELED. An offer that ends so gives its end point back, or, if it was called
// already, failure.in_doubt: async_settle() waits for its end. What Octets and spans refer to lives until completion.
//
// A socket is taken out of the reactor before its end point moves, and what it had outstanding is cancelled.
// Connections come out as baton::Connection, which to_socket() registers: registration can fail, and what carries a
// connection must not.
// What stands in front of what an operation waits for (user data, an offer ...) is left to the operation for it: one
// that nobody begins holds all others up until their deadlines. Of those of one kind the first is served first; offers
// and settlements are independent.
// The death of a process of which a child still holds the link is seen within a second.
// Threads: as an object of Asio: one at a time, by a strand or by a single thread; no threads of its own.
#ifndef BATON_ASIO_HPP
#define BATON_ASIO_HPP

// 202100 is what g++ 12 says of -std=c++23. All else is left out, for its messages would bury this one.
#if __cplusplus < 202100L
#error "baton/asio.hpp needs C++23: compile with -std=c++23 (CMake: set(CMAKE_CXX_STANDARD 23))"
#else

#include <baton/asio_operations.hpp>

#include <asio/ip/tcp.hpp>

#include <baton/baton.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace baton {

/// The socket's descriptor, out of the reactor. EBADF: it is not open.
[[nodiscard]] inline std::expected<Connection, Error> from_socket(asio::ip::tcp::socket&& socket) {
  asio::error_code error;
  const int number = socket.is_open() ? socket.release(error) : -1;
  if (error) return std::unexpected{Error{error.value()}};
  if (number < 0) return std::unexpected{Error{EBADF, "the socket is not open"}};
  return Connection::adopt(number);
}

namespace detail {
inline std::expected<asio::ip::tcp, Error> protocol_of(std::expected<int, Error> family) {
  if (!family) return std::unexpected{family.error()};
  if (*family == AF_INET) return asio::ip::tcp::v4();
  if (*family == AF_INET6) return asio::ip::tcp::v6();
  return std::unexpected{Error{EAFNOSUPPORT, "only a TCP end point becomes a socket of Asio"}};
}
template <class Socket, class EndPoint>
std::expected<Socket, MoveFailure<EndPoint> > to_asio(const asio::any_io_executor& executor, EndPoint end_point) {
  const auto protocol = protocol_of(end_point.family());
  if (!protocol) return std::unexpected{MoveFailure<EndPoint>{protocol.error(), std::move(end_point)}};
  Socket socket{executor};
  asio::error_code error;
  socket.assign(*protocol, end_point.native_handle(), error);
  if (error) return std::unexpected{MoveFailure<EndPoint>{Error{error.value()}, std::move(end_point)}};
  (void)std::move(end_point).release();
  return socket;
}
}  // namespace detail

/// Registered with the executor's reactor. The failure has the Connection: EAFNOSUPPORT: an ISO end point; ENOMEM,
/// ENOSPC: the reactor has no room.
[[nodiscard]] inline std::expected<asio::ip::tcp::socket, MoveFailure<Connection> > to_socket(
    const asio::any_io_executor& executor, Connection connection) {
  return detail::to_asio<asio::ip::tcp::socket>(executor, std::move(connection));
}
/// The same of a TCP listener.
[[nodiscard]] inline std::expected<asio::ip::tcp::acceptor, MoveFailure<Listener> > to_acceptor(
    const asio::any_io_executor& executor, Listener listener) {
  return detail::to_asio<asio::ip::tcp::acceptor>(executor, std::move(listener));
}
[[nodiscard]] inline std::expected<Listener, Error> from_acceptor(asio::ip::tcp::acceptor&& acceptor) {
  asio::error_code error;
  const int number = acceptor.is_open() ? acceptor.release(error) : -1;
  if (error) return std::unexpected{Error{error.value()}};
  if (number < 0) return std::unexpected{Error{EBADF, "the acceptor is not open"}};
  return Listener::adopt(number);
}

namespace detail {
/// What moves of it, taken away from the caller.
inline std::expected<Connection, Error> to_end_point(Connection&& connection) { return std::move(connection); }
inline std::expected<Listener, Error> to_end_point(Listener&& listener) { return std::move(listener); }
inline std::expected<Connection, Error> to_end_point(asio::ip::tcp::socket&& socket) {
  return from_socket(std::move(socket));
}
inline std::expected<Listener, Error> to_end_point(asio::ip::tcp::acceptor&& acceptor) {
  return from_acceptor(std::move(acceptor));
}
}  // namespace detail

/// A Link and its executor. It begins closed; assign() or async_connect() opens it.
class AsyncLink {
 public:
  using executor_type = asio::any_io_executor;

  explicit AsyncLink(const executor_type& executor) : waiter_{std::make_shared<detail::LinkWaiter>(executor)} {}
  AsyncLink(AsyncLink&&) noexcept = default;
  AsyncLink& operator=(AsyncLink&& other) noexcept {
    if (this != &other) {
      close();
      waiter_ = std::move(other.waiter_);
    }
    return *this;
  }
  ~AsyncLink() { close(); }

  [[nodiscard]] executor_type get_executor() const { return waiter_->executor(); }
  [[nodiscard]] bool is_open() const noexcept { return waiter_ && waiter_->link.is_open(); }
  /// For the calls that do not wait: partner(), credit(), pending().
  [[nodiscard]] Link& link() noexcept { return waiter_->link; }
  /// Uses a link that is connected. Failed, it is still the caller's. EISCONN: there is one.
  [[nodiscard]] std::expected<void, Error> assign(Link&& link) {
    if (is_open()) return std::unexpected{Error{EISCONN, "this link is connected"}};
    if (auto attached = waiter_->attach(link.native_handle()); !attached) return attached;
    waiter_->link = std::move(link);
    return {};
  }
  /// Out of the reactor; what is outstanding ends, ECANCELED.
  [[nodiscard]] Link release() {
    waiter_->stop_all();
    waiter_->detach();
    return std::move(waiter_->link);
  }
  void close() noexcept {
    if (waiter_) release().close();
  }
  /// All that is outstanding ends, ECANCELED.
  void cancel() { waiter_->stop_all(); }

  /// -> std::expected<void, Error>: as Link::connect.
  template <class Token>
  auto async_connect(const Selector& server, Deadline deadline, Token&& token) {
    return start(detail::Kind::Connect, deadline, detail::Connects{waiter_.get(), server, {}},
                 std::forward<Token>(token));
  }
  template <class Token>
  auto async_connect(const Selector& server, Token&& token) {
    return async_connect(server, Deadline::never(), std::forward<Token>(token));
  }

  /// -> std::expected<Moved, MoveFailure<Connection>>: as Link::offer.
  template <class EndPoint, class Token>
    requires std::same_as<EndPoint, Connection> || std::same_as<EndPoint, asio::ip::tcp::socket>
  auto async_offer(EndPoint&& end_point, Octets already_read, Deadline deadline, Token&& token) {
    auto connection = detail::to_end_point(std::move(end_point));
    detail::Offers offer{waiter_.get(), {}, already_read};
    if (connection)
      offer.connection = std::move(*connection);
    else
      offer.unfit = connection.error();
    return start(detail::Kind::Each, deadline, std::move(offer), std::forward<Token>(token));
  }
  template <class EndPoint, class Token>
    requires std::same_as<EndPoint, Connection> || std::same_as<EndPoint, asio::ip::tcp::socket>
  auto async_offer(EndPoint&& end_point, Deadline deadline, Token&& token) {
    return async_offer(std::move(end_point), Octets{}, deadline, std::forward<Token>(token));
  }
  template <class EndPoint, class Token>
    requires std::same_as<EndPoint, Connection> || std::same_as<EndPoint, asio::ip::tcp::socket>
  auto async_offer(EndPoint&& end_point, Token&& token) {
    return async_offer(std::move(end_point), Octets{}, Deadline::never(), std::forward<Token>(token));
  }
  /// The end of a move that is under way: failure.in_doubt, or one that Link::begin_offer has begun. As async_offer.
  template <class Token>
  auto async_settle(OutgoingMove<Connection> move, Deadline deadline, Token&& token) {
    return start(detail::Kind::Each, deadline, detail::Offers{waiter_.get(), {}, {}, std::move(move)},
                 std::forward<Token>(token));
  }
  template <class Token>
  auto async_settle(OutgoingMove<Connection> move, Token&& token) {
    return async_settle(std::move(move), Deadline::never(), std::forward<Token>(token));
  }

  /// -> std::expected<Incoming, Error>: as Link::await_offer.
  template <class Token>
  auto async_await_offer(Deadline deadline, Token&& token) {
    auto call = [at = waiter_.get()] { return at->link.await_offer(Deadline::now()); };
    return start(detail::Kind::AwaitOffer, deadline, detail::Simple{call, false}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_await_offer(Token&& token) {
    return async_await_offer(Deadline::never(), std::forward<Token>(token));
  }
  /// -> std::expected<Connection, Error>: as Incoming::accept, of an offer of this link. Ended before it has come, the
  /// end point stays with the listener.
  template <class Token>
  auto async_accept_move(Incoming incoming, Deadline deadline, Token&& token) {
    return start(detail::Kind::Each, deadline, detail::Accepts{std::move(incoming)}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_accept_move(Incoming incoming, Token&& token) {
    return async_accept_move(std::move(incoming), Deadline::never(), std::forward<Token>(token));
  }

  /// -> std::expected<std::size_t, Error>: as Link::give: how many of the first are on their way. Waits for credit.
  template <class Token>
  auto async_give(std::span<Outgoing> moves, Deadline deadline, Token&& token) {
    auto call = [at = waiter_.get(), moves] { return at->link.give(moves, Deadline::now()); };
    return start(detail::Kind::Give, deadline, detail::Simple{call, false}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_give(std::span<Outgoing> moves, Token&& token) {
    return async_give(moves, Deadline::never(), std::forward<Token>(token));
  }
  /// -> std::expected<std::vector<Outcome>, Error>: as Link::outcomes.
  template <class Token>
  auto async_outcomes(Deadline deadline, Token&& token) {
    auto call = [at = waiter_.get()] { return at->link.outcomes(Deadline::now()); };
    return start(detail::Kind::Outcomes, deadline, detail::Simple{call, false}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_outcomes(Token&& token) {
    return async_outcomes(Deadline::never(), std::forward<Token>(token));
  }
  /// -> std::expected<std::vector<Taken>, Error>: as Link::take.
  template <class Token>
  auto async_take(Deadline deadline, Token&& token) {
    auto call = [at = waiter_.get()] { return at->link.take(Deadline::now()); };
    return start(detail::Kind::Take, deadline, detail::Simple{call, false}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_take(Token&& token) {
    return async_take(Deadline::never(), std::forward<Token>(token));
  }

  /// -> std::expected<std::size_t, Error>: one message, whole; fewer octets only where it was ended in between, and
  /// then the next one has to begin with the others.
  template <class Token>
  auto async_send(Octets message, Deadline deadline, Token&& token) {
    return start(detail::Kind::Send, deadline, detail::Sends{waiter_.get(), message}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_send(Octets message, Token&& token) {
    return async_send(message, Deadline::never(), std::forward<Token>(token));
  }
  /// -> std::expected<Received, Error>: as Link::receive.
  template <class Token>
  auto async_receive(std::span<std::byte> room, Deadline deadline, Token&& token) {
    auto call = [at = waiter_.get(), room] { return at->link.receive(room, Deadline::now()); };
    return start(detail::Kind::Receive, deadline, detail::Simple{call, false}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_receive(std::span<std::byte> room, Token&& token) {
    return async_receive(room, Deadline::never(), std::forward<Token>(token));
  }

 private:
  friend class AsyncGroup;
  friend class AsyncHeldGroup;

  template <class Body, class Token>
  auto start(detail::Kind kind, Deadline deadline, Body body, Token&& token) {
    return detail::start(std::shared_ptr<detail::Waiter>{waiter_}, kind, deadline, std::move(body),
                         std::forward<Token>(token));
  }

  std::shared_ptr<detail::LinkWaiter> waiter_;
};

/// A Group of an AsyncLink: called off when it goes uncommitted; an operation that is under way keeps it. Called off by
/// abort() or by a cancelled commit, it is off for good: every add and commit of it, under way or begun later, ends
/// with ECANCELED, and what was not held yet comes back in that failure. The next attempt is another AsyncGroup.
class AsyncGroup {
 public:
  explicit AsyncGroup(AsyncLink& link)
      : waiter_{link.waiter_}, common_{std::make_shared<detail::CommonGroup>(link.link())} {}

  /// -> std::expected<std::uint64_t, MoveFailure<Connection or Listener>>: as Group::add. In order, whether each is
  /// waited for or not; then the commit.
  template <class EndPoint, class Token>
    requires(!std::is_lvalue_reference_v<EndPoint>)
  auto async_add(EndPoint&& end_point, Octets already_read, Octets blob, Deadline deadline, Token&& token) {
    auto owned = detail::to_end_point(std::move(end_point));
    detail::Adds<typename decltype(owned)::value_type> add{common_, {}, already_read, blob};
    if (owned)
      add.end_point = std::move(*owned);
    else
      add.unfit = owned.error();
    return detail::start(std::shared_ptr<detail::Waiter>{waiter_}, detail::Kind::Give, deadline, std::move(add),
                         std::forward<Token>(token));
  }
  template <class EndPoint, class Token>
    requires(!std::is_lvalue_reference_v<EndPoint>)
  auto async_add(EndPoint&& end_point, Deadline deadline, Token&& token) {
    return async_add(std::move(end_point), Octets{}, Octets{}, deadline, std::forward<Token>(token));
  }
  template <class EndPoint, class Token>
    requires(!std::is_lvalue_reference_v<EndPoint>)
  auto async_add(EndPoint&& end_point, Token&& token) {
    return async_add(std::move(end_point), Deadline::never(), std::forward<Token>(token));
  }

  /// -> std::expected<void, Error>: as Group::commit. At its deadline nothing has changed; cancelled, the group is off.
  template <class Token>
  auto async_commit(Deadline deadline, Token&& token) {
    return detail::start(std::shared_ptr<detail::Waiter>{waiter_}, detail::Kind::Give, deadline,
                         detail::Commits{common_}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_commit(Token&& token) {
    return async_commit(Deadline::never(), std::forward<Token>(token));
  }
  /// What is held comes back by async_outcomes(). Does not wait. ENOENT: nothing is held, or it is committed already.
  std::expected<void, Error> abort() noexcept {
    waiter_->look_soon();
    return common_->call_off();
  }
  /// -> std::expected<std::vector<Outcome>, Error>: as Group::outcomes: of all that was added.
  template <class Token>
  auto async_outcomes(Deadline deadline, Token&& token) {
    return detail::start(std::shared_ptr<detail::Waiter>{waiter_}, detail::Kind::Outcomes, deadline,
                         detail::Settles{common_}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_outcomes(Token&& token) {
    return async_outcomes(Deadline::never(), std::forward<Token>(token));
  }
  /// End points whose outcome is not known.
  [[nodiscard]] std::size_t size() const noexcept { return common_->group.size(); }

 private:
  std::shared_ptr<detail::LinkWaiter> waiter_;
  std::shared_ptr<detail::CommonGroup> common_;
};

/// A HeldGroup of an AsyncLink: declined when it goes before async_ready() has succeeded.
class AsyncHeldGroup {
 public:
  explicit AsyncHeldGroup(AsyncLink& link) : waiter_{link.waiter_}, group_{std::make_shared<HeldGroup>(link.link())} {}

  /// -> std::expected<void, Error>: as HeldGroup::collect. Cancelled, the group is declined.
  template <class Token>
  auto async_collect(Deadline deadline, Token&& token) {
    return detail::start(std::shared_ptr<detail::Waiter>{waiter_}, detail::Kind::Take, deadline,
                         detail::Collects{group_}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_collect(Token&& token) {
    return async_collect(Deadline::never(), std::forward<Token>(token));
  }
  /// As HeldGroup: what has come so far, lives until async_ready() has completed.
  [[nodiscard]] std::vector<Held> items() const noexcept { return group_->items(); }
  [[nodiscard]] std::vector<Taken> others() noexcept { return group_->others(); }
  /// -> std::expected<std::vector<Taken>, Error>: as HeldGroup::ready. Cancelled, the group is declined.
  template <class Token>
  auto async_ready(Deadline deadline, Token&& token) {
    return detail::start(std::shared_ptr<detail::Waiter>{waiter_}, detail::Kind::Take, deadline,
                         detail::Readies{group_}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_ready(Token&& token) {
    return async_ready(Deadline::never(), std::forward<Token>(token));
  }
  /// Everything stays with the old process.
  void decline() noexcept { group_->decline(); }

 private:
  std::shared_ptr<detail::LinkWaiter> waiter_;
  std::shared_ptr<HeldGroup> group_;
};

/// A LinkListener and its executor.
class AsyncLinkListener {
 public:
  using executor_type = asio::any_io_executor;

  /// As LinkListener::listen.
  [[nodiscard]] static std::expected<AsyncLinkListener, Error> listen(const executor_type& executor, const Selector& at,
                                                                      int backlog = LinkListener::default_backlog) {
    auto listener = LinkListener::listen(at, backlog);
    if (!listener) return std::unexpected{listener.error()};
    return adopt(executor, std::move(*listener));
  }
  /// Failed, it is still the caller's.
  [[nodiscard]] static std::expected<AsyncLinkListener, Error> adopt(const executor_type& executor,
                                                                     LinkListener&& listener) {
    AsyncLinkListener made{std::make_shared<detail::ListenerWaiter>(executor, std::move(listener))};
    auto& waiter = *made.waiter_;
    if (auto attached = waiter.attach(waiter.listener.native_handle()); !attached) {
      listener = std::move(waiter.listener);
      return std::unexpected{attached.error()};
    }
    return made;
  }
  AsyncLinkListener(AsyncLinkListener&&) noexcept = default;
  AsyncLinkListener& operator=(AsyncLinkListener&& other) noexcept {
    if (this != &other) {
      close();
      waiter_ = std::move(other.waiter_);
    }
    return *this;
  }
  ~AsyncLinkListener() { close(); }

  [[nodiscard]] executor_type get_executor() const { return waiter_->executor(); }
  [[nodiscard]] LinkListener& listener() noexcept { return waiter_->listener; }
  /// What is outstanding ends, ECANCELED.
  void cancel() { waiter_->stop_all(); }
  /// Out of the reactor; what is outstanding ends, ECANCELED.
  [[nodiscard]] LinkListener release() {
    waiter_->stop_all();
    waiter_->detach();
    return std::move(waiter_->listener);
  }
  void close() noexcept {
    if (waiter_) release().close();
  }

  /// -> std::expected<AsyncLink, Error>: the next link, confirmed, with this object's executor.
  template <class Token>
  auto async_accept(Deadline deadline, Token&& token) {
    auto call = [at = waiter_.get()]() -> std::expected<AsyncLink, Error> {
      auto link = at->listener.accept(Deadline::now());
      if (!link) return std::unexpected{link.error()};
      AsyncLink made{at->executor()};
      if (auto assigned = made.assign(std::move(*link)); !assigned) return std::unexpected{assigned.error()};
      return made;
    };
    return detail::start(std::shared_ptr<detail::Waiter>{waiter_}, detail::Kind::Accept, deadline,
                         detail::Simple{call, false}, std::forward<Token>(token));
  }
  template <class Token>
  auto async_accept(Token&& token) {
    return async_accept(Deadline::never(), std::forward<Token>(token));
  }

 private:
  explicit AsyncLinkListener(std::shared_ptr<detail::ListenerWaiter> waiter) : waiter_{std::move(waiter)} {}
  std::shared_ptr<detail::ListenerWaiter> waiter_;
};

}  // namespace baton
#endif  // C++23
#endif
