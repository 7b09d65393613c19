// SPDX-License-Identifier: MIT
// baton: bench/api.cpp: what a move through the C++ API costs, beside the same through the C calls.
//
// The same two processes, the same link, the same connections, in turn, whose order alternates from block to block:
//   one by one   offer to outcome, and closing L's number; S gives the end points back outside of the time
//   express      all connections in batches from A to B and back again, every one acknowledged
#include <baton/baton.hpp>

#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "support/measure.hpp"
#include "support/moves.hpp"
#include "support/process.hpp"
#include "support/sockets.hpp"

namespace {

using namespace baton::bench;

constexpr unsigned deadline = 90;  // seconds

struct Size {
  std::size_t blocks;       // of each kind, after one to warm up
  std::size_t moves;        // one by one, in a block
  std::size_t connections;  // express
  std::size_t passes;       // express, in a block, there and back
};

/// Microseconds of one move in a block.
struct Block {
  double calls;
  double api;
  double express_calls;
  double express_api;
};

template <class Value, class Error>
Value got(std::expected<Value, Error> result, const char* what) {
  if (!result) fail(what);
  return std::move(*result);
}

void give_by_api(baton::Link& link, std::vector<baton::Outgoing>& moves) {
  std::size_t done = 0;
  const auto collect = [&](baton::Deadline until) {
    const auto outcomes = link.outcomes(until);
    if (!outcomes && outcomes.error().would_block()) return;
    if (!outcomes) fail("outcomes");
    for (const baton::Outcome& outcome : *outcomes)
      if (!outcome.moved()) fail("an express move was not made");
    done += outcomes->size();
  };
  for (std::size_t given = 0; given < moves.size();) {
    given += got(link.give(std::span{moves}.subspan(given)), "give");
    if (given < moves.size() && done < given) collect(baton::Deadline::now());
  }
  while (done < moves.size()) collect(baton::Deadline::never());
  moves.clear();
}

void take_by_api(baton::Link& link, std::vector<baton::Outgoing>& moves, std::size_t count) {
  while (moves.size() < count)
    for (baton::Taken& taken : got(link.take(), "take")) moves.emplace_back(std::move(taken.connection));
}

double per_move(Nanoseconds begin, std::size_t moves) {
  return static_cast<double>(now() - begin) / 1000 / static_cast<double>(moves);
}

/// Both ways in turn, and every second time in the other order: what drifts favours neither.
template <class Calls, class Api>
void in_turn(std::size_t turn, Calls calls, Api api) {
  if (turn % 2 == 0) calls();
  api();
  if (turn % 2 != 0) calls();
}

/// One by one: `pool` goes and comes back, by the calls and by the API.
void offer_block(baton::Link& link, std::size_t turn, std::vector<int>& pool, Block& block) {
  const int number = link.native_handle();
  in_turn(
      turn,
      [&] {
        const Nanoseconds begin = now();
        for (const int fd : pool) {
          move(number, fd);
          require(soc_close(fd), "soc_close");
        }
        block.calls = per_move(begin, pool.size());
        pool = take_all(number, pool.size());
      },
      [&] {
        std::vector<baton::Connection> connections;
        for (const int fd : pool) connections.push_back(baton::Connection::adopt(fd));
        const Nanoseconds begin = now();
        for (baton::Connection& connection : connections) (void)got(link.offer(std::move(connection)), "offer");
        block.api = per_move(begin, pool.size());
        pool = take_all(number, pool.size());
      });
}

void answer_block(baton::Link& link, std::size_t turn, std::size_t moves) {
  const int number = link.native_handle();
  std::vector<int> taken;
  in_turn(
      turn,
      [&] {
        taken.clear();
        for (std::size_t i = 0; i < moves; ++i) taken.push_back(take_move(number));
        give_all(number, taken);
      },
      [&] {
        std::vector<baton::Connection> connections;
        for (std::size_t i = 0; i < moves; ++i)
          connections.push_back(got(got(link.await_offer(), "await_offer").accept(), "accept"));
        taken.clear();
        for (baton::Connection& connection : connections) taken.push_back(std::move(connection).release());
        give_all(number, taken);
      });
}

void express_block_a(baton::Link& link, std::size_t turn, const Size& size, std::vector<int>& held, Block& block) {
  const int number = link.native_handle();
  const std::size_t moves = 2 * size.passes * size.connections;
  in_turn(
      turn,
      [&] {
        const Nanoseconds begin = now();
        for (std::size_t pass = 0; pass < size.passes; ++pass) {
          give_all(number, held);
          held = take_all(number, size.connections);
        }
        block.express_calls = per_move(begin, moves);
      },
      [&] {
        std::vector<baton::Outgoing> going;
        for (const int fd : held) going.emplace_back(baton::Connection::adopt(fd));
        const Nanoseconds begin = now();
        for (std::size_t pass = 0; pass < size.passes; ++pass) {
          give_by_api(link, going);
          take_by_api(link, going, size.connections);
        }
        block.express_api = per_move(begin, moves);
        held.clear();
        for (baton::Outgoing& one : going) held.push_back(std::move(one.connection).release());
      });
}

void express_block_b(baton::Link& link, std::size_t turn, const Size& size) {
  const int number = link.native_handle();
  in_turn(
      turn,
      [&] {
        for (std::size_t pass = 0; pass < size.passes; ++pass) give_all(number, take_all(number, size.connections));
      },
      [&] {
        std::vector<baton::Outgoing> come;
        for (std::size_t pass = 0; pass < size.passes; ++pass) {
          take_by_api(link, come, size.connections);
          give_by_api(link, come);
        }
      });
}

void side_a(const Size& size, std::span<Block> blocks, int link_number) {
  auto link = baton::Link::adopt(link_number);
  std::vector<int> pool;
  std::vector<int> held;
  std::vector<int> clients;
  for (const auto& [accepted, client] : tcp_pairs(size.moves + size.connections)) {
    (pool.size() < size.moves ? pool : held).push_back(accepted);
    clients.push_back(client);
  }
  (void)got(link.credit(std::max(size.moves, size.connections)), "credit");
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    offer_block(link, i, pool, blocks[i]);
    express_block_a(link, i, size, held, blocks[i]);
    if (i % 5 == 0) progress("block " + std::to_string(i) + " of " + std::to_string(blocks.size() - 1));
  }
}

