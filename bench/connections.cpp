// SPDX-License-Identifier: MIT
// baton: bench/connections.cpp: a service whose first process accepts each TCP connection and moves it to a second one,
// which sends the client's 64 octets back: with baton (the calls of the seed, one move at a time), and with Node's
// subprocess.send(socket). One client for both; the time is that from connect(2) to the last octet of the echo.
//
//   connections [--quick] --json FILE NODE_PROGRAM
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "baton/soc.h"
#include "support/measure.hpp"
#include "support/moves.hpp"
#include "support/process.hpp"
#include "support/sockets.hpp"

namespace {

using namespace baton::bench;

constexpr unsigned deadline = 120;  // seconds
constexpr std::size_t octets = 64;
constexpr std::array concurrencies{std::size_t{1}, std::size_t{16}};

struct Size {
  std::size_t blocks;
  std::size_t connections;  // in a block
  std::size_t warm_up;
};

[[noreturn]] void baton_listener(int tcp, int link) {
  for (;;) {
    const int connection = require(accept4(tcp, nullptr, nullptr, SOCK_CLOEXEC), "accept");
    move(link, connection);
    require(soc_close(connection), "soc_close");
  }
}

/// Echoes what there is, or closes at the end.
void serve(int connection) {
  std::array<std::byte, 4096> room;
  const ssize_t size = read(connection, room.data(), room.size());
  if (size > 0)
    write_all(connection, std::span{room}.first(static_cast<std::size_t>(size)));
  else
    close(connection);
}

[[noreturn]] void baton_server(int link) {
  const int epoll = require(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  watch_input(epoll, link);
  for (;;) {
    std::array<epoll_event, 64> events;
    const int count = require(epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
    for (const epoll_event& event : std::span{events}.first(static_cast<std::size_t>(count))) {
      if (event.data.fd != link) {
        serve(event.data.fd);
        continue;
      }
      // soc_poll_ms tells whether an offer is there, also one that the library has read already.
      for (pollfd entry{link, POLLIN, 0}; require(soc_poll_ms(&entry, 1, 0), "soc_poll_ms") > 0;)
        watch_input(epoll, take_move(link));
    }
  }
}

/// One connection of the client that waits for its echo.
struct Waiting {
  int descriptor = -1;
  std::size_t received = 0;
  Nanoseconds begin = 0;
};

Waiting begin_connection(std::uint16_t port) {
  static constexpr std::array<std::byte, octets> request{};
  Waiting waiting{.begin = now()};
  waiting.descriptor = tcp_connect(port);
  write_all(waiting.descriptor, request);
  return waiting;
}

struct Run {
  std::vector<double> microseconds;
  double per_second = 0;
};

/// Makes `count` connections, `concurrency` at any time.
Run run_client(std::uint16_t port, std::size_t count, std::size_t concurrency) {
  Run run;
  std::vector<Waiting> waiting(concurrency);
  const int epoll = require(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  std::size_t begun = 0;
  const Nanoseconds begin = now();
  const auto next = [&](std::size_t slot) {
    if (begun++ >= count) return;
    waiting[slot] = begin_connection(port);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = slot}};
    require(epoll_ctl(epoll, EPOLL_CTL_ADD, waiting[slot].descriptor, &event), "epoll_ctl");
  };
  for (std::size_t slot = 0; slot < concurrency; ++slot) next(slot);
  while (run.microseconds.size() < count) {
    std::array<epoll_event, 16> events;
    const int ready = require(epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
    for (const epoll_event& event : std::span{events}.first(static_cast<std::size_t>(ready))) {
      Waiting& each = waiting[event.data.u64];
      std::array<std::byte, octets> room;
      const ssize_t size = require(read(each.descriptor, room.data(), room.size()), "the client's read");
      if (size == 0) fail("end of file at the client");
      each.received += static_cast<std::size_t>(size);
      if (each.received < octets) continue;
      run.microseconds.push_back(static_cast<double>(now() - each.begin) / 1000);
      reset_on_close(each.descriptor);
      close(each.descriptor);
      next(event.data.u64);
    }
  }
  run.per_second = static_cast<double>(count) / (static_cast<double>(now() - begin) / 1e9);
  close(epoll);
  return run;
}

struct Service {
  const char* name;
  std::uint16_t port;
  std::array<std::vector<double>, concurrencies.size()> microseconds;
  std::array<std::vector<double>, concurrencies.size()> per_second;
};

void measure(const Size& size, std::span<Service> services) {
  for (const Service& service : services) (void)run_client(service.port, size.warm_up, concurrencies.back());
  for (std::size_t block = 0; block < size.blocks; ++block) {
    if (block % 5 == 0) progress("block " + std::to_string(block) + " of " + std::to_string(size.blocks));
    for (std::size_t i = 0; i < concurrencies.size(); ++i)
      for (Service& service : services) {
        Run run = run_client(service.port, size.connections, concurrencies[i]);
        auto& all = service.microseconds[i];
        all.insert(all.end(), run.microseconds.begin(), run.microseconds.end());
        service.per_second[i].push_back(run.per_second);
      }
  }
}

Json evaluate(const Size& size, std::span<const Service> services) {
  Json result{{"octets", octets}, {"blocks", size.blocks}, {"connections_in_block", size.connections}};
  for (const Service& service : services)
    for (std::size_t i = 0; i < concurrencies.size(); ++i) {
      Json part = summary(service.microseconds[i]);
      part["per_second"] = spread(service.per_second[i]);
      result["at_once"][std::to_string(concurrencies[i])][service.name] = std::move(part);
    }
  return result;
}

/// Starts Node, which prints its port.
std::uint16_t start_node(const std::string& program, std::vector<Child>& children) {
  std::array<int, 2> ends{};
  require(pipe2(ends.data(), O_CLOEXEC), "pipe2");
  children.push_back(Child::execute({"node", program}, deadline, ends[1]));
  close(ends[1]);
  std::array<char, 32> line{};
  for (std::size_t size = 0; size == 0 || line[size - 1] != '\n';) {
    const ssize_t more = require(read(ends[0], line.data() + size, line.size() - 1 - size), "reading Node's port");
    if (more == 0) fail("Node has not said its port");
    size += static_cast<std::size_t>(more);
  }
  close(ends[0]);
  return static_cast<std::uint16_t>(std::atoi(line.data()));
}

std::uint16_t start_baton(std::vector<Child>& children) {
  const auto [ready, is_ready] = message_pair();
  const TcpListener tcp = tcp_listen();
  std::vector<int> none;
  children.push_back(Child::run("server", any_processor, deadline, [&] {
    close(tcp.descriptor);
    const int listening = link_listen();
    send_message(ready);
    baton_server(link_accept(listening));
  }));
  receive_message(is_ready, none);
  children.push_back(Child::run("listener", any_processor, deadline, [&] {
    const int link = link_connect();
    baton_listener(tcp.descriptor, link);
  }));
  for (const int end : {ready, is_ready, tcp.descriptor}) close(end);
  return tcp.port;
}

}  // namespace

int main(int argc, char* argv[]) {
  const Options options = parse_options(argc, argv);
  if (options.rest.size() != 1) {
    std::fprintf(stderr, "usage: %s [--quick] --json FILE NODE_PROGRAM\n", argv[0]);
    return 2;
  }
  begin_process(deadline + 10);
  const RuntimeFolder folder;
  const Size size = options.quick ? Size{2, 200, 200} : Size{20, 1000, 3000};
  progress("connections handed on, Node and baton, blocks of " + std::to_string(size.connections));
  std::vector<Child> children;
  std::array<Service, 2> services{};
  services[0] = {.name = "baton", .port = start_baton(children), .microseconds = {}, .per_second = {}};
  services[1] = {.name = "node", .port = start_node(options.rest[0], children), .microseconds = {}, .per_second = {}};
  measure(size, services);
  write_json(options.json, evaluate(size, services));
}
