// SPDX-License-Identifier: MIT
// Groups in Asio: a listening socket with its queue and a connection, in coroutines; both outcomes, and every way in
// which a group ends before it commits.
#include <gtest/gtest.h>
#include <unistd.h>
#include <baton/asio.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <functional>
#include <string>

#include "api/belongings.hpp"

namespace baton::test {
namespace {

using asio::awaitable;
using asio::use_awaitable;

AsyncLink assigned(asio::io_context& context, Link& link) {
  AsyncLink async{context.get_executor()};
  got(async.assign(std::move(link)));
  return async;
}

/// Runs `role` with the link in Asio, to its end.
template <class Role>
void in_asio(Link& link, Role role) {
  asio::io_context context;
  AsyncLink async = assigned(context, link);
  bool ended = false;
  asio::co_spawn(
      context,
      [&]() -> awaitable<void> {
        co_await role(async);
        ended = true;
      },
      asio::detached);
  context.run();
  require(ended, "the role has come to its end");
}

/// As an application of Asio has them: acceptor and socket, of which one is read when it moves.
awaitable<void> add_all(AsyncLink& link, AsyncGroup& group, Belongings& all) {
  auto acceptor = to_acceptor(link.get_executor(), std::move(all.front));
  auto socket = to_socket(link.get_executor(), std::move(all.accepted));
  require(acceptor && socket, "end points of Asio");
  std::array<char, 8> room{};
  bool stopped = false;
  socket->async_read_some(asio::buffer(room), [&](asio::error_code error, std::size_t) {
    stopped = error == asio::error::operation_aborted;
  });
  co_await asio::post(link.get_executor(), use_awaitable);
  const std::string blob(200'000, 'b');  // goes in a memfd
  auto first = co_await group.async_add(std::move(*acceptor), Octets{}, "front", patience, use_awaitable);
  auto second = co_await group.async_add(std::move(*socket), "hel", blob, patience, use_awaitable);
  require(first && second && *first != *second, "both are held");
  require(!acceptor->is_open() && !socket->is_open() && group.size() == 2, "and taken away");
  require(stopped, "what the socket had outstanding is cancelled");
}

using AsioGroups = GroupsOfTwo;

TEST_F(AsioGroups, MoveTogetherWithTheirBlobs) {
  play(
      [&](Link& link) {
        Belongings all;
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          AsyncGroup group{async};
          co_await add_all(async, group, all);
          refused(co_await group.async_commit(Deadline::now(), use_awaitable), EWOULDBLOCK);
          stage.reply.send(0);
          got(co_await group.async_commit(patience, use_awaitable));
          all.expect_moved(got(co_await group.async_outcomes(patience, use_awaitable)));
        });
      },
      [&](Link& link) {
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          AsyncHeldGroup group{async};
          refused(co_await group.async_ready(patience, use_awaitable), EPROTO);
          got(co_await group.async_collect(patience, use_awaitable));
          (void)stage.reply.receive();
          const auto items = group.items();
          require(items.size() == 2 && items[0].listening && !items[1].listening, "a listener and a connection");
          require(text_of(items[0].blob) == "front" && items[1].blob.size() == 200'000, "their blobs");
          require(text_of(items[1].already_read) == "hel", "what was read of the client");
          auto taken = got(co_await group.async_ready(patience, use_awaitable));
          require(taken.size() == 2 && group.items().empty(), "both");
          // As end points of Asio.
          auto acceptor = to_acceptor(async.get_executor(), std::move(taken[0].listener));
          auto socket = to_socket(async.get_executor(), std::move(taken[1].connection));
          require(acceptor && socket, "end points of Asio");
          (void)co_await socket->async_write_some(asio::buffer("S", 1), use_awaitable);
          auto queued = co_await acceptor->async_accept(use_awaitable);
          (void)co_await queued.async_write_some(asio::buffer("Q", 1), use_awaitable);
        });
      });
}

TEST_F(AsioGroups, OperationsThatNobodyWaitsForKeepTheirOrder) {
  play(
      [](Link& link) {
        Belongings all;
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          AsyncGroup group{async};
          int added = 0;
          const auto count = [&](auto id) { added += id ? 1 : 0; };
          group.async_add(std::move(all.front), patience, count);
          group.async_add(std::move(all.accepted), patience, count);
          got(co_await group.async_commit(patience, use_awaitable));
          require(added == 2, "both before the commit");
          all.expect_moved(got(co_await group.async_outcomes(patience, use_awaitable)));
        });
      },
      [](Link& link) {
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          AsyncHeldGroup group{async};
          group.async_collect(patience, [](auto collected) { got(std::move(collected)); });
          auto taken = got(co_await group.async_ready(patience, use_awaitable));
          serve_both(taken[0].listener, taken[1].connection);
        });
      });
}

