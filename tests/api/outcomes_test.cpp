// SPDX-License-Identifier: MIT
// Every outcome of a move through the C++ API, in each style: the scenarios of the seed.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "api/stage.hpp"

namespace baton::test {
namespace {

class Outcomes : public ::testing::TestWithParam<const Style*> {
 protected:
  void expect(Serves who, const Stage::ListenerRole& listener, const Stage::ServerRole& server, int family = AF_INET) {
    EXPECT_EQ(stage.play(style, family, who, listener, server), "");
  }
  Incoming next_offer(Link& link) const { return got(style.await_offer(link, patience)); }

  const Style& style = *GetParam();
  Stage stage;
};

TEST_P(Outcomes, TakenWithTheOctetsReadBefore) {
  for (const int family : {AF_INET, AF_INET6}) {
    expect(
        Serves::Server,
        [&](Link& link, Connection connection) {
          const std::string begin = read_octets(connection, 2);
          const auto peer = got(connection.peer_address());
          stage.reply.send(peer.port());
          stage.reply.send(got(connection.position()).consumed);
          const auto moved = got(style.offer(link, std::move(connection), begin, patience));
          require(!connection.is_open(), "the connection has been taken away");
          require(moved.server == got(link.partner()).process, "the outcome names the server");
          stage.reply.send(moved.id);
        },
        [&](Link& link) {
          auto offer = next_offer(link);
          require(text_of(offer.already_read()) == "he", "what L has read comes along");
          require(offer.family() == family, "the offer says of which family it is");
          require(got(offer.peer_address()).port() == stage.reply.receive(), "... and who the client is");
          const std::uint64_t id = offer.id();
          auto connection = got(style.accept(link, std::move(offer), patience));
          require(got(connection.position()).consumed == stage.reply.receive(), "the position goes on where L stopped");
          serve(connection, 'S', "he");
          require(id == stage.reply.receive(), "both sides know the move by the same number");
        },
        family);
  }
}

TEST_P(Outcomes, AnIsoConnectionIsTaken) {
  expect(
      Serves::Server,
      [&](Link& link, Connection connection) {
        // A TSDU comes whole or not at all: none of it is read here.
        (void)got(style.offer(link, std::move(connection), {}, patience));
      },
      [&](Link& link) {
        auto offer = next_offer(link);
        require(offer.family() == AF_ISO && got(offer.local_address()).selector() == Selector{"front"},
                "an ISO end point");
        auto connection = got(style.accept(link, std::move(offer), patience));
        refused(connection.position(), EOPNOTSUPP);
        serve(connection, 'S');
      },
      AF_ISO);
}

TEST_P(Outcomes, RefusedWithAReason) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        auto result = style.offer(link, std::move(connection), {}, patience);
        require(!result && result.error().refusal == Refusal::Busy, "the reason comes along");
        connection = given_back(std::move(result), ECONNABORTED);
        auto again = style.offer(link, std::move(connection), {}, patience);
        require(!again && again.error().refusal == static_cast<Refusal>(-77), "a reason of the program's own too");
        connection = given_back(std::move(again), ECONNABORTED);
        serve(connection, 'L');
      },
      [&](Link& link) {
        got(next_offer(link).refuse(Refusal::Busy, patience));
        got(next_offer(link).refuse(static_cast<Refusal>(-77), patience));
        refused(style.await_offer(link, patience), ECONNRESET);
      });
}

TEST_P(Outcomes, AnOfferThatIsDroppedIsRefused) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        auto result = style.offer(link, std::move(connection), {}, patience);
        require(!result && result.error().refusal == Refusal::NoReason, "refused without a reason");
        connection = given_back(std::move(result), ECONNABORTED);
        serve(connection, 'L');
      },
      [&](Link& link) {
        {
          const auto dropped = next_offer(link);
        }
        refused(style.await_offer(link, patience), ECONNRESET);
      });
}

TEST_P(Outcomes, DeclinedAfterTheAnswer) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        connection = given_back(style.offer(link, std::move(connection), {}, patience), ECONNABORTED);
        serve(connection, 'L');
      },
      [&](Link& link) {
        {
          const auto accepting = got(next_offer(link).begin_accept(patience));
          await_arrival(link);  // the call
        }
        refused(style.await_offer(link, patience), ECONNRESET);
      });
}

TEST_P(Outcomes, NoAnswerInTime) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        connection = given_back(style.offer(link, std::move(connection), {}, impatience), ETIMEDOUT);
        stage.reply.send(0);
        serve(connection, 'L');
      },
      [&](Link& link) {
        auto late = next_offer(link);
        (void)stage.reply.receive();
        refused(style.accept(link, std::move(late), patience), ECANCELED);
      });
}

