// SPDX-License-Identifier: MIT
// Several threads of L and of S: on one link, and on several.
#include <sys/socket.h>

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "parties.hpp"

namespace baton::system_tests {
namespace {

constexpr int moves_per_thread = 10;
constexpr int threads = 4;

struct Links {
  int number[threads];
};

/// S: each thread takes what comes, sends an octet back and closes; how many it took.
int serve(const Links& links) {
  std::vector<std::thread> all;
  std::atomic<int> taken{0};
  for (const int link : links.number)
    all.emplace_back([&taken, link] {
      for (int i = 0; i < moves_per_thread; ++i) {
        const Step offered = receive_offer(link);
        const Step answered = answer(link, offered.header, 0);
        const Step made = take(link, offered.header);
        if (!offered.ok() || !answered.ok() || !made.ok()) {
          std::fprintf(stderr, "server: %s; %s; %s\n", offered.text, answered.text, made.text);
          return;
        }
        char octet = 0;
        if (soc_recv(made.header.fd_server, &octet, 1, 0) != 1 || soc_send(made.header.fd_server, &octet, 1, 0) != 1)
          return;
        soc_close(made.header.fd_server);
        ++taken;
      }
    });
  for (std::thread& each : all) each.join();
  return taken;
}

/// L: each thread accepts a client of its own, moves it and asks for the outcome; how many moved.
int give(const Links& links, unsigned short port, int front) {
  std::vector<std::thread> all;
  std::atomic<int> moved{0};
  for (const int link : links.number)
    all.emplace_back([&moved, link, port, front] {
      for (int i = 0; i < moves_per_thread; ++i) {
        // The octet is under way before any move: whoever of S takes this client, perhaps as the last thread that still
        // takes, waits for no move of another thread of L. The client is closed when the process ends.
        const int client = connect_tcp(AF_INET, port);
        char octet = 'x';
        const bool sent = ::send(client, &octet, 1, MSG_NOSIGNAL) == 1;
        const int number = soc_accept(front, nullptr, nullptr);
        for (const Step& each : {offer(link, number, AF_INET), await_answer(link, number, AF_INET),
                                 call(link, number, AF_INET), outcome(link, number, AF_INET)})
          if (!each.ok()) {
            std::fprintf(stderr, "listener: step %#x: %s\n", each.header.cmsg_type, each.text);
            return;
          }
        soc_close(number);
        if (sent) ++moved;
      }
    });
  for (std::thread& each : all) each.join();
  return moved;
}

class Threads : public Parties {
 protected:
  void run(const Links& in_listener, const Links& in_server) {
    auto serving = server_->start([=] { return serve(in_server); });
    struct Front {
      int number;
      unsigned short port;
    };
    const auto moved = listener_->call([=] {
      Front front{};
      front.number = listen_tcp(AF_INET, &front.port);
      return give(in_listener, front.port, front.number);
    });
    EXPECT_EQ(moved.value, threads * moves_per_thread);
    EXPECT_EQ(serving.get().value, threads * moves_per_thread);
    EXPECT_EQ(statistics(*listener_).moved, static_cast<std::uint64_t>(threads * moves_per_thread));
  }
};

TEST_F(Threads, OnOneLink) {
  Links in_listener{};
  Links in_server{};
  for (int& each : in_listener.number) each = link_.in_listener;
  for (int& each : in_server.number) each = link_.in_server;
  run(in_listener, in_server);
}

TEST_F(Threads, OnSeveralLinks) {
  Links in_listener{};
  Links in_server{};
  for (int i = 0; i < threads; ++i) {
    const LinkNumbers numbers = open_link(*listener_, *server_, listening_);
    in_listener.number[i] = numbers.in_listener;
    in_server.number[i] = numbers.in_server;
  }
  run(in_listener, in_server);
}

}  // namespace
}  // namespace baton::system_tests
