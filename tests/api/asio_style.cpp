// SPDX-License-Identifier: MIT
#include <baton/asio.hpp>

#include <asio/io_context.hpp>

#include "api/style.hpp"

namespace baton::test {
namespace {

/// Runs one operation on a context of its own, to its end.
template <class Result, class Begin>
Result run(asio::io_context& context, Begin begin) {
  std::optional<Result> result;
  begin([&](Result ended) { result.emplace(std::move(ended)); });
  context.restart();
  context.run();  // ends: nothing is left behind that waits
  return std::move(*result);
}

/// A Link, for a while Asio's.
class Borrowed {
 public:
  explicit Borrowed(Link& link) : link_{link} { error_ = async.assign(std::move(link)); }
  ~Borrowed() {
    if (error_) link_ = async.release();
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  /// -> what Begin begins, or why the link could not be used.
  template <class Result, class Begin>
  Result operator()(Begin begin) {
    if (!error_) {
      if constexpr (std::is_same_v<typename Result::error_type, Error>)
        return std::unexpected{error_.error()};
      else
        return std::unexpected{typename Result::error_type{error_.error()}};
    }
    return run<Result>(context_, begin);
  }

 private:
  asio::io_context context_;
  Link& link_;
  std::expected<void, Error> error_;

 public:
  AsyncLink async{context_.get_executor()};
};

using Ended = std::expected<Moved, MoveFailure<Connection>>;

class InAsio final : public Style {
 public:
  const char* name() const override { return "Asio"; }
  std::expected<Link, Error> connect(const Selector& server, Deadline deadline) const override {
    asio::io_context context;
    AsyncLink link{context.get_executor()};
    auto done = run<std::expected<void, Error>>(
        context, [&](auto handler) { link.async_connect(server, deadline, std::move(handler)); });
    if (!done) return std::unexpected{done.error()};
    return link.release();
  }
  std::expected<Link, Error> accept(LinkListener& listener, Deadline deadline) const override {
    asio::io_context context;
    auto async = AsyncLinkListener::adopt(context.get_executor(), std::move(listener));
    if (!async) return std::unexpected{async.error()};
    auto link = run<std::expected<AsyncLink, Error>>(
        context, [&](auto handler) { async->async_accept(deadline, std::move(handler)); });
    listener = async->release();
    if (!link) return std::unexpected{link.error()};
    return link->release();
  }
  /// Asio's own acceptor, where it has one.
  std::expected<Connection, Error> accept(Listener& listener, Deadline deadline) const override {
    asio::io_context context;
    auto acceptor = to_acceptor(context.get_executor(), std::move(listener));
    if (!acceptor) {
      listener = std::move(acceptor.error().end_point);
      return listener.accept(deadline);
    }
    std::expected<Connection, Error> accepted = std::unexpected{Error{ECANCELED}};
    acceptor->async_accept([&](asio::error_code error, asio::ip::tcp::socket socket) {
      accepted = error ? std::unexpected{Error{error.value()}} : from_socket(std::move(socket));
    });
    context.run();
    auto back = from_acceptor(std::move(*acceptor));
    if (!back) return std::unexpected{back.error()};
    listener = std::move(*back);
    return accepted;
  }
  Ended offer(Link& link, Connection connection, Octets already_read, Deadline deadline) const override {
    Borrowed borrowed{link};
    auto socket = to_socket(borrowed.async.get_executor(), std::move(connection));
    return borrowed.operator()<Ended>([&](auto handler) {
      if (socket)
        borrowed.async.async_offer(std::move(*socket), already_read, deadline, std::move(handler));
      else
        borrowed.async.async_offer(std::move(socket.error().end_point), already_read, deadline, std::move(handler));
    });
  }
  Ended outcome(Link& link, OutgoingMove<Connection>& move, Deadline deadline) const override {
    Borrowed borrowed{link};
    auto ended = borrowed.operator()<Ended>(
        [&](auto handler) { borrowed.async.async_settle(std::move(move), deadline, std::move(handler)); });
    if (!ended && ended.error().in_doubt) move = std::move(*ended.error().in_doubt);
    return ended;
  }
  std::expected<Incoming, Error> await_offer(Link& link, Deadline deadline) const override {
    Borrowed borrowed{link};
    return borrowed.operator()<std::expected<Incoming, Error>>(
        [&](auto handler) { borrowed.async.async_await_offer(deadline, std::move(handler)); });
  }
  std::expected<Connection, Error> accept(Link& link, Incoming incoming, Deadline deadline) const override {
    Borrowed borrowed{link};
    return borrowed.operator()<std::expected<Connection, Error>>(
        [&](auto handler) { borrowed.async.async_accept_move(std::move(incoming), deadline, std::move(handler)); });
  }
  std::expected<std::size_t, Error> give(Link& link, std::span<Outgoing> moves, Deadline deadline) const override {
    Borrowed borrowed{link};
    return borrowed.operator()<std::expected<std::size_t, Error>>(
        [&](auto handler) { borrowed.async.async_give(moves, deadline, std::move(handler)); });
  }
  std::expected<std::vector<Outcome>, Error> outcomes(Link& link, Deadline deadline) const override {
    Borrowed borrowed{link};
    return borrowed.operator()<std::expected<std::vector<Outcome>, Error>>(
        [&](auto handler) { borrowed.async.async_outcomes(deadline, std::move(handler)); });
  }
  std::expected<std::vector<Taken>, Error> take(Link& link, Deadline deadline) const override {
    Borrowed borrowed{link};
    return borrowed.operator()<std::expected<std::vector<Taken>, Error>>(
        [&](auto handler) { borrowed.async.async_take(deadline, std::move(handler)); });
  }
  std::expected<std::size_t, Error> send(Link& link, Octets message, Deadline deadline) const override {
    Borrowed borrowed{link};
    return borrowed.operator()<std::expected<std::size_t, Error>>(
        [&](auto handler) { borrowed.async.async_send(message, deadline, std::move(handler)); });
  }
  std::expected<Received, Error> receive(Link& link, std::span<std::byte> room, Deadline deadline) const override {
    Borrowed borrowed{link};
    return borrowed.operator()<std::expected<Received, Error>>(
        [&](auto handler) { borrowed.async.async_receive(room, deadline, std::move(handler)); });
  }
};

}  // namespace

const Style& asio_style() {
  static const InAsio style;
  return style;
}

}  // namespace baton::test
