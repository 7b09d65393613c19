// SPDX-License-Identifier: MIT
// Express moves of real connections: full batches with octets, credit that runs out and comes back, both ways on a
// link.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

#include "os/test_support.hpp"
#include "seed/crowd.hpp"
#include "support/runtime_dir.hpp"
#include "support/sockets.hpp"

namespace baton::test {
namespace {

constexpr const char* server_name = "express";

std::vector<soc_move> moves_of(std::vector<Guest>& guests) {
  std::vector<soc_move> moves;
  for (Guest& guest : guests) {
    soc_move move{};
    move.fd = guest.end_point.number;
    move.data = octets_of(guest.passport).data();
    move.length = sizeof guest.passport;
    moves.push_back(move);
  }
  return moves;
}

/// Outcomes of `count` moves; all have moved.
void collect(int link, std::size_t count) {
  std::vector<soc_move> outcomes(SOC_MOVES_MAX);
  while (count > 0) {
    const int got = checked(soc_outcomes(link, outcomes.data(), SOC_MOVES_MAX, -1), "soc_outcomes");
    require(got > 0 && static_cast<std::size_t>(got) <= count, "no more outcomes than moves");
    for (int i = 0; i < got; ++i) require(outcomes[static_cast<std::size_t>(i)].error == 0, "moved");
    for (int i = 0; i < got; ++i) require(outcomes[static_cast<std::size_t>(i)].fd == -1, "nothing came back");
    count -= static_cast<std::size_t>(got);
  }
}

/// At most `count` end points that have come: what soc_take gives in one call.
std::vector<Guest> take_some(int link, std::size_t count) {
  std::vector<Passport> passports(count);
  std::vector<soc_move> moves;
  for (Passport& passport : passports) {
    soc_move move{};
    move.data = octets_of(passport).data();
    move.length = sizeof passport;
    moves.push_back(move);
  }
  const int got = checked(soc_take(link, moves.data(), static_cast<int>(count), -1), "soc_take");
  require(got > 0, "soc_take waits for ever");
  std::vector<Guest> guests;
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    require(moves[i].error == 0 && moves[i].length == sizeof(Passport), "all octets have come");
    guests.push_back({end_point(moves[i].fd), passports[i]});
  }
  return guests;
}

/// Outcomes of some of `moves`, which have come back, and could be given again: how many.
std::size_t take_back(int link, std::span<soc_move> moves) {
  std::vector<soc_move> back(moves.size());
  const int got = checked(soc_outcomes(link, back.data(), static_cast<int>(back.size()), -1), "soc_outcomes");
  for (const soc_move& move : std::span{back}.first(static_cast<std::size_t>(got))) {
    require(move.error == ECANCELED && move.fd >= 0, "it is back");
    const auto which = std::ranges::find(moves, move.id, &soc_move::id);
    require(which != moves.end(), "it is one of those given");
    which->fd = move.fd;
  }
  return static_cast<std::size_t>(got);
}

/// Gives all of them, waiting for credit.
void give_all(int link, std::span<soc_move> moves) {
  while (!moves.empty())
    moves = moves.subspan(
        static_cast<std::size_t>(checked(soc_give(link, moves.data(), static_cast<int>(moves.size())), "soc_give")));
}

/// While one lives a few small messages fill what this side sends on the link.
class NarrowLink {
 public:
  explicit NarrowLink(int link) : link_{link} {
    socklen_t size = sizeof before_;
    checked(::getsockopt(link_, SOL_SOCKET, SO_SNDBUF, &before_, &size), "SO_SNDBUF");
    set(0);  // the kernel's least
  }
  ~NarrowLink() { set(before_ / 2); }  // the kernel doubles it
  NarrowLink(const NarrowLink&) = delete;
  NarrowLink& operator=(const NarrowLink&) = delete;

 private:
  void set(int size) const { checked(::setsockopt(link_, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), "SO_SNDBUF"); }

