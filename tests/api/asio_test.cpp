// SPDX-License-Identifier: MIT
// What baton/asio.hpp adds to the outcomes: many operations at once on one link, tokens, cancellation, and the end of
// an io_context in which operations wait.
#include <gtest/gtest.h>
#include <unistd.h>
#include <baton/asio.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include "api/stage.hpp"

namespace baton::test {
namespace {

using asio::use_awaitable;

constexpr std::size_t others = 50;

/// Accepts all offers; every third of them is refused. The last one is apart: they may come in another order.
asio::awaitable<void> take_all(AsyncLink& link, std::vector<Connection>& taken, Connection& last) {
  for (std::size_t i = 0; i <= others; ++i) {
    auto incoming = got(co_await link.async_await_offer(patience, use_awaitable));
    if (i < others && i % 3 == 0) {
      got(std::move(incoming).refuse(Refusal::Busy, patience));
      continue;
    }
    // All at once: the loop goes on while the end points come.
    link.async_accept_move(std::move(incoming), patience, [&taken, &last, i](auto connection) {
      (i < others ? taken.emplace_back() : last) = got(std::move(connection));
    });
  }
}

TEST(Asio, ManyOperationsOnOneLinkAndNoDescriptorLost) {
  const Stage stage;
  EXPECT_EQ(stage.play(
                asio_style(), AF_INET, Serves::Server,
                [&](Link& link, Connection connection) {
                  auto front = got(Listener::listen(Address::loopback(0)));
                  std::vector<Connection> clients;
                  asio::io_context context;
                  AsyncLink async{context.get_executor()};
                  got(async.assign(std::move(link)));
                  std::size_t moved = 0;
                  std::size_t back = 0;
                  const std::size_t before = open_descriptors(::getpid());
                  const auto count = [&](auto ended) {
                    if (ended)
                      ++moved;
                    else if (ended.error().refusal == Refusal::Busy && ended.error().end_point.is_open())
                      ++back;
                  };
                  for (std::size_t i = 0; i < others; ++i) {
                    clients.push_back(got(Connection::connect(got(front.local_address()), patience)));
                    auto socket = to_socket(context.get_executor(), got(front.accept(patience)));
                    require(socket.has_value(), "a socket of Asio");
                    async.async_offer(std::move(*socket), patience, count);
                    require(!socket->is_open(), "taken away");
                  }
                  async.async_offer(std::move(connection), patience, count);
                  // User data goes meanwhile, and its answer comes between the frames of the moves.
                  auto sent = async.async_send("all", patience, asio::use_future);
                  std::array<std::byte, 8> room;
                  auto came = async.async_receive(room, patience, asio::use_future);
                  context.run();
                  require(got(sent.get()) == 3 && got(came.get()).size == 4, "user data goes both ways");
                  require(moved + back == others + 1 && back == (others + 2) / 3, "each has its outcome");
                  clients.clear();
                  // A few more are the library's own, for its first move; one for each move would be many.
                  require(open_descriptors(::getpid()) < before + 8, "no descriptor is left behind");
                  (void)stage.step.receive();
                },
                [&](Link& link) {
                  asio::io_context context;
                  AsyncLink async{context.get_executor()};
                  got(async.assign(std::move(link)));
                  std::vector<Connection> taken;
                  Connection last;
                  asio::co_spawn(context, take_all(async, taken, last), asio::detached);
                  std::array<std::byte, 8> room;
                  async.async_receive(room, patience, [&](auto came) {
                    require(got(came).size == 3, "the message");
                    async.async_send("seen", patience, [](auto size) { require(got(size) == 4, "sent"); });
                  });
                  context.run();
                  require(taken.size() == others - (others + 2) / 3, "what was accepted has come");
                  serve(last, 'S');
                  stage.step.send(0);
                }),
            "");
}

TEST(Asio, ACancelledOfferGivesTheConnectionBack) {
  const Stage stage;
  EXPECT_EQ(stage.play(
                asio_style(), AF_INET, Serves::Listener,
                [&](Link& link, Connection connection) {
                  asio::io_context context;
                  AsyncLink async{context.get_executor()};
                  got(async.assign(std::move(link)));
                  asio::cancellation_signal signal;
                  std::optional<std::expected<Moved, MoveFailure<Connection>>> ended;
                  async.async_offer(std::move(connection),
                                    asio::bind_cancellation_slot(
                                        signal.slot(), [&](auto result) { ended.emplace(std::move(result)); }));
                  for (context.poll(); !stage.step.has_mail();) context.run_one_for(impatience);
                  require(!ended, "nobody has answered");
                  signal.emit(asio::cancellation_type::terminal);
                  context.run();
                  connection = given_back(std::move(*ended), ECANCELED);
                  stage.reply.send(0);
                  serve(connection, 'L');
                },
                [&](Link& link) {
                  auto late = got(link.await_offer(patience));
                  stage.step.send(0);
                  (void)stage.reply.receive();
                  refused(std::move(late).accept(patience), ECANCELED);
                }),
            "");
}

/// Owns the link on which it waits.
asio::awaitable<void> wait_for_ever(AsyncLink link, Connection connection, std::shared_ptr<int> kept) {
  link.async_await_offer([kept](auto) { fail("completed"); });
  (void)co_await link.async_offer(std::move(connection), use_awaitable);
  fail("completed");
}

TEST(Asio, OperationsGoWithTheirContext) {
  const Stage stage;
  EXPECT_EQ(stage.play(
                asio_style(), AF_INET, Serves::Nobody,
                [&](Link& link, Connection connection) {
                  const auto kept = std::make_shared<int>(0);
                  {
                    asio::io_context context;
                    AsyncLink async{context.get_executor()};
                    got(async.assign(std::move(link)));
                    asio::co_spawn(context, wait_for_ever(std::move(async), std::move(connection), kept),
                                   asio::detached);
                    for (context.poll(); !stage.step.has_mail();) context.run_one_for(impatience);
                  }
                  require(kept.use_count() == 1, "no handler is left");
                  stage.reply.send(0);
                },
                [&](Link& link) {
                  auto late = got(link.await_offer(patience));
                  stage.step.send(0);
                  (void)stage.reply.receive();  // nothing is answered before
                  require(!std::move(late).accept(patience), "the listener keeps it, and is gone");
                }),
            "");
}

}  // namespace
}  // namespace baton::test