/// A group that the server ends: the commit says why, and everything comes back.
std::function<void(Link&)> keeps_all(int why) {
  return [why](Link& link) {
    Belongings all;
    in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
      AsyncGroup group{async};
      co_await add_all(async, group, all);
      refused(co_await group.async_commit(patience, use_awaitable), why);
      all.expect_back(got(co_await group.async_outcomes(patience, use_awaitable)));
      require(group.size() == 0, "nothing is left");
    });
  };
}

TEST_F(AsioGroups, ComeBackWhenTheServerDropsThem) {
  play(keeps_all(ECANCELED), [](Link& link) {
    in_asio(link, [](AsyncLink& async) -> awaitable<void> {
      {
        AsyncHeldGroup group{async};
        got(co_await group.async_collect(patience, use_awaitable));
      }
      refused(co_await async.async_await_offer(patience, use_awaitable), ECONNRESET);
    });
  });
}

TEST_F(AsioGroups, ComeBackWhenTheServerRefusesThem) {
  play(keeps_all(ECANCELED), [](Link& link) {
    in_asio(link, [](AsyncLink& async) -> awaitable<void> {
      AsyncHeldGroup group{async};
      got(co_await group.async_collect(patience, use_awaitable));
      group.decline();
      refused(co_await async.async_await_offer(patience, use_awaitable), ECONNRESET);
    });
  });
}

TEST_F(AsioGroups, OfBothEndsOneIsDeclinedAndTheOtherOneMoves) {
  play(
      [](Link& link) {
        require(got(link.credit(8)) == 8, "room");
        Belongings all;
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          AsyncGroup group{async};
          co_await add_all(async, group, all);
          AsyncHeldGroup others{async};
          got(co_await others.async_collect(patience, use_awaitable));
          others.decline();
          got(co_await group.async_commit(patience, use_awaitable));
          all.expect_moved(got(co_await group.async_outcomes(patience, use_awaitable)));
        });
      },
      [](Link& link) {
        Belongings all;
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          AsyncGroup group{async};
          co_await add_all(async, group, all);
          refused(co_await group.async_commit(patience, use_awaitable), ECANCELED);
          all.expect_back(got(co_await group.async_outcomes(patience, use_awaitable)));
          AsyncHeldGroup others{async};
          got(co_await others.async_collect(patience, use_awaitable));
          auto taken = got(co_await others.async_ready(patience, use_awaitable));
          serve_both(taken[0].listener, taken[1].connection);
        });
      });
}

TEST_F(AsioGroups, ComeBackWhenTheServerDiesBeforeItIsReady) {
  play(keeps_all(ECONNRESET), [](Link& link) {
    in_asio(link, [](AsyncLink& async) -> awaitable<void> {
      AsyncHeldGroup group{async};
      got(co_await group.async_collect(patience, use_awaitable));
      ::_exit(0);
    });
  });
}

TEST_F(AsioGroups, ComeBackWhenTheServerCancelsItsCollecting) {
  play(
      [&](Link& link) {
        Belongings all;
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          AsyncGroup group{async};
          co_await add_all(async, group, all);
          stage.reply.send(0);  // no commit: the server waits for more
          (void)stage.step.receive();
          refused(co_await group.async_commit(patience, use_awaitable), ECANCELED);
          all.expect_back(got(co_await group.async_outcomes(patience, use_awaitable)));
        });
      },
      [&](Link& link) {
        asio::io_context context;
        AsyncLink async = assigned(context, link);
        AsyncHeldGroup group{async};
        asio::cancellation_signal signal;
        std::optional<std::expected<void, Error>> ended;
        group.async_collect(asio::bind_cancellation_slot(signal.slot(), [&](auto result) { ended = result; }));
        for (context.poll(); group.items().size() < 2;) context.run_one_for(impatience);
        (void)stage.reply.receive();
        signal.emit(asio::cancellation_type::terminal);
        context.run();
        refused(*ended, ECANCELED);
        require(group.items().empty(), "nothing is held");
        stage.step.send(0);
        context.restart();
        async.async_await_offer(patience, [](auto offer) { refused(offer, ECONNRESET); });
        context.run();
      });
}