void side_b(const Size& size, std::size_t blocks, int link_number) {
  auto link = baton::Link::adopt(link_number);
  (void)got(link.credit(std::max(size.moves, size.connections)), "credit");
  for (std::size_t i = 0; i < blocks; ++i) {
    answer_block(link, i, size.moves);
    express_block_b(link, i, size);
  }
}

Json evaluate(const Size& size, std::span<const Block> blocks) {
  const auto column = [&](double Block::* member) {
    std::vector<double> values;
    for (const Block& block : blocks) values.push_back(block.*member);
    return values;
  };
  const auto ratio = [&](double Block::* api, double Block::* calls) {
    std::vector<double> values;
    for (const Block& block : blocks) values.push_back(block.*api / block.*calls);
    return spread(values);
  };
  return {{"blocks", size.blocks},
          {"moves_in_block", size.moves},
          {"express_moves_in_block", 2 * size.passes * size.connections},
          {"batch", batch},
          {"calls_us", spread(column(&Block::calls))},
          {"api_us", spread(column(&Block::api))},
          {"ratio", ratio(&Block::api, &Block::calls)},
          {"express_calls_us", spread(column(&Block::express_calls))},
          {"express_api_us", spread(column(&Block::express_api))},
          {"express_ratio", ratio(&Block::express_api, &Block::express_calls)}};
}

}  // namespace

int main(int argc, char* argv[]) {
  const Options options = parse_options(argc, argv);
  begin_process(deadline + 10);
  const RuntimeFolder folder;
  const Size size = options.quick ? Size{3, 50, 252, 2} : Size{30, 500, 1008, 4};
  const std::vector<int> usable = processors();
  progress("the C++ API beside the C calls");
  const auto blocks = shared_array<Block>(size.blocks + 1);
  const auto [ready, is_ready] = message_pair();
  std::vector<Child> children;
  children.push_back(Child::run("B", usable.back(), deadline, [&] {
    const int listening = link_listen();
    send_message(ready);
    side_b(size, blocks.size(), link_accept(listening));
  }));
  children.push_back(Child::run("A", usable.front(), deadline, [&] {
    std::vector<int> none;
    receive_message(is_ready, none);
    side_a(size, blocks, link_connect());
  }));
  for (const int end : {ready, is_ready}) close(end);
  wait_for(children);
  Json result = evaluate(size, blocks.subspan(1));
  result["processors"] = {{"A", usable.front()}, {"B", usable.back()}};
  write_json(options.json, result);
}
