// SPDX-License-Identifier: MIT
// Several moves at once: on one link, on several, in both directions; and an end point that comes back.
#include <gtest/gtest.h>

#include <algorithm>
#include <ranges>
#include <vector>

#include "seed/crowd.hpp"
#include "support/runtime_dir.hpp"

namespace baton::test {
namespace {

constexpr const char* server_name = "several";
constexpr int patience_ms = 20'000;

/// Two processes, as many clients as are asked for, and what they tell each other.
class Several : public ::testing::Test {
 protected:
  template <class Listener, class Server>
  void play(std::size_t clients, Listener listener, Server server) {
    std::vector<Child> roles;
    roles.emplace_back("server", [&] { server(); });
    roles.emplace_back("listener", [&] { listener(); });
    roles.emplace_back("clients", [&] { run_clients(clients, port, moved); });
    EXPECT_EQ(finish(roles), "");
  }

  RuntimeDir folder;
  Mailbox listening;
  Mailbox port;
  Mailbox moved;
  Steps steps{Waits::Blocking};
};

struct Coming {
  Offered offered;
  Passport passport;
};
Coming await_coming(const Steps& steps, int link) {
  Coming coming;
  auto offered = steps.await_offer(link, octets_of(coming.passport));
  require(offered.has_value(), "an offer comes");
  require(offered->octets == sizeof coming.passport, "with all its octets");
  coming.offered = *offered;
  return coming;
}

TEST_F(Several, AnswersAndCallsMayComeInAnotherOrderThanOffers) {
  constexpr std::size_t count = 8;
  play(
      count,
      [&] {
        (void)listening.receive();
        const int link = steps.connect(server_name);
        auto guests = accept_clients(steps, count, port);
        for (Guest& guest : guests) steps.offer(link, guest.end_point, octets_of(guest.passport));
        // The answers come in reverse; each call waits for that of its own end point.
        for (const Guest& guest : guests) (void)steps.await_answer(link, guest.end_point);
        for (const std::size_t k : {3U, 0U, 7U, 1U, 6U, 2U, 5U, 4U}) steps.call(link, guests[k].end_point);
        for (const Guest& guest : guests) (void)steps.await_outcome(link, guest.end_point);
        for (const Guest& guest : guests) checked(soc_close(guest.end_point.number), "soc_close");
        checked(soc_close(link), "soc_close");
      },
      [&] {
        const int listener = steps.listen(server_name);
        listening.send(0);
        const int link = steps.accept(listener);
        std::vector<Coming> all;
        for (std::size_t k = 0; k < count; ++k) all.push_back(await_coming(steps, link));
        for (Coming& coming : std::views::reverse(all)) steps.answer(link, coming.offered);
        for (const std::size_t k : {5U, 4U, 0U, 1U, 7U, 6U, 3U, 2U}) (void)steps.take(link, all[k].offered);
        moved.send(0);
        for (const Coming& coming : all) serve_to_the_end(steps, coming.offered.number(), coming.passport);
        checked(soc_close(link), "soc_close");
        checked(soc_close(listener), "soc_close");
      });
}

TEST_F(Several, AnAnswerThatNobodyNamedTellsWhoseItIs) {
  constexpr std::size_t count = 5;
  play(
      count,
      [&] {
        (void)listening.receive();
        const int link = steps.connect(server_name);
        auto guests = accept_clients(steps, count, port);
        for (Guest& guest : guests) steps.offer(link, guest.end_point, octets_of(guest.passport));
        for (const Guest& guest : std::views::reverse(guests)) {
          const cmsg_redhdr header = steps.await_any_answer(link);
          require(header.domain == guest.end_point.domain, "the answer names the family");
          require(header.redhdr_red_ltcp.fd == guest.end_point.number, "answers come in the server's order");
          // The only stopped end point needs no name.
          cmsg_redhdr call = redirect_header(TPOPT_REDI_CALL);
          checked(soc_setsockopt(link, SOL_TRANSPORT, TPOPT_REDI_CALL, &call, sizeof call), "soc_setsockopt");
          checked(soc_close(guest.end_point.number), "soc_close");
        }
        checked(soc_close(link), "soc_close");
      },
      [&] {
        const int listener = steps.listen(server_name);
        listening.send(0);
        const int link = steps.accept(listener);
        std::vector<Coming> all;
        for (std::size_t k = 0; k < count; ++k) all.push_back(await_coming(steps, link));
        for (Coming& coming : std::views::reverse(all)) steps.answer(link, coming.offered);
        for (Coming& coming : all) (void)steps.take(link, coming.offered);
        moved.send(0);
        for (const Coming& coming : all) serve_to_the_end(steps, coming.offered.number(), coming.passport);
      });
}

TEST_F(Several, LinksBetweenTheSameProcessesDoNotMixTheirMoves) {
  constexpr std::size_t links = 3;
  constexpr std::size_t count = 4 * links;
  play(
      count,
      [&] {
        (void)listening.receive();
        std::vector<int> to_server;
        for (std::size_t i = 0; i < links; ++i) to_server.push_back(steps.connect(server_name));
        auto guests = accept_clients(steps, count, port);
        const auto link_of = [&](const Guest& guest) { return to_server[guest.passport.client % links]; };
        for (Guest& guest : guests) steps.offer(link_of(guest), guest.end_point, octets_of(guest.passport));
        for (const Guest& guest : guests) (void)steps.await_answer(link_of(guest), guest.end_point);
        for (const Guest& guest : guests) steps.call(link_of(guest), guest.end_point);
        // Links first: the outcomes of all come behind the program's back.
        for (const int link : to_server) checked(soc_close(link), "soc_close");
        for (const Guest& guest : guests) checked(soc_close(guest.end_point.number), "soc_close");
      },
      [&] {
        const int listener = steps.listen(server_name, links);
        listening.send(0);
        std::vector<int> from_listener;
        std::vector<Coming> all;
        for (std::size_t i = 0; i < links; ++i) {
          from_listener.push_back(steps.accept(listener));
          pollfd entry{from_listener.back(), POLLIN, 0};
          checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");  // confirms
        }
        for (std::size_t round = 0; round < count / links; ++round)
          for (const int link : from_listener) {
            all.push_back(await_coming(steps, link));
            require(all.back().passport.client == all.size() - 1, "each link carries its own moves, in order");
          }
        for (std::size_t k = 0; k < count; ++k) steps.answer(from_listener[k % links], all[k].offered);
        for (std::size_t k = count; k-- > 0;) (void)steps.take(from_listener[k % links], all[k].offered);
        moved.send(0);
        for (const Coming& coming : all) serve_to_the_end(steps, coming.offered.number(), coming.passport);
      });
}

TEST_F(Several, MovesGoBothWaysOnOneLinkAtOnce) {
  constexpr std::size_t count = 4;
  // Each side gives its own clients away and serves those of the other.
  const auto exchange = [&](int link, std::vector<Guest>& guests) {
    std::vector<Coming> all;
    for (Guest& guest : guests) steps.offer(link, guest.end_point, octets_of(guest.passport));
    for (std::size_t k = 0; k < count; ++k) all.push_back(await_coming(steps, link));
    for (Coming& coming : all) steps.answer(link, coming.offered);
    for (const Guest& guest : guests) (void)steps.await_answer(link, guest.end_point);
    for (const Guest& guest : guests) steps.call(link, guest.end_point);
    for (Coming& coming : all) (void)steps.take(link, coming.offered);
    for (const Guest& guest : guests) (void)steps.await_outcome(link, guest.end_point);
    for (const Guest& guest : guests) checked(soc_close(guest.end_point.number), "soc_close");
    for (const Coming& coming : all) serve_to_the_end(steps, coming.offered.number(), coming.passport);
    checked(soc_close(link), "soc_close");
  };
  const Mailbox other_port;
  std::vector<Child> roles;
  roles.emplace_back("acceptor", [&] {
    const int listener = steps.listen(server_name);
    listening.send(0);
    auto guests = accept_clients(steps, count, port);
    const int link = steps.accept(listener);
    exchange(link, guests);
  });
  roles.emplace_back("connector", [&] {
    (void)listening.receive();
    auto guests = accept_clients(steps, count, other_port);
    exchange(steps.connect(server_name), guests);
  });
  moved.send(0);
  moved.send(0);
  roles.emplace_back("clients of the acceptor", [&] { run_clients(count, port, moved); });
  roles.emplace_back("clients of the connector", [&] { run_clients(count, other_port, moved); });
  EXPECT_EQ(finish(roles), "");
}

TEST_F(Several, AnOutcomeMakesTheLinkReadableUntilItIsAskedForOrItsNumberIsClosed) {
  play(
      2,
      [&] {
        (void)listening.receive();
        const int link = steps.connect(server_name);
        auto guests = accept_clients(steps, 2, port);
        pollfd entry{link, POLLIN, 0};
        for (Guest& guest : guests) {
          const EndPoint of = guest.end_point;
          steps.offer(link, of, octets_of(guest.passport));
          (void)steps.await_answer(link, of);
          steps.call(link, of);
          require(checked(soc_poll_ms(&entry, 1, patience_ms), "soc_poll_ms") == 1, "the outcome makes it readable");
          if (guest.passport.client == 0) (void)steps.await_outcome(link, of);
          if (guest.passport.client == 1) checked(soc_close(of.number), "soc_close");
          require(checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms") == 0, "nothing is left to be read");
        }
        checked(soc_close(guests[0].end_point.number), "soc_close");
        checked(soc_close(link), "soc_close");
      },
      [&] {
        const int listener = steps.listen(server_name);
        listening.send(0);
        const int link = steps.accept(listener);
        std::vector<Coming> all;
        for (int i = 0; i < 2; ++i) {
          all.push_back(await_coming(steps, link));
          steps.answer(link, all.back().offered);
          (void)steps.take(link, all.back().offered);
        }
        moved.send(0);
        for (const Coming& coming : all) serve_to_the_end(steps, coming.offered.number(), coming.passport);
        require(!steps.await_offer(link).has_value(), "the link ends");
      });
}

TEST_F(Several, AnEndPointThatComesBackIsUsableBeforeItsFirstOutcomeHasBeenRead) {
  play(
      1,
      [&] {
        (void)listening.receive();
        const int link = steps.connect(server_name);
        const int back = steps.connect(server_name);
        Guest guest = accept_clients(steps, 1, port)[0];
        steps.offer(link, guest.end_point, octets_of(guest.passport));
        (void)steps.await_answer(link, guest.end_point);
        steps.call(link, guest.end_point);
        // Nobody reads the first link: its TAKEN waits while the same end point comes back on the second.
        Coming coming = await_coming(steps, back);
        steps.answer(back, coming.offered);
        (void)steps.take(back, coming.offered);
        moved.send(0);
        serve_to_the_end(steps, coming.offered.number(), coming.passport);
        (void)steps.await_outcome(link, guest.end_point);
        checked(soc_close(guest.end_point.number), "soc_close");
        checked(soc_close(link), "soc_close");
        checked(soc_close(back), "soc_close");
      },
      [&] {
        const int listener = steps.listen(server_name);
        listening.send(0);
        std::vector<int> links;
        for (int i = 0; i < 2; ++i) {
          links.push_back(steps.accept(listener));
          pollfd entry{links.back(), POLLIN, 0};
          checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");  // confirms
        }
        Coming coming = await_coming(steps, links[0]);
        steps.answer(links[0], coming.offered);
        const EndPoint taken = steps.take(links[0], coming.offered);
        steps.offer(links[1], taken, octets_of(coming.passport));
        (void)steps.await_answer(links[1], taken);
        steps.call(links[1], taken);
        (void)steps.await_outcome(links[1], taken);
        checked(soc_close(taken.number), "soc_close");
        // The listener asks for the first outcome while this process lives.
        require(!steps.await_offer(links[0]).has_value(), "the link ends");
      });
}

TEST_F(Several, AnEndPointThatComesBackMovesAgainBeforeItsFirstOutcomeHasBeenRead) {
  play(
      1,
      [&] {
        (void)listening.receive();
        const int link = steps.connect(server_name);
        const int back = steps.connect(server_name);
        const int again = steps.connect(server_name);
        Guest guest = accept_clients(steps, 1, port)[0];
        steps.offer(link, guest.end_point, octets_of(guest.passport));
        (void)steps.await_answer(link, guest.end_point);
        steps.call(link, guest.end_point);
        Coming coming = await_coming(steps, back);
        steps.answer(back, coming.offered);
        const EndPoint taken = steps.take(back, coming.offered);
        steps.offer(again, taken, octets_of(coming.passport));
        // The first outcome arrives in the middle of the second move, of which it says nothing.
        (void)steps.await_outcome(link, guest.end_point);
        cmsg_redhdr twice = redirect_header(TPOPT_REDI_DATA);
        twice.domain = static_cast<short>(taken.domain);
        twice.redhdr_red_ltcp.fd = static_cast<short>(taken.number);
        msghdr message{};
        message.msg_control = &twice;
        message.msg_controllen = sizeof twice;
        require(soc_sendmsg(back, &message, 0) < 0 && errno == EALREADY, "the second move is known");
        (void)steps.await_answer(again, taken);
        steps.call(again, taken);
        (void)steps.await_outcome(again, taken);
        for (const int number : {guest.end_point.number, taken.number, link, back, again})
          checked(soc_close(number), "soc_close");
      },
      [&] {
        const int listener = steps.listen(server_name);
        listening.send(0);
        std::vector<int> links;
        for (int i = 0; i < 3; ++i) {
          links.push_back(steps.accept(listener));
          pollfd entry{links.back(), POLLIN, 0};
          checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");  // confirms
        }
        Coming coming = await_coming(steps, links[0]);
        steps.answer(links[0], coming.offered);
        const EndPoint taken = steps.take(links[0], coming.offered);
        steps.offer(links[1], taken, octets_of(coming.passport));
        (void)steps.await_answer(links[1], taken);
        steps.call(links[1], taken);
        checked(soc_close(taken.number), "soc_close");
        coming = await_coming(steps, links[2]);
        steps.answer(links[2], coming.offered);
        (void)steps.take(links[2], coming.offered);
        moved.send(0);
        serve_to_the_end(steps, coming.offered.number(), coming.passport);
      });
}

}  // namespace
}  // namespace baton::test