/// The server holds them and hears that they are off.
void holds_in_vain(const Stage& stage, Link& link) {
  in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
    AsyncHeldGroup group{async};
    got(co_await group.async_collect(patience, use_awaitable));
    stage.step.send(0);
    (void)stage.reply.receive();
    refused(co_await group.async_ready(patience, use_awaitable), ECANCELED);
    require(group.items().empty(), "nothing is held");
  });
}

TEST_F(AsioGroups, ComeBackWhenTheCommitIsCancelled) {
  play(
      [&](Link& link) {
        Belongings all;
        asio::io_context context;
        AsyncLink async = assigned(context, link);
        AsyncGroup group{async};
        asio::co_spawn(context, add_all(async, group, all), asio::detached);
        context.run();
        context.restart();
        asio::cancellation_signal signal;
        std::optional<std::expected<void, Error>> ended;
        group.async_commit(patience, asio::bind_cancellation_slot(signal.slot(), [&](auto result) { ended = result; }));
        for (context.poll(); !stage.step.has_mail();) context.run_one_for(impatience);
        require(!ended, "the server is not ready");
        signal.emit(asio::cancellation_type::terminal);
        group.async_outcomes(patience, [&](auto outcomes) { all.expect_back(got(std::move(outcomes))); });
        context.run();
        refused(*ended, ECANCELED);
        stage.reply.send(0);
      },
      [&](Link& link) { holds_in_vain(stage, link); });
}

TEST_F(AsioGroups, ComeBackWhenTheServerIsReadyAndCancelsIt) {
  play(
      [&](Link& link) {
        Belongings all;
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          AsyncGroup group{async};
          co_await add_all(async, group, all);
          refused(co_await group.async_commit(Deadline::now(), use_awaitable), EWOULDBLOCK);
          stage.reply.send(0);
          (void)stage.step.receive();
          refused(co_await group.async_commit(patience, use_awaitable), ECANCELED);
          all.expect_back(got(co_await group.async_outcomes(patience, use_awaitable)));
        });
      },
      [&](Link& link) {
        asio::io_context context;
        AsyncLink async = assigned(context, link);
        AsyncHeldGroup group{async};
        group.async_collect(patience, [](auto collected) { got(std::move(collected)); });
        context.run();
        context.restart();
        (void)stage.reply.receive();
        asio::cancellation_signal signal;
        std::optional<std::expected<std::vector<Taken>, Error>> ended;
        group.async_ready(
            asio::bind_cancellation_slot(signal.slot(), [&](auto result) { ended.emplace(std::move(result)); }));
        context.poll();
        require(!ended, "no commit");
        signal.emit(asio::cancellation_type::terminal);
        context.run();
        refused(*ended, ECANCELED);
        stage.step.send(0);
        context.restart();
        async.async_await_offer(patience, [](auto offer) { refused(offer, ECONNRESET); });
        context.run();
      });
}

TEST_F(AsioGroups, ComeBackWhenTheListenerCallsThemOff) {
  play(
      [&](Link& link) {
        Belongings all;
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          AsyncGroup group{async};
          co_await add_all(async, group, all);
          refused(co_await group.async_commit(impatience, use_awaitable), ETIMEDOUT);
          (void)stage.step.receive();
          got(group.abort());
          all.expect_back(got(co_await group.async_outcomes(patience, use_awaitable)));
          stage.reply.send(0);
        });
      },
      [&](Link& link) { holds_in_vain(stage, link); });
}

/// A group whose first end point is held, whose second one waits for credit, and whose commit waits for both.
struct HalfHeld {
  explicit HalfHeld(Link& link) : async{assigned(context, link)} {
    group.async_add(std::move(all.front), patience, [](auto added) { require(added.has_value(), "room for one"); });
    group.async_add(std::move(all.accepted), patience, [&](auto added) { comes_back(all.accepted, added); });
    group.async_commit(patience, asio::bind_cancellation_slot(signal.slot(), [&](auto result) { committed = result; }));
    for (context.poll(); group.size() == 0;) context.run_one_for(impatience);
  }
  template <class Added>
  void comes_back(Connection& place, Added& added) {
    require(!added && added.error().error.number() == ECANCELED, "the group is off");
    place = std::move(added.error().end_point);
    require(place.is_open(), "it comes back");
  }
  /// It is off, and the server has room by now.
  void ends() {
    context.restart();
    group.async_outcomes(patience, [&](auto outcomes) {
      auto known = got(std::move(outcomes));
      require(known.size() == 1 && !known[0].moved(), "only the first was held, and comes back");
      all.front = std::move(known[0].listener);
    });
    context.run();
    require(committed.has_value(), "the commit has ended");
    refused(*committed, ECANCELED);
    require(group.size() == 0, "nothing is held");
    all.expect_to_serve();
  }