  int link_;
  int before_ = 0;
};

class Express : public ::testing::Test {
 protected:
  template <class Listener, class Server>
  void play(std::size_t clients, Listener listener, Server server) {
    std::vector<Child> roles;
    roles.emplace_back("server", [&] { server(); });
    roles.emplace_back("listener", [&] { listener(); });
    roles.emplace_back("clients", [&] { run_clients(clients, port, moved); });
    EXPECT_EQ(finish(roles), "");
  }
  /// The listener spends all credit, gets all back by `recall`, which tells the server by `exhausted`, and gives it
  /// again. The server does `meanwhile` before it takes.
  template <class Recall, class Meanwhile>
  void play_recall(std::size_t count, Recall recall, Meanwhile meanwhile) {
    play(
        count,
        [&] {
          (void)listening.receive();
          const int link = steps.connect(server_name);
          auto guests = accept_clients(steps, count, port);
          auto moves = moves_of(guests);
          (void)announced.receive();
          give_all(link, moves);
          recall(link, moves);
          give_all(link, moves);
          collect(link, count);
          checked(soc_close(link), "soc_close");
        },
        [&] {
          const int link = accept_link(listen_and_tell());
          checked(soc_credit(link, static_cast<int>(count)), "soc_credit");
          announced.send(0);
          (void)exhausted.receive();
          meanwhile(link);
          std::vector<Guest> guests;
          while (guests.size() < count) std::ranges::copy(take_some(link, count), std::back_inserter(guests));
          moved.send(0);
          for (const Guest& guest : guests) serve_to_the_end(steps, guest.end_point.number, guest.passport);
          checked(soc_close(link), "soc_close");
        });
  }
  int listen_and_tell() const {
    const int listener = steps.listen(server_name);
    listening.send(0);
    return listener;
  }
  int accept_link(int listener) const {
    const int link = steps.accept(listener);
    pollfd entry{link, POLLIN, 0};
    checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");  // confirms
    return link;
  }

