// SPDX-License-Identifier: MIT
// baton: bench/seed_sequence.cpp: how long one move takes with the calls of the seed, one at a time, in blocking mode,
// beside the least that such an exchange can cost: two round trips of plain messages, one with a descriptor.
//
//   L: sendmsg REDI_DATA   S: recvmsg, sendmsg REDI_BDOK   L: recvmsg, setsockopt REDI_CALL   S: getsockopt REDI_CALL
//   |<------------------------------------------ take ---------------------------------------------------------->|
//   |<------------------------------------------ outcome: L's getsockopt REDI_CALL has come back as well --------->|
//
//   floor: L sends, S replies, L sends with a descriptor, S replies; nothing is closed while the time is taken.
//
// The same two processes do both in alternating blocks. After a block S gives the end points back, outside the time.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <tuple>
#include <vector>

#include "baton/soc.h"
#include "support/measure.hpp"
#include "support/moves.hpp"
#include "support/process.hpp"
#include "support/sockets.hpp"

namespace {

using namespace baton::bench;

constexpr unsigned deadline = 90;  // seconds

struct Size {
  std::size_t blocks;  // of each kind, after one to warm up
  std::size_t moves;   // in a block
};

/// CLOCK_MONOTONIC, in both processes.
struct Stamp {
  Nanoseconds begin;
  Nanoseconds take;     // S has the end point; floor: S has received the descriptor
  Nanoseconds outcome;  // L knows; floor: L has the second reply
};

struct Layout {
  std::string name;
  int listener;
  int server;
};

struct Shared {
  std::span<Stamp> floor;
  std::span<Stamp> seed;
};

void listener(const Size& size, const Shared& shared, int floor, int link) {
  std::vector<int> pool;
  for (const auto& [accepted, client] : tcp_pairs(size.moves)) pool.push_back(accepted);
  std::vector<int> none;
  for (std::size_t block = 0; block <= size.blocks; ++block) {
    for (std::size_t i = 0; i < size.moves; ++i) {
      Stamp& stamp = shared.floor[block * size.moves + i];
      stamp.begin = now();
      send_message(floor);
      receive_message(floor, none);
      send_message(floor, {&pool[i], 1});
      receive_message(floor, none);
      stamp.outcome = now();
    }
    receive_message(floor, none);  // S has closed what it got
    for (std::size_t i = 0; i < size.moves; ++i) {
      Stamp& stamp = shared.seed[block * size.moves + i];
      stamp.begin = now();
      move(link, pool[i]);
      stamp.outcome = now();
    }
    for (const int fd : pool) require(soc_close(fd), "soc_close");
    pool = take_all(link, size.moves);
    if (block % 10 == 0) progress("block " + std::to_string(block) + " of " + std::to_string(size.blocks));
  }
}

void server(const Size& size, const Shared& shared, int floor, int link) {
  std::vector<int> received;
  for (std::size_t block = 0; block <= size.blocks; ++block) {
    for (std::size_t i = 0; i < size.moves; ++i) {
      receive_message(floor, received);
      send_message(floor);
      receive_message(floor, received);
      shared.floor[block * size.moves + i].take = now();
      send_message(floor);
    }
    if (received.size() != size.moves) fail("the comparison has lost descriptors");
    for (const int fd : received) close(fd);
    received.clear();
    send_message(floor);
    std::vector<int> taken;
    for (std::size_t i = 0; i < size.moves; ++i) {
      taken.push_back(take_move(link));
      shared.seed[block * size.moves + i].take = now();
    }
    give_all(link, taken);
  }
}

/// Begin to `end`, in microseconds, without the first block.
std::vector<double> microseconds(std::span<const Stamp> stamps, Nanoseconds Stamp::* end) {
  std::vector<double> values;
  for (const Stamp& stamp : stamps) values.push_back(static_cast<double>(stamp.*end - stamp.begin) / 1000);
  return values;
}

Json evaluate(const Size& size, const Shared& shared) {
  const auto floor = shared.floor.subspan(size.moves);
  const auto seed = shared.seed.subspan(size.moves);
  Json result;
  const std::array parts{std::tuple{"floor_take", floor, &Stamp::take}, std::tuple{"floor", floor, &Stamp::outcome},
                         std::tuple{"take", seed, &Stamp::take}, std::tuple{"outcome", seed, &Stamp::outcome}};
  for (const auto& [name, stamps, end] : parts) result[name] = summary(microseconds(stamps, end));
  std::vector<double> take_ratios;
  std::vector<double> outcome_ratios;
  for (std::size_t block = 0; block < size.blocks; ++block) {
    const auto part = [&](std::span<const Stamp> stamps) { return stamps.subspan(block * size.moves, size.moves); };
    const double least = median(microseconds(part(floor), &Stamp::outcome));
    take_ratios.push_back(median(microseconds(part(seed), &Stamp::take)) / least);
    outcome_ratios.push_back(median(microseconds(part(seed), &Stamp::outcome)) / least);
  }
  result["take_ratio"] = spread(take_ratios);
  result["outcome_ratio"] = spread(outcome_ratios);
  return result;
}

Json measure(const Layout& layout, const Size& size) {
  progress("seed sequence, " + layout.name + ", " + std::to_string(size.blocks) + " blocks of " +
           std::to_string(size.moves) + " moves");
  const std::size_t count = (size.blocks + 1) * size.moves;
  const Shared shared{shared_array<Stamp>(count), shared_array<Stamp>(count)};
  const auto [floor_listener, floor_server] = message_pair();
  const auto [ready, is_ready] = message_pair();
  std::vector<Child> children;
  children.push_back(Child::run("server", layout.server, deadline, [&] {
    close(floor_listener);
    const int listening = link_listen();
    send_message(ready);
    server(size, shared, floor_server, link_accept(listening));
  }));
  children.push_back(Child::run("listener", layout.listener, deadline, [&] {
    close(floor_server);
    std::vector<int> none;
    receive_message(is_ready, none);
    listener(size, shared, floor_listener, link_connect());
  }));
  for (const int end : {floor_listener, floor_server, ready, is_ready}) close(end);
  wait_for(children);
  Json result = evaluate(size, shared);
  result["processors"] = {{"listener", layout.listener}, {"server", layout.server}};
  return result;
}

}  // namespace

int main(int argc, char* argv[]) {
  const Options options = parse_options(argc, argv);
  begin_process(2 * deadline + 10);
  const RuntimeFolder folder;
  const Size size = options.quick ? Size{4, 100} : Size{40, 500};
  const std::vector<int> usable = processors();
  Json result{{"blocks", size.blocks}, {"moves_in_block", size.moves}, {"floor_message_octets", floor_message}};
  result["layouts"]["two processors"] = measure({"two processors", usable.front(), usable.back()}, size);
  result["layouts"]["one processor"] = measure({"one processor", usable.front(), usable.front()}, size);
  write_json(options.json, result);
}