  Belongings all;
  asio::io_context context;
  AsyncLink async;
  AsyncGroup group{async};
  asio::cancellation_signal signal;
  std::optional<std::expected<void, Error>> committed;
};
/// The server, which has room for the second one when the group is off.
void has_room_too_late(const Stage& stage, Link& link) {
  (void)stage.reply.receive();
  (void)got(link.credit(8));
  stage.step.send(0);
  HeldGroup group{link};
  refused(group.collect(patience), ECANCELED);
  refused(link.await_offer(patience), ECONNRESET);
}

TEST_F(AsioGroups, WhatWaitsForCreditIsCalledOffWithTheGroup) {
  play(
      [&](Link& link) {
        HalfHeld half{link};
        got(half.group.abort());
        stage.reply.send(0);
        (void)stage.step.receive();
        half.ends();
      },
      [&](Link& link) { has_room_too_late(stage, link); }, 1);
}

TEST_F(AsioGroups, WhatWaitsForCreditIsCalledOffWithTheCommit) {
  play(
      [&](Link& link) {
        HalfHeld half{link};
        half.signal.emit(asio::cancellation_type::terminal);
        half.context.poll();
        require(half.committed.has_value(), "the commit has ended");
        stage.reply.send(0);
        (void)stage.step.receive();
        half.ends();
      },
      [&](Link& link) { has_room_too_late(stage, link); }, 1);
}

TEST_F(AsioGroups, CalledOffTheyTakeNothingAnyMore) {
  play(
      [&](Link& link) {
        HalfHeld half{link};
        got(half.group.abort());
        half.context.poll();
        require(half.all.accepted.is_open() && half.committed, "at once: without credit, or a call for outcomes");
        stage.reply.send(0);
        (void)stage.step.receive();
        half.ends();
        half.context.restart();
        half.group.async_add(std::move(half.all.accepted), patience,
                             [&](auto added) { half.comes_back(half.all.accepted, added); });
        half.group.async_commit(patience, [](auto committed) { refused(committed, ECANCELED); });
        half.context.run();
        require(half.all.accepted.is_open(), "it is back");
      },
      [&](Link& link) { has_room_too_late(stage, link); }, 1);
}

TEST_F(AsioGroups, WhatStandsBehindAnotherGiveIsCalledOffAtOnce) {
  play(
      [&](Link& link) {
        asio::io_context context;
        AsyncLink async = assigned(context, link);
        Belongings all;
        std::array<Outgoing, 1> alone{Outgoing{std::move(all.accepted)}};
        asio::cancellation_signal signal;
        bool given = false;
        async.async_give(alone, patience, asio::bind_cancellation_slot(signal.slot(), [&](auto result) {
                           refused(result, ECANCELED);
                           given = true;
                         }));
        AsyncGroup group{async};
        group.async_add(std::move(all.front), patience, [&](auto added) {
          require(!added && added.error().error.number() == ECANCELED, "the group is off");
          all.front = std::move(added.error().end_point);
        });
        context.poll();
        refused(group.abort(), ENOENT);  // nothing is held
        context.poll();
        require(all.front.is_open() && !given, "the other one waits on");
        signal.emit(asio::cancellation_type::terminal);
        context.run();
        all.accepted = std::move(alone[0].connection);
        all.expect_to_serve();
      },
      [&](Link& link) { refused(link.await_offer(patience), ECONNRESET); }, 0);
}

TEST_F(AsioGroups, WhatCannotBeHeldComesBackAtOnce) {
  play(
      [&](Link& link) {
        in_asio(link, [&](AsyncLink& async) -> awaitable<void> {
          (void)stage.step.receive();  // the server has announced its room
          AsyncGroup group{async};
          auto one = got(Listener::listen(Address::loopback(0)));
          const std::string much(Link::max_already_read + 1, 'x');
          auto added = co_await group.async_add(std::move(one), much, Octets{}, patience, use_awaitable);
          require(!added && added.error().error.number() == EMSGSIZE, "too much was read");
          require(added.error().end_point.is_open(), "it comes back");
          asio::ip::tcp::socket closed{async.get_executor()};
          auto none = co_await group.async_add(std::move(closed), patience, use_awaitable);
          require(!none && none.error().error.number() == EBADF, "a socket that is not open");
          refused(co_await group.async_commit(patience, use_awaitable), ENOENT);
          stage.reply.send(0);
        });
      },
      [&](Link&) {
        stage.step.send(0);
        (void)stage.reply.receive();
      });
}

}  // namespace
}  // namespace baton::test
