// SPDX-License-Identifier: MIT
// Groups through the C++ API: a listening socket with its queue and a connection, together or not at all.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "api/belongings.hpp"

namespace baton::test {
namespace {

constexpr std::size_t large = 200'000;  // octets of a blob that goes in a memfd

void add_all(Group& group, Belongings& all) {
  const auto added = [](const auto& result) {
    if (!result) fail(result.error().error.text());
  };
  added(group.add(std::move(all.front), {}, "front", patience));
  added(group.add(std::move(all.accepted), "hel", std::string(large, 'b'), patience));
  require(!all.front.is_open() && !all.accepted.is_open() && group.size() == 2, "both are held");
}

/// Everything has come back, and works.
void expect_back(Group& group, Belongings& all) {
  all.expect_back(got(group.outcomes(patience)));
  require(group.size() == 0, "nothing is left");
}

using Groups = GroupsOfTwo;

TEST_F(Groups, MoveTogetherWithTheirBlobs) {
  play(
      [&](Link& link) {
        Belongings all;
        Group group{link};
        add_all(group, all);
        refused(group.commit(Deadline::now()), EWOULDBLOCK);
        stage.reply.send(0);
        got(group.commit(patience));
        all.expect_moved(got(group.outcomes(patience)));
      },
      [&](Link& link) {
        HeldGroup group{link};
        refused(group.ready(patience), EPROTO);
        got(group.collect(patience));
        (void)stage.reply.receive();
        const auto items = group.items();
        require(items.size() == 2 && items[0].listening && !items[1].listening, "a listener and a connection");
        require(text_of(items[0].blob) == "front" && items[1].blob.size() == large, "their blobs");
        require(text_of(items[1].already_read) == "hel", "what was read of the client");
        auto taken = got(group.ready(patience));
        require(taken.size() == 2, "both");
        serve_both(taken[0].listener, taken[1].connection);
      });
}

TEST_F(Groups, ComeBackWhenTheServerDropsThem) {
  play(
      [](Link& link) {
        Belongings all;
        Group group{link};
        add_all(group, all);
        refused(group.commit(patience), ECANCELED);
        expect_back(group, all);
      },
      [&](Link& link) {
        {
          HeldGroup group{link};
          got(group.collect(patience));
        }
        refused(link.await_offer(patience), ECONNRESET);
      });
}

TEST_F(Groups, ComeBackWhenTheServerRefusesThem) {
  play(
      [](Link& link) {
        Belongings all;
        Group group{link};
        add_all(group, all);
        refused(group.commit(patience), ECANCELED);
        expect_back(group, all);
      },
      [](Link& link) {
        HeldGroup group{link};
        got(group.collect(patience));
        group.decline();
        require(group.items().empty(), "nothing is held");
        refused(link.await_offer(patience), ECONNRESET);
      });
}

/// Each end gives what it has and has what the other one gives, before either goes on.
void give_and_collect(Group& own, HeldGroup& others, Belongings& all, Mailbox& said, Mailbox& heard) {
  add_all(own, all);
  refused(own.commit(Deadline::now()), EWOULDBLOCK);
  got(others.collect(patience));
  said.send(0);
  (void)heard.receive();
}

TEST_F(Groups, OfBothEndsOneIsDeclinedAndTheOtherOneMoves) {
  for (const bool dropped : {false, true})
    play(
        [&](Link& link) {
          require(got(link.credit(8)) == 8, "room");
          Belongings all;
          Group group{link};
          {
            HeldGroup others{link};
            give_and_collect(group, others, all, stage.reply, stage.step);
            if (!dropped) others.decline();
          }
          got(group.commit(patience));
          all.expect_moved(got(group.outcomes(patience)));
        },
        [&](Link& link) {
          Belongings all;
          Group group{link};
          HeldGroup others{link};
          give_and_collect(group, others, all, stage.step, stage.reply);
          auto taken = got(others.ready(patience));
          serve_both(taken[0].listener, taken[1].connection);
          refused(group.commit(patience), ECANCELED);
          expect_back(group, all);
        });
}

TEST_F(Groups, OfBothEndsOneIsCalledOffAndTheOtherOneMoves) {
  play(
      [&](Link& link) {
        require(got(link.credit(8)) == 8, "room");
        Belongings all;
        HeldGroup others{link};
        {
          Group group{link};
          give_and_collect(group, others, all, stage.reply, stage.step);
        }  // called off
        all.expect_back(got(link.outcomes(patience)));
        auto taken = got(others.ready(patience));
        serve_both(taken[0].listener, taken[1].connection);
      },
      [&](Link& link) {
        Belongings all;
        Group group{link};
        HeldGroup others{link};
        give_and_collect(group, others, all, stage.step, stage.reply);
        refused(others.ready(patience), ECANCELED);
        got(group.commit(patience));
        all.expect_moved(got(group.outcomes(patience)));
      });
}

TEST_F(Groups, ComeBackWhenTheServerDiesBeforeItIsReady) {
  play(
      [](Link& link) {
        Belongings all;
        Group group{link};
        add_all(group, all);
        refused(group.commit(patience), ECONNRESET);
        expect_back(group, all);
      },
      [](Link& link) {
        HeldGroup group{link};
        got(group.collect(patience));
        ::_exit(0);
      });
}

TEST_F(Groups, ComeBackWhenTheListenerCallsThemOff) {
  play(
      [&](Link& link) {
        Belongings all;
        Group group{link};
        add_all(group, all);
        (void)group.abort();
        expect_back(group, all);
        (void)stage.step.receive();
      },
      [&](Link& link) {
        HeldGroup group{link};
        refused(group.collect(patience), ECANCELED);
        require(group.items().empty(), "nothing is held");
        stage.step.send(0);
      });
}

TEST_F(Groups, AreRefusedByOneWhoTakesSingleEndPoints) {
  play(
      [](Link& link) {
        Belongings all;
        Group group{link};
        add_all(group, all);
        require(!group.commit(patience), "not wanted");
        expect_back(group, all);
      },
      [](Link& link) { refused(link.take(patience), ECONNRESET); });
}

TEST_F(Groups, AListeningSocketAndABlobGoAloneToo) {
  play(
      [](Link& link) {
        Belongings all;
        require(link.give(std::move(all.front), {}, "alone", patience).has_value(), "given");
        const auto outcomes = got(link.outcomes(patience));
        require(outcomes.size() == 1 && outcomes[0].moved(), "moved");
        require(read_octets(all.queued, 1) == "Q", "the queue went with it");
      },
      [](Link& link) {
        auto taken = got(link.take(patience));
        require(taken.size() == 1 && taken[0].listener.is_open() && !taken[0].connection.is_open(), "a listener");
        require(text_of(taken[0].blob.octets()) == "alone", "its blob");
        auto queued = got(taken[0].listener.accept(patience));
        got(queued.write("Q", patience));
      });
}

}  // namespace
}  // namespace baton::test