TEST_P(Outcomes, NotCalledInTimeStaysWithTheListener) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        auto move = link.begin_offer(std::move(connection), {}, patience);
        require(move.has_value(), "the offer goes out");
        (void)stage.step.receive();
        connection = given_back(style.outcome(link, *move, patience), ECONNABORTED);
        serve(connection, 'L');
      },
      [&](Link& link) {
        refused(style.accept(link, next_offer(link), impatience), ETIMEDOUT);
        stage.step.send(0);
        refused(style.await_offer(link, patience), ECONNRESET);
      });
}

TEST_P(Outcomes, CalledOffByTheListener) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        auto move = link.begin_offer(std::move(connection), {}, patience);
        require(move && move->pending(), "the offer goes out");
        auto early = move->outcome(Deadline::now());
        require(!early && early.error().error.would_block() && !early.error().end_point.is_open(), "no outcome yet");
        move->cancel();
        connection = given_back(style.outcome(link, *move, patience), ECANCELED);
        require(!move->pending(), "it is over");
        stage.reply.send(0);
        serve(connection, 'L');
      },
      [&](Link& link) {
        (void)stage.reply.receive();
        refused(style.accept(link, next_offer(link), patience), ECANCELED);
        refused(style.await_offer(link, patience), ECONNRESET);
      });
}

TEST_P(Outcomes, NotTakenInTimeIsInDoubtUntilTheServerSpeaks) {
  constexpr std::uint64_t in_doubt = 0;
  constexpr std::uint64_t again = 1;
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        for (auto time = impatience;; time *= 2) {
          auto result = style.offer(link, std::move(connection), {}, time);
          require(!result && result.error().error.timed_out(), "it is not taken");
          if (!result.error().in_doubt) {  // not even answered: the server was slow
            connection = given_back(std::move(result), ETIMEDOUT);
            stage.reply.send(again);
            continue;
          }
          require(!result.error().end_point.is_open(), "nothing comes back");
          require(result.error().in_doubt->pending(), "the move is in doubt");
          stage.reply.send(in_doubt);
          connection = given_back(style.outcome(link, *result.error().in_doubt, patience), ECANCELED);
          return serve(connection, 'L');
        }
      },
      [&](Link& link) {
        for (;;) {
          auto accepting = next_offer(link).begin_accept(patience);
          const bool answered_in_time = stage.reply.receive() == in_doubt;
          if (!accepting) {
            require(!answered_in_time, "what is in doubt was answered");
            refused(accepting, ECANCELED);
            continue;
          }
          refused(accepting->take(patience), ECANCELED);
          require(!accepting->pending(), "nothing will come");
          if (answered_in_time) return refused(style.await_offer(link, patience), ECONNRESET);
        }
      });
}

TEST_P(Outcomes, AMoveInDoubtThatIsDroppedEndsByItself) {
  expect(
      Serves::Server,
      [&](Link& link, Connection connection) {
        {
          auto move = link.begin_offer(std::move(connection), {}, patience);
          require(move.has_value(), "the offer goes out");
          (void)stage.step.receive();
          auto early = move->outcome(Deadline::now());  // the answer, the data stop, the call
          require(!early && early.error().error.would_block(), "called, and in doubt");
        }
        stage.reply.send(0);
        (void)stage.step.receive();
      },
      [&](Link& link) {
        auto accepting = got(next_offer(link).begin_accept(patience));
        stage.step.send(0);
        (void)stage.reply.receive();
        auto connection = got(accepting.take(patience));
        serve(connection, 'S');
        stage.step.send(0);
      });
}

TEST_P(Outcomes, TheServerDiesBeforeTheAnswer) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        connection = given_back(style.offer(link, std::move(connection), {}, patience), ECONNRESET);
        serve(connection, 'L');
      },
      [&](Link& link) {
        const auto offer = next_offer(link);
        ::_exit(0);
      });
}

TEST_P(Outcomes, TheServerDiesBetweenAnswerAndCall) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        connection = given_back(style.offer(link, std::move(connection), {}, patience), ECONNRESET);
        serve(connection, 'L');
      },
      [&](Link& link) {
        const auto accepting = got(next_offer(link).begin_accept(patience));
        ::_exit(0);
      });
}

TEST_P(Outcomes, TheServerDiesAfterTheCall) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        connection = given_back(style.offer(link, std::move(connection), {}, patience), ECONNRESET);
        serve(connection, 'L');
      },
      [&](Link& link) {
        const auto accepting = got(next_offer(link).begin_accept(patience));
        await_arrival(link);
        ::_exit(0);
      });
}

