// SPDX-License-Identifier: MIT
// baton: api/belongings.hpp: what an old process has and gives to a new one, and the two of them.
//
// Threads: one in each process.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "api/stage.hpp"

namespace baton::test {

/// What the old process has: a listening socket, a connection of it, and one that waits in its queue.
struct Belongings {
  Listener front = got(Listener::listen(Address::loopback(0)));
  Connection client = got(Connection::connect(got(front.local_address()), patience));
  Connection accepted = got(front.accept(patience));
  Connection queued = got(Connection::connect(got(front.local_address()), patience));

  /// Everything has come back, and works.
  void expect_back(std::vector<Outcome> outcomes) {
    require(outcomes.size() == 2, "every outcome is told");
    for (Outcome& outcome : outcomes) {
      require(!outcome.moved(), "nothing has moved");
      if (outcome.listener.is_open()) front = std::move(outcome.listener);
      if (outcome.connection.is_open()) accepted = std::move(outcome.connection);
    }
    expect_to_serve();
  }
  void expect_to_serve() {
    (void)got(front.accept(patience));
    got(accepted.write("L", patience));
    require(read_octets(client, 1) == "L", "the listener serves its client again");
  }
  /// Both have moved, and the server uses them: serve_both().
  void expect_moved(const std::vector<Outcome>& outcomes) {
    require(outcomes.size() == 2, "every outcome is told");
    for (const Outcome& outcome : outcomes) require(outcome.moved(), "moved");
    require(read_octets(client, 1) == "S", "the server has the connection");
    require(read_octets(queued, 1) == "Q", "and what waited in the queue");
  }
};
inline void serve_both(Listener& front, Connection& client) {
  got(client.write("S", patience));
  auto queued = got(front.accept(patience));
  got(queued.write("Q", patience));
}

class GroupsOfTwo : public ::testing::Test {
 protected:
  /// `room`: for how many end points the server has announced room.
  void play(const std::function<void(Link&)>& listener, const std::function<void(Link&)>& server,
            std::size_t room = 8) {
    std::vector<Child> roles;
    roles.emplace_back("server", [&] {
      auto names = got(LinkListener::listen(server_name));
      stage.listening.send(0);
      auto link = got(names.accept(patience));
      require(room == 0 || got(link.credit(room)) == room, "its room");
      server(link);
    });
    roles.emplace_back("listener", [&] {
      (void)stage.listening.receive();
      auto link = got(Link::connect(server_name, patience));
      listener(link);
    });
    EXPECT_EQ(finish(roles), "");
  }
  Stage stage;
};

}  // namespace baton::test
