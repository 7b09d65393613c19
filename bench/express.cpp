// SPDX-License-Identifier: MIT
// baton: bench/express.cpp: how many end points move in a second in express batches, every one acknowledged, beside
// passing bare descriptors one way in messages of as many, which the receiver closes.
//
// Two processes, A and B, hold real TCP connections: A gives all of them to B, then B gives them back on the same link,
// and so on. Moves of both directions count. Blocks of both kinds alternate. At the end every connection is used.
#include <unistd.h>

#include <array>
#include <string>
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
  std::size_t connections;
  std::size_t blocks;    // of each kind, after one to warm up
  std::size_t passes;    // in a block, half of them back
  std::size_t messages;  // in a block of bare passing
};

/// Begin and end of a block; written by A, but for the end of bare passing, which is B's.
struct Block {
  Nanoseconds bare_begin;
  Nanoseconds bare_end;
  Nanoseconds express_begin;
  Nanoseconds express_end;
};

/// One octet through each connection: they have survived.
void use_all(std::span<const int> moved, std::span<const int> clients) {
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const std::array sent{static_cast<std::byte>(i)};
    write_all(clients[i], sent);
  }
  for (const int fd : moved) {
    std::array<std::byte, 1> octet{};
    read_all(fd, octet);
    write_all(fd, octet);
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    std::array<std::byte, 1> octet{};
    read_all(clients[i], octet);
    if (octet[0] != static_cast<std::byte>(i)) fail("a connection has another's octet");
  }
}

void side_a(const Size& size, std::span<Block> blocks, int bare, int link) {
  std::vector<int> held;
  std::vector<int> clients;
  for (const auto& [accepted, client] : tcp_pairs(size.connections)) {
    held.push_back(accepted);
    clients.push_back(client);
  }
  require(soc_credit(link, static_cast<int>(size.connections)), "soc_credit");
  std::vector<int> none;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    receive_message(bare, none);  // B is ready
    blocks[i].bare_begin = now();
    const std::size_t groups = held.size() / batch;
    for (std::size_t sent = 0; sent < size.messages; ++sent)
      send_message(bare, std::span{held}.subspan(sent % groups * batch, batch));
    receive_message(bare, none);  // B has closed all of them
    blocks[i].express_begin = now();
    for (std::size_t pass = 0; pass < size.passes; pass += 2) {
      give_all(link, held);
      held = take_all(link, size.connections);
    }
    blocks[i].express_end = now();
    if (i % 5 == 0) progress("block " + std::to_string(i) + " of " + std::to_string(blocks.size() - 1));
  }
  use_all(held, clients);
}

void side_b(const Size& size, std::span<Block> blocks, int bare, int link) {
  require(soc_credit(link, static_cast<int>(size.connections)), "soc_credit");
  std::vector<int> received;
  for (Block& block : blocks) {
    send_message(bare);
    for (std::size_t i = 0; i < size.messages; ++i) {
      received.clear();
      receive_message(bare, received);
      if (received.size() != batch) fail("the comparison has lost descriptors");
      for (const int fd : received) close(fd);
    }
    block.bare_end = now();
    send_message(bare);
    for (std::size_t pass = 0; pass < size.passes; pass += 2) give_all(link, take_all(link, size.connections));
  }
}

Json evaluate(const Size& size, std::span<const Block> blocks) {
  std::vector<double> bare;
  std::vector<double> express;
  std::vector<double> ratio;
  for (const Block& block : blocks) {
    const double bare_seconds = static_cast<double>(block.bare_end - block.bare_begin) / 1e9;
    const double express_seconds = static_cast<double>(block.express_end - block.express_begin) / 1e9;
    bare.push_back(static_cast<double>(size.messages * batch) / bare_seconds);
    express.push_back(static_cast<double>(size.passes * size.connections) / express_seconds);
    ratio.push_back(express.back() / bare.back());
  }
  return {{"connections", size.connections},
          {"batch", batch},
          {"moves", size.passes * size.connections * blocks.size()},
          {"bare_descriptors", size.messages * batch * blocks.size()},
          {"blocks", blocks.size()},
          {"bare_per_second", spread(bare)},
          {"express_per_second", spread(express)},
          {"express_of_bare", spread(ratio)}};
}

}  // namespace

int main(int argc, char* argv[]) {
  const Options options = parse_options(argc, argv);
  begin_process(deadline + 10);
  const RuntimeFolder folder;
  const Size size = options.quick ? Size{504, 3, 10, 100} : Size{2016, 20, 10, 400};
  const std::vector<int> usable = processors();
  progress("express, " + std::to_string(size.connections) + " connections, batches of " + std::to_string(batch));
  const auto blocks = shared_array<Block>(size.blocks + 1);
  const auto [bare_a, bare_b] = message_pair();
  const auto [ready, is_ready] = message_pair();
  std::vector<Child> children;
  children.push_back(Child::run("B", usable.back(), deadline, [&] {
    close(bare_a);
    const int listening = link_listen();
    send_message(ready);
    side_b(size, blocks, bare_b, link_accept(listening));
  }));
  children.push_back(Child::run("A", usable.front(), deadline, [&] {
    close(bare_b);
    std::vector<int> none;
    receive_message(is_ready, none);
    side_a(size, blocks, bare_a, link_connect());
  }));
  for (const int end : {bare_a, bare_b, ready, is_ready}) close(end);
  wait_for(children);
  Json result = evaluate(size, blocks.subspan(1));
  result["processors"] = {{"A", usable.front()}, {"B", usable.back()}};
  write_json(options.json, result);
}
