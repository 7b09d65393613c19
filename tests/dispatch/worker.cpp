// SPDX-License-Identifier: MIT
// A worker of batond for the tests: takes connections from the TSAP that its first word names, and answers each
// client's first octets.
//
//   worker TSAP NAME [refuse | leave | stop-after-link | talk]
//
// A client gets "NAME <peer's port>\n", then back what it sends. An ISO client gets a CC with the references of its CR
// in front. `refuse`: closes its table of descriptors to new ones, so that the library has to give each one back.
// `leave`: closes its link when a connection has come, and comes back, five times; then it takes.
// `stop-after-link`: has credit and stops itself. `talk`: sends user data without end, and takes nothing. Says "ready"
// in a line when it has the link.
#include <baton/soc.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <baton/baton.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using baton::Connection;
using baton::Deadline;
using baton::Link;

struct Client {
  Connection connection;
  bool greeted = false;
};

std::string greeting_for(const Connection& connection, std::string_view first, const std::string& name) {
  std::string text = name + " " + std::to_string(connection.peer_address().value_or(baton::Address{}).port()) + "\n";
  // TPKT with a CR (RFC 905 13.3): the CC has its source reference as destination.
  if (first.size() >= 11 && first[0] == 3 && (static_cast<unsigned char>(first[5]) & 0xf0U) == 0xe0U) {
    const std::string cc{3, 0, 0, 11, 6, static_cast<char>(0xd0), first[8], first[9], 0, 1, 0};
    std::string data{3, 0, 0, static_cast<char>(7 + text.size()), 2, static_cast<char>(0xf0), static_cast<char>(0x80)};
    return cc + data + text;
  }
  return text;
}

/// False: it has ended.
bool serve(Client& client, const std::string& name) {
  std::array<std::byte, 65536> room;
  const auto size = client.connection.read_some(room, Deadline::now());
  if (!size) return size.error().would_block();
  if (*size == 0) return false;
  const std::string_view octets{reinterpret_cast<const char*>(room.data()), *size};
  std::string answer = client.greeted ? std::string{octets} : greeting_for(client.connection, octets, name);
  client.greeted = true;
  return client.connection.write(answer, Deadline::never()).has_value();
}

Link connect(const baton::Selector& tsap) {
  for (;;) {
    if (auto link = Link::connect(tsap)) return std::move(*link);
    std::this_thread::sleep_for(std::chrono::milliseconds{20});  // batond is not there yet
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const auto tsap = baton::Selector::from_text(argv[1]);
  if (!tsap) return 2;
  const std::string name = argv[2];
  const std::string manner = argc > 3 ? argv[3] : "";
  std::map<int, Client> clients;
  Link link = connect(*tsap);
  (void)link.credit(64);
  if (manner == "refuse") {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  std::puts("ready");
  std::fflush(stdout);
  if (manner == "stop-after-link") ::raise(SIGSTOP);
  while (manner == "talk" && link.send("nothing that batond asks for")) {
  }
  int leaves = manner == "leave" ? 5 : 0;
  for (;;) {
    std::vector<pollfd> entries;
    if (link.is_open()) entries.push_back({link.native_handle(), POLLIN, 0});
    for (const auto& [number, client] : clients) entries.push_back({number, POLLIN, 0});
    const int wait = link.is_open() && link.pending().value_or(0) > 0 ? 0 : link.is_open() ? -1 : 100;
    (void)::poll(entries.data(), entries.size(), wait);
    if (leaves > 0) {
      // A HELLO may come alone: who left then would have been given nothing.
      pollfd read{link.native_handle(), POLLIN, 0};
      (void)soc_poll_ms(&read, 1, 0);
      if (link.pending().value_or(0) == 0 && (read.revents & POLLHUP) == 0) continue;
      --leaves;
      link.close();
      link = connect(*tsap);
      (void)link.credit(64);
      continue;
    }
    if (link.is_open()) {
      // All that is there: what the library has read ahead does not poll readable.
      auto taken = link.take(Deadline::now());
      for (; taken; taken = link.take(Deadline::now()))
        for (baton::Taken& each : *taken) {
          const int number = each.connection.native_handle();
          clients.emplace(number, Client{std::move(each.connection)});
        }
      if (taken.error().ended()) link.close();
    } else if (auto again = Link::connect(*tsap, std::chrono::seconds{2})) {
      link = std::move(*again);
      (void)link.credit(64);
    }
    for (auto each = clients.begin(); each != clients.end();)
      each = serve(each->second, name) ? std::next(each) : clients.erase(each);
  }
}
