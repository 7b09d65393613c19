// SPDX-License-Identifier: MIT
// baton: bench/pause.cpp: the pause that a client meets: from the last octets that the old owner read to the first ones
// that the new owner has read, while the client sends as fast as it can.
//
// One TCP connection goes to and fro between two processes, by three ways in turn, a block of moves each:
//   seed     the owner offers and goes on reading until the answer is there; then comes the data stop
//   express  one message each way; the owner has stopped reading before
//   bare     the descriptor alone, without answer or check: what the kernel can do
// Every octet is checked against the client's pattern.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <vector>

#include "baton/soc.h"
#include "support/measure.hpp"
#include "support/moves.hpp"
#include "support/process.hpp"
#include "support/sockets.hpp"

namespace {

using namespace baton::bench;

constexpr unsigned deadline = 120;                // seconds
constexpr Nanoseconds time_of_service = 400'000;  // of one owner, between two moves
constexpr std::size_t period = 251;               // of the client's pattern
constexpr std::size_t client_write = 16'384;
constexpr std::size_t owner_read = 65'536;

enum class Way { Seed, Express, Bare };
constexpr std::array names{"seed", "express", "bare"};

struct Size {
  std::size_t moves;  // of each way
  std::size_t block;
};

struct Stamp {
  Nanoseconds last_read;
  Nanoseconds first_read;
};

struct Stream {
  std::size_t position;  // touched by the owner alone
  std::atomic<bool> over;
  std::size_t moves;
  std::size_t block;
};

std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> octets(size + period);
  for (std::size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<std::byte>(i % period);
  return octets;
}

void client(int connection, const Stream& stream) {
  const auto octets = pattern(client_write);
  for (std::size_t position = 0;;) {
    const ssize_t written = write(connection, octets.data() + position % period, client_write);
    if (written < 0) {
      if (stream.over) return;
      fail("the client's write");
    }
    position += static_cast<std::size_t>(written);
  }
}

/// One of the two processes between which the connection moves.
class Owner {
 public:
  Owner(int index, Stream& stream, std::span<Stamp> stamps, int bare, int link)
      : index_{static_cast<std::size_t>(index)}, stream_{stream}, stamps_{stamps}, bare_{bare}, link_{link} {
    require(soc_credit(link, 8), "soc_credit");
  }

  /// `connection`: -1 for the one that begins without it.
  void run(int connection) {
    for (std::size_t move = 0; move < stamps_.size(); ++move) {
      const auto way = static_cast<Way>(move / stream_.block % names.size());
      if (move % 2 == index_) {
        const Nanoseconds until = now() + time_of_service;
        Nanoseconds read = 0;
        while (read < until) read = read_some(connection);
        stamps_[move].last_read = read;
        give(way, connection, stamps_[move]);
      } else {
        connection = receive(way);
        stamps_[move].first_read = read_some(connection);
        if (index_ == 0 && move % 2000 == 1999) progress("move " + std::to_string(move + 1));
      }
    }
    // The last move has an even number of moves before it and after it: the first owner ends with the connection.
    if (index_ == 0) {
      stream_.over = true;
      close(connection);
    }
  }

 private:
  Nanoseconds read_some(int connection) {
    const ssize_t size = require(read(connection, buffer_.data(), buffer_.size()), "the owner's read");
    const Nanoseconds at = now();
    if (size == 0) fail("end of file at the owner");
    const std::span octets{buffer_.data(), static_cast<std::size_t>(size)};
    if (!std::ranges::equal(octets, std::span{expected_}.subspan(stream_.position % period, octets.size())))
      fail("octets lost, doubled or changed");
    stream_.position += octets.size();
    return at;
  }

  void give(Way way, int connection, Stamp& stamp) {
    switch (way) {
      case Way::Seed: {
        offer(link_, connection);
        pollfd entry{link_, POLLIN, 0};
        while (require(soc_poll_ms(&entry, 1, 0), "soc_poll_ms") == 0) stamp.last_read = read_some(connection);
        await_answer(link_, connection);
        call(link_, connection);
        await_outcome(link_, connection);
        require(soc_close(connection), "soc_close");
        break;
      }
      case Way::Express:
        give_all(link_, {&connection, 1});
        break;
      case Way::Bare:
        send_message(bare_, {&connection, 1});
        close(connection);
        break;
    }
  }

  int receive(Way way) {
    switch (way) {
      case Way::Seed:
        return take_move(link_);
      case Way::Express:
        return take_all(link_, 1)[0];
      case Way::Bare: {
        std::vector<int> received;
        receive_message(bare_, received);
        return received.at(0);
      }
    }
    return -1;
  }

  std::size_t index_;
  Stream& stream_;
  std::span<Stamp> stamps_;
  int bare_;
  int link_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(owner_read);
  std::vector<std::byte> expected_ = pattern(owner_read);
};

Json evaluate(const Size& size, std::span<const Stamp> stamps, std::size_t octets, double seconds) {
  std::array<std::vector<double>, names.size()> pauses;
  // The first round of blocks warms up.
  for (std::size_t move = names.size() * size.block; move < stamps.size(); ++move)
    pauses[move / size.block % names.size()].push_back(
        static_cast<double>(stamps[move].first_read - stamps[move].last_read) / 1000);
  Json result{{"client_write_octets", client_write},
              {"service_between_moves_us", time_of_service / 1000},
              {"octets_checked", octets},
              {"octets_per_second", static_cast<double>(octets) / seconds}};
  for (std::size_t way = 0; way < names.size(); ++way) {
    result["ways"][names[way]] = summary(pauses[way]);
    result["ways"][names[way]]["tail"] = tail(pauses[way]);
  }
  return result;
}

}  // namespace

int main(int argc, char* argv[]) {
  const Options options = parse_options(argc, argv);
  begin_process(deadline + 10);
  const RuntimeFolder folder;
  const Size size = options.quick ? Size{200, 50} : Size{10'000, 100};
  const std::size_t moves = names.size() * (size.moves + size.block);
  progress("pause of a streaming client, " + std::to_string(moves) + " moves");
  const auto stamps = shared_array<Stamp>(moves);
  Stream& stream = shared_array<Stream>(1)[0];
  stream.block = size.block;
  const auto [bare_a, bare_b] = message_pair();
  const auto [ready, is_ready] = message_pair();
  const auto [accepted, client_end] = tcp_pairs(1)[0];
  const Nanoseconds begin = now();
  std::vector<Child> children;
  children.push_back(Child::run("client", any_processor, deadline, [&] {
    close(accepted);
    client(client_end, stream);
  }));
  children.push_back(Child::run("B", any_processor, deadline, [&] {
    for (const int end : {accepted, client_end, bare_a}) close(end);
    const int listening = link_listen();
    send_message(ready);
    Owner{1, stream, stamps, bare_b, link_accept(listening)}.run(-1);
  }));
  children.push_back(Child::run("A", any_processor, deadline, [&] {
    for (const int end : {client_end, bare_b}) close(end);
    std::vector<int> none;
    receive_message(is_ready, none);
    Owner{0, stream, stamps, bare_a, link_connect()}.run(accepted);
  }));
  for (const int end : {bare_a, bare_b, ready, is_ready, accepted, client_end}) close(end);
  wait_for(children);
  write_json(options.json, evaluate(size, stamps, stream.position, static_cast<double>(now() - begin) / 1e9));
}