TEST_P(Outcomes, TheListenerDiesBeforeTheCall) {
  expect(
      Serves::Nobody,
      [&](Link& link, Connection connection) {
        const auto move = link.begin_offer(std::move(connection), {}, patience);
        require(move.has_value(), "the offer goes out");
        (void)stage.step.receive();
        ::_exit(0);
      },
      [&](Link& link) {
        auto accepting = got(next_offer(link).begin_accept(patience));
        stage.step.send(0);
        refused(accepting.take(patience), ECONNRESET);
      });
}

TEST_P(Outcomes, TheListenerDiesAfterTheCall) {
  expect(
      Serves::Server,
      [&](Link& link, Connection connection) {
        auto move = link.begin_offer(std::move(connection), {}, patience);
        (void)stage.step.receive();
        require(move && move->outcome(Deadline::now()).error().error.would_block(), "called");
        stage.reply.send(0);
        ::_exit(0);
      },
      [&](Link& link) {
        auto accepting = got(next_offer(link).begin_accept(patience));
        stage.step.send(0);
        (void)stage.reply.receive();
        auto connection = got(accepting.take(patience));
        serve(connection, 'S');
      });
}

/// A reader that the library knows nothing of.
void read_behind_its_back(int duplicate) {
  char octet = 0;
  require(::read(duplicate, &octet, 1) == 1 && octet == 'h', "the stream is read");
  ::close(duplicate);
}

TEST_P(Outcomes, TouchedDuringTheDataStopIsRefusedByTheServer) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        const int duplicate = checked(::dup(connection.native_handle()), "dup");
        std::thread reader{[&] {
          (void)stage.step.receive();
          read_behind_its_back(duplicate);
          stage.reply.send(0);
        }};
        connection = given_back(style.offer(link, std::move(connection), {}, patience), ECONNABORTED);
        reader.join();
        serve(connection, 'L', "h");
      },
      [&](Link& link) {
        auto accepting = got(next_offer(link).begin_accept(patience));
        await_arrival(link);
        stage.step.send(0);
        (void)stage.reply.receive();
        refused(accepting.take(patience), EUCLEAN);
        refused(style.await_offer(link, patience), ECONNRESET);
      });
}

TEST_P(Outcomes, TouchedAndTheServerDeadIsReset) {
  expect(
      Serves::Nobody,
      [&](Link& link, Connection connection) {
        const int duplicate = checked(::dup(connection.native_handle()), "dup");
        std::thread reader{[&] {
          (void)stage.step.receive();
          read_behind_its_back(duplicate);
          stage.reply.send(0);
        }};
        const auto result = style.offer(link, std::move(connection), {}, patience);
        reader.join();
        require(!result && result.error().error.number() == EUCLEAN, "touched");
        require(!result.error().end_point.is_open() && !result.error().in_doubt, "nothing comes back");
      },
      [&](Link& link) {
        const auto accepting = got(next_offer(link).begin_accept(patience));
        await_arrival(link);
        stage.step.send(0);
        (void)stage.reply.receive();
        ::_exit(0);
      });
}

TEST_P(Outcomes, TheLinkIsClosedInOrder) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        connection = given_back(style.offer(link, std::move(connection), {}, patience), ECONNABORTED);
        connection = given_back(style.offer(link, std::move(connection), {}, patience), ECONNRESET);
        serve(connection, 'L');
      },
      [&](Link& link) {
        await_arrival(link);
        link.close();  // what was not taken is refused
        require(!link.is_open(), "closed");
        refused(link.await_offer(patience), EBADF);
      });
}