  RuntimeDir folder;
  Mailbox listening;
  Mailbox port;
  Mailbox moved;
  Mailbox announced;
  Mailbox exhausted;
  Mailbox others_moved;
  Steps steps{Waits::Blocking};
};

TEST_F(Express, AFullBatchOfConnectionsMovesWithTheOctetsReadOfEach) {
  constexpr std::size_t count = SOC_MOVES_MAX;
  play(
      count,
      [&] {
        (void)listening.receive();
        checked(soc_close(checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket")), "soc_close");
        const std::size_t before = os::testing::open_descriptors();
        const int link = steps.connect(server_name);
        auto guests = accept_clients(steps, count, port);
        auto moves = moves_of(guests);
        (void)announced.receive();
        require(checked(soc_give(link, moves.data(), count), "soc_give") == count, "the batch goes whole");
        collect(link, count);
        checked(soc_close(link), "soc_close");
        require(os::testing::open_descriptors() == before, "every descriptor has gone");
      },
      [&] {
        const int listener = steps.listen(server_name);
        listening.send(0);
        const int link = accept_link(listener);
        require(checked(soc_credit(link, count), "soc_credit") == count, "room for a whole batch");
        announced.send(0);
        std::vector<Guest> guests;
        while (guests.size() < count) std::ranges::copy(take_some(link, count), std::back_inserter(guests));
        moved.send(0);
        for (const Guest& guest : guests) serve_to_the_end(steps, guest.end_point.number, guest.passport);
        checked(soc_close(link), "soc_close");
        checked(soc_close(listener), "soc_close");
      });
}

TEST_F(Express, WhatTheServerHasNotTakenCanBeRecalledAndGivenAgain) {
  constexpr std::size_t count = 5;
  play(
      count,
      [&] {
        (void)listening.receive();
        const int link = steps.connect(server_name);
        auto guests = accept_clients(steps, count, port);
        auto moves = moves_of(guests);
        (void)announced.receive();
        require(checked(soc_give(link, moves.data(), count), "soc_give") == count, "all go");
        collect(link, 1);  // the first
        require(soc_recall(link, moves[0].id) == 0, "what has moved is not recalled");
        require(soc_recall(link, moves[1].id) == 1, "one of them");
        require(soc_recall(link, 0) == count - 2, "all others, once");
        require(soc_recall(link, 0) == 0, "they are asked for");
        exhausted.send(0);
        for (std::size_t known = 1; known < count;) known += take_back(link, moves);
        require(checked(soc_give(link, moves.data() + 1, count - 1), "soc_give") == count - 1, "given again");
        collect(link, count - 1);
        checked(soc_close(link), "soc_close");
      },
      [&] {
        const int listener = steps.listen(server_name);
        listening.send(0);
        const int link = accept_link(listener);
        checked(soc_credit(link, 2 * count), "soc_credit");
        announced.send(0);
        auto guests = take_some(link, 1);
        (void)exhausted.receive();
        while (guests.size() < count) std::ranges::copy(take_some(link, count), std::back_inserter(guests));
        moved.send(0);
        for (const Guest& guest : guests) serve_to_the_end(steps, guest.end_point.number, guest.passport);
        checked(soc_close(link), "soc_close");
        checked(soc_close(listener), "soc_close");
      });
}

TEST_F(Express, WhatIsRecalledMakesRoomInAServerThatOnlyPolls) {
  play_recall(
      16,
      [&](int link, std::span<soc_move> moves) {
        require(soc_recall(link, 0) == static_cast<int>(moves.size()), "all are recalled");
        exhausted.send(0);
        for (std::size_t known = 0; known < moves.size();) known += take_back(link, moves);
      },
      [](int link) {
        pollfd entry{link, POLLIN, 0};
        require(checked(soc_poll_ms(&entry, 1, -1), "soc_poll_ms") == 1, "there is something to take");
      });
}

TEST_F(Express, AFullLinkRecallsInParts) {
  const Mailbox all_back;
  play_recall(
      200,  // more than the sockets and what waits before them hold, both ways
      [&](int link, std::span<soc_move> moves) {
        {
          const NarrowLink narrow{link};
          auto asked = static_cast<std::size_t>(checked(soc_recall(link, 0), "soc_recall"));
          require(asked > 0 && asked < moves.size(), "some of them: the link is full");
          exhausted.send(0);
          for (std::size_t known = 0; known < moves.size();) {
            known += take_back(link, moves);
            asked += static_cast<std::size_t>(checked(soc_recall(link, 0), "soc_recall"));
          }
          require(asked == moves.size(), "each of them once");
        }
        all_back.send(0);
      },
      [&](int link) {
        const NarrowLink narrow{link};
        pollfd entry{link, POLLIN, 0};
        while (!all_back.has_mail()) checked(soc_poll_ms(&entry, 1, 10), "soc_poll_ms");  // and takes nothing
      });
}

TEST_F(Express, CreditRunsOutAndComesBackWhenTheServerTakes) {
  constexpr std::size_t count = 25;
  constexpr int credit = 10;
  play(
      count,
      [&] {
        (void)listening.receive();
        const int link = steps.connect(server_name);
        auto guests = accept_clients(steps, count, port);
        auto moves = moves_of(guests);
        (void)announced.receive();
        const int first = checked(soc_give(link, moves.data(), count), "soc_give");
        require(first == credit, "as many as there is credit for");
        Steps{Waits::SocPoll}.waiter().prepare(link);
        require(soc_give(link, moves.data() + first, static_cast<int>(count) - first) == -1 && errno == EAGAIN,
                "without credit a non-blocking give takes nothing");
        // What was not accepted for the journey still is the program's.
        require(cookie_of(moves[credit].fd) != 0, "the end point stays");
        steps.waiter().prepare(link);
        exhausted.send(0);
        for (auto done = static_cast<std::size_t>(first); done < count;) {
          const int more = checked(soc_give(link, moves.data() + done, static_cast<int>(count - done)), "soc_give");
          require(more > 0 && more <= credit, "a blocking give waits for credit");
          done += static_cast<std::size_t>(more);
        }
        collect(link, count);
        checked(soc_close(link), "soc_close");
      },
      [&] {
        const int listener = steps.listen(server_name);
        listening.send(0);
        const int link = accept_link(listener);
        require(checked(soc_credit(link, credit), "soc_credit") == credit, "credit is held in descriptors");
        announced.send(0);
        (void)exhausted.receive();
        std::vector<Guest> guests;
        while (guests.size() < count) std::ranges::copy(take_some(link, 3), std::back_inserter(guests));
        moved.send(0);
        for (const Guest& guest : guests) serve_to_the_end(steps, guest.end_point.number, guest.passport);
        checked(soc_close(link), "soc_close");
      });
}

TEST_F(Express, CreditIsAnnouncedByTheServerAloneOnceItSaysSo) {
  constexpr std::size_t count = 3;
  play(
      count,
      [&] {
        (void)listening.receive();
        const int link = steps.connect(server_name);
        auto guests = accept_clients(steps, count, port);
        auto moves = moves_of(guests);
        Steps{Waits::SocPoll}.waiter().prepare(link);
        for (std::size_t done = 0; done < count; ++done) {
          (void)announced.receive();
          require(checked(soc_give(link, moves.data() + done, static_cast<int>(count - done)), "soc_give") == 1,
                  "as many as have been announced");
          collect(link, 1);
          // The server has taken it, and announces nothing by that.
          if (done + 1 < count)
            require(soc_give(link, moves.data() + done + 1, 1) == -1 && errno == EAGAIN, "none without being asked");
          exhausted.send(0);
        }
        checked(soc_close(link), "soc_close");
      },
      [&] {
        const int listener = steps.listen(server_name);
        listening.send(0);
        const int link = accept_link(listener);
        require(checked(soc_credit(link, 0), "soc_credit") == 0, "nothing is announced");
        soc_move none{};
        require(soc_take(link, &none, 1, 0) == 0, "not by taking either");
        std::vector<Guest> guests;
        while (guests.size() < count) {
          require(checked(soc_credit(link, 1), "soc_credit") == 1, "announced");
          require(checked(soc_credit(link, 0), "soc_credit") == 1, "it stays announced");
          announced.send(0);
          std::ranges::copy(take_some(link, count), std::back_inserter(guests));
          (void)exhausted.receive();
        }
        moved.send(0);
        for (const Guest& guest : guests) serve_to_the_end(steps, guest.end_point.number, guest.passport);
        checked(soc_close(link), "soc_close");
      });
}

TEST_F(Express, BatchesCrossEachOtherOnOneLink) {
  constexpr std::size_t count = 40;
  const Mailbox other_port;
  const auto exchange = [&](int link, std::vector<Guest>& guests, const Mailbox& mine, const Mailbox& theirs) {
    checked(soc_credit(link, count), "soc_credit");
    auto moves = moves_of(guests);
    for (std::size_t done = 0; done < count;)
      done += static_cast<std::size_t>(
          checked(soc_give(link, moves.data() + done, static_cast<int>(count - done)), "soc_give"));
    std::vector<Guest> come;
    while (come.size() < count) std::ranges::copy(take_some(link, count), std::back_inserter(come));
    collect(link, count);
    theirs.send(0);
    (void)mine.receive();
    for (const Guest& guest : come) serve_to_the_end(steps, guest.end_point.number, guest.passport);
    checked(soc_close(link), "soc_close");
  };
  std::vector<Child> roles;
  roles.emplace_back("acceptor", [&] {
    const int listener = steps.listen(server_name);
    listening.send(0);
    auto guests = accept_clients(steps, count, port);
    exchange(accept_link(listener), guests, exhausted, others_moved);
  });
  roles.emplace_back("connector", [&] {
    (void)listening.receive();
    auto guests = accept_clients(steps, count, other_port);
    exchange(steps.connect(server_name), guests, others_moved, exhausted);
  });
  moved.send(0);
  moved.send(0);
  roles.emplace_back("clients of the acceptor", [&] { run_clients(count, port, moved); });
  roles.emplace_back("clients of the connector", [&] { run_clients(count, other_port, moved); });
  EXPECT_EQ(finish(roles), "");
}

}  // namespace
}  // namespace baton::test