TEST_P(Outcomes, ADescriptorTableThatIsFullLosesNothing) {
  expect(
      Serves::Server,
      [&](Link& link, Connection connection) { (void)got(style.offer(link, std::move(connection), {}, patience)); },
      [&](Link& link) {
        await_arrival(link);
        rlimit limit{};
        checked(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
        const int lowest = checked(::dup(0), "dup");
        ::close(lowest);
        const rlimit full{static_cast<rlim_t>(lowest), limit.rlim_max};
        checked(::setrlimit(RLIMIT_NOFILE, &full), "setrlimit");
        refused(link.await_offer(patience), EMFILE);
        checked(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
        auto connection = got(style.accept(link, next_offer(link), patience));
        serve(connection, 'S');
      });
}

TEST_P(Outcomes, UserDataGoesBothWaysAndKeepsItsPlace) {
  expect(
      Serves::Server,
      [&](Link& link, Connection connection) {
        require(got(style.send(link, "what follows is for you", patience)) == 23, "sent whole");
        auto move = link.begin_offer(std::move(connection), {}, patience);
        require(move.has_value(), "the offer goes out");
        (void)stage.step.receive();  // the reply stands in front of the answer
        auto blocked = move->outcome(patience);
        require(!blocked && blocked.error().error.number() == ENOMSG && move->pending(), "user data comes first");
        std::array<std::byte, 64> room;
        const auto came = got(style.receive(link, room, patience));
        require(text_of(std::span{room}.first(came.size)) == "thanks" && came.end_of_message, "a message, whole");
        (void)got(style.outcome(link, *move, patience));
      },
      [&](Link& link) {
        await_arrival(link);
        refused(link.await_offer(patience), ENOMSG);
        require(got(link.pending()) > 0, "something waits");
        std::array<std::byte, 8> room;  // a message that comes in parts
        std::string text;
        for (Received part{}; !part.end_of_message;) {
          part = got(style.receive(link, room, patience));
          text += text_of(std::span{room}.first(part.size));
        }
        require(text == "what follows is for you", "every part in order");
        require(got(style.send(link, "thanks", patience)) == 6, "sent");
        auto accepting = got(next_offer(link).begin_accept(patience));
        stage.step.send(0);
        auto connection = got(accepting.take(patience));
        serve(connection, 'S');
      });
}

TEST_P(Outcomes, ExpressTakesWithOctetsAndRunsOutOfCredit) {
  expect(
      Serves::Server,
      [&](Link& link, Connection connection) {
        const std::string begin = read_octets(connection, 4);
        Outgoing one{std::move(connection), begin};
        refused(link.give({&one, 1}, Deadline::now()), EWOULDBLOCK);
        require(one.connection.is_open(), "without credit it stays");
        refused(link.outcomes(Deadline::now()), ENOENT);
        stage.reply.send(0);
        require(got(style.give(link, {&one, 1}, patience)) == 1 && !one.connection.is_open(), "on its way");
        const auto outcomes = got(style.outcomes(link, patience));
        require(outcomes.size() == 1 && outcomes[0].moved() && outcomes[0].id == one.id, "moved");
        require(!outcomes[0].connection.is_open(), "nothing comes back");
      },
      [&](Link& link) {
        (void)stage.reply.receive();
        require(got(link.credit(1)) == 1, "one is held");
        auto taken = got(style.take(link, patience));
        require(taken.size() == 1 && text_of(taken[0].already_read) == "hell", "its octets come along");
        serve(taken[0].connection, 'S', "hell");
      });
}

TEST_P(Outcomes, ExpressGivesBackWhenTheServerDies) {
  expect(
      Serves::Listener,
      [&](Link& link, Connection connection) {
        Outgoing one{std::move(connection)};
        require(got(style.give(link, {&one, 1}, patience)) == 1, "on its way");
        stage.reply.send(0);
        auto outcomes = got(style.outcomes(link, patience));
        require(outcomes.size() == 1 && outcomes[0].error && outcomes[0].error->ended(), "the link has ended");
        serve(outcomes[0].connection, 'L');
      },
      [&](Link& link) {
        (void)got(link.credit(1));
        (void)stage.reply.receive();
        ::_exit(0);
      });
}

TEST_P(Outcomes, TwoMovesOnOneLinkAreToldApart) {
  // The second answer comes first: who waits for the first one sleeps until it is there.
  expect(
      Serves::Server,
      [&](Link& link, Connection connection) {
        auto front = got(Listener::listen(Address::loopback(0)));
        auto other_client = got(Connection::connect(got(front.local_address()), patience));
        auto first = link.begin_offer(got(style.accept(front, patience)), {}, patience);
        auto second = link.begin_offer(std::move(connection), {}, patience);
        require(first && second, "both go out");
        auto back = given_back(style.outcome(link, *first, patience), ECONNABORTED);
        (void)got(style.outcome(link, *second, patience));
        require(got(back.peer_address()) == got(other_client.local_address()), "each its own");
      },
      [&](Link& link) {
        auto first = next_offer(link);
        auto accepting = got(next_offer(link).begin_accept(patience));
        got(std::move(first).refuse(Refusal::Busy, patience));
        auto connection = got(accepting.take(patience));
        serve(connection, 'S');
      });
}

INSTANTIATE_TEST_SUITE_P(Api, Outcomes, ::testing::ValuesIn(styles()),
                         [](const auto& style) { return style.param->name(); });

}  // namespace
}  // namespace baton::test
