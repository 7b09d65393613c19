// SPDX-License-Identifier: MIT
// One connection goes round a ring of processes, each of them server of one move and listener of the next, while its
// client never stops sending.
//
//   seed_many_moves [--moves N] [--processes N] [--outcome asked|left]
//
// asked: the listener waits for the outcome before it closes its accept descriptor; left: it closes at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "os/test_support.hpp"
#include "support/octets.hpp"
#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "support/seed_steps.hpp"
#include "support/sockets.hpp"

namespace baton::test {
namespace {

struct Settings {
  std::uint64_t moves = 1000;
  unsigned processes = 2;
  bool asks_for_outcome = true;
};
Settings settings;

constexpr Duration longest = std::chrono::seconds{280};
constexpr unsigned most_processes = 8;
/// Moves until every process has what it keeps for good.
constexpr std::uint64_t warm_up = 500;
/// Each holder reads up to so much before it passes the connection on, and writes so much.
constexpr std::size_t read_at_once = 2048;
constexpr std::size_t write_at_once = 16;
constexpr std::uint64_t upward = 1;
constexpr std::uint64_t downward = 2;
constexpr std::size_t memory_growth = std::size_t{2} << 20U;

/// Goes with every offer.
struct Handover {
  std::uint64_t move = 0;
  std::uint64_t cookie = 0;
  Tally received;
  Tally sent;
};
MutableBytes octets_of(Handover& handover) { return std::as_writable_bytes(std::span{&handover, 1}); }

struct Use {
  std::size_t descriptors = 0;
  std::size_t memory = 0;
};

struct Stage {
  struct Result {
    std::atomic<bool> stop = false;
    Tally client_sent;
    Tally client_received;
    Tally served_received;
    Tally served_sent;
    std::uint64_t moves = 0;
    std::array<Use, most_processes> before{};
    std::array<Use, most_processes> after{};
  };
  std::array<Mailbox, most_processes> listening;
  Mailbox port;
  Shared<Result> result;
};

std::string name_of_member(unsigned member) { return "ring" + std::to_string(member); }

// --- Client: one thread sends without a pause, one reads
// --------------------------------------------------------------

void run_client(const Stage& stage) {
  const UniqueFd socket = tcp_connect(AF_INET, static_cast<std::uint16_t>(stage.port.receive()));
  const std::string names = local_name(socket.get()) + peer_name(socket.get());
  std::thread reader{[&] {
    Checker receiving{downward};
    std::array<std::byte, 4096> buffer;
    while (const std::size_t size = read_some(socket.ref(), buffer)) receiving.read(Bytes{buffer}.first(size));
    stage.result->client_received = receiving.tally();
  }};
  Producer sending{upward};
  std::array<std::byte, 4096> buffer;
  while (!stage.result->stop.load()) {
    sending.peek(buffer);
    write_all(socket.ref(), buffer);
    sending.written(buffer);
  }
  require(local_name(socket.get()) + peer_name(socket.get()) == names, "the client sees the same two ends");
  checked(::shutdown(socket.get(), SHUT_WR), "shutdown");
  stage.result->client_sent = sending.tally();
  reader.join();
}

// --- A member of the ring
// ---------------------------------------------------------------------------------------------

class Member {
 public:
  Member(const Stage& stage, unsigned number) : stage_{stage}, number_{number} {
    listening_ = steps_.listen(name_of_member(number_));
    stage_.listening[number_].send(0);
  }

  /// Links: to the next member, from the one before. A connect waits until it is accepted and confirmed, so one member
  /// has to begin.
  void join_ring() {
    const unsigned next = (number_ + 1) % settings.processes;
    (void)stage_.listening[next].receive();
    if (number_ != 0) in_ = accept_and_confirm();
    out_ = steps_.connect(name_of_member(next));
    if (number_ == 0) in_ = accept_and_confirm();
  }

  void begin() {
    const UniqueFd listener = tcp_listen(AF_INET);
    stage_.port.send(port_of(listener.ref()));
    holding_ = end_point(checked(soc_accept(listener.get(), nullptr, nullptr), "soc_accept"));
    handover_.cookie = cookie_of(holding_.number);
  }

  void run() {
    for (;;) {
      if (holding_.number >= 0) {
        serve();
        if (handover_.move == settings.moves) return serve_to_the_end();
        pass_on();
      }
      if (!measured_ && handover_.move >= warm_up) measure(stage_.result->before[number_]);
      if (!take()) return;
    }
  }

  void leave() {
    // The outcome of the last move may still be under way.
    const Use& before = stage_.result->before[number_];
    const std::size_t kept = settings.asks_for_outcome ? 0 : 1;  // the thread that reads outcomes keeps an event
    (void)os::testing::eventually([&] { return os::testing::open_descriptors() <= before.descriptors + kept; });
    measure(stage_.result->after[number_]);
    checked(soc_close(out_), "soc_close of the link to the next");
    checked(soc_close(in_), "soc_close of the link from the one before");
    checked(soc_close(listening_), "soc_close of the listening socket");
  }

 private:
  int accept_and_confirm() {
    const int link = steps_.accept(listening_);
    pollfd entry{link, POLLIN, 0};
    checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");
    return link;
  }
  void serve() {
    Checker receiving{upward, handover_.received};
    Producer sending{downward, handover_.sent};
    std::array<std::byte, read_at_once> buffer;
    const std::size_t size = steps_.read_some(holding_.number, buffer);
    require(size > 0, "the client never stops sending");
    receiving.read(Bytes{buffer}.first(size));
    const auto part = MutableBytes{buffer}.first(write_at_once);
    sending.peek(part);
    steps_.write_all(holding_.number, part);
    sending.written(part);
    handover_.received = receiving.tally();
    handover_.sent = sending.tally();
  }
  void serve_to_the_end() {
    stage_.result->stop.store(true);
    Checker receiving{upward, handover_.received};
    std::array<std::byte, read_at_once> buffer;
    while (const std::size_t size = steps_.read_some(holding_.number, buffer))
      receiving.read(Bytes{buffer}.first(size));
    require(cookie_of(holding_.number) == handover_.cookie, "it is the very socket that was accepted");
    stage_.result->served_received = receiving.tally();
    stage_.result->served_sent = handover_.sent;
    stage_.result->moves = handover_.move;
    checked(soc_close(holding_.number), "soc_close of the end point");
  }
  void pass_on() {
    ++handover_.move;
    steps_.offer(out_, holding_, octets_of(handover_));
    (void)steps_.await_answer(out_, holding_);
    steps_.call(out_, holding_);
    // Until all have measured, no outcome may be under way.
    if (settings.asks_for_outcome || handover_.move < warm_up + settings.processes)
      (void)steps_.await_outcome(out_, holding_);
    checked(soc_close(holding_.number), "soc_close of the accept descriptor");
    holding_ = {};
  }
  /// False: the ring has come to its end.
  bool take() {
    auto offered = steps_.await_offer(in_, octets_of(handover_));
    if (!offered) return false;
    require(offered->octets == sizeof handover_, "the offer brings all octets");
    steps_.answer(in_, *offered);
    holding_ = steps_.take(in_, *offered);
    return true;
  }
  void measure(Use& use) {
    measured_ = true;
    use = {os::testing::open_descriptors(), memory_in_use()};
  }

  const Stage& stage_;
  unsigned number_;
  Steps steps_{Waits::Blocking};
  int listening_ = -1;
  int out_ = -1;
  int in_ = -1;
  EndPoint holding_;
  Handover handover_;
  bool measured_ = false;
};

void run_member(const Stage& stage, unsigned number) {
  Member member{stage, number};
  member.join_ring();
  if (number == 0) member.begin();
  member.run();
  member.leave();
}

TEST(ManyMoves, TheClientNeverStopsSendingAndNothingIsLostOrKept) {
  ASSERT_GE(settings.processes, 2U);
  ASSERT_LE(settings.processes, most_processes);
  ASSERT_GE(settings.moves, 2 * warm_up);
  const RuntimeDir folder;
  const Stage stage;
  std::vector<Child> roles;
  for (unsigned number = 0; number < settings.processes; ++number)
    roles.emplace_back("member " + std::to_string(number), [&, number] { run_member(stage, number); }, longest);
  roles.emplace_back("client", [&] { run_client(stage); }, longest);
  const Instant begin = os::monotonic_now();
  ASSERT_EQ(finish(roles), "");
  const auto took = std::chrono::duration<double>(os::monotonic_now() - begin).count();

  const Stage::Result& result = *stage.result;
  EXPECT_EQ(result.moves, settings.moves);
  EXPECT_EQ(result.client_sent, result.served_received);
  EXPECT_EQ(result.served_sent, result.client_received);
  EXPECT_EQ(result.client_sent, tally_of_stream(upward, result.client_sent.octets));
  EXPECT_EQ(result.served_sent, tally_of_stream(downward, write_at_once * (settings.moves + 1)));
  std::cout << settings.moves << " moves in " << took << " s, " << result.client_sent.octets << " octets upward\n";
  for (unsigned number = 0; number < settings.processes; ++number) {
    const Use& before = result.before[number];
    const Use& after = result.after[number];
    std::cout << "member " << number << ": descriptors " << before.descriptors << " -> " << after.descriptors
              << ", memory " << before.memory << " -> " << after.memory << " octets\n";
    EXPECT_GT(before.descriptors, 0U);
    EXPECT_GE(after.descriptors, before.descriptors);
    EXPECT_LE(after.descriptors, before.descriptors + (settings.asks_for_outcome ? 0 : 1));
    EXPECT_LT(after.memory, before.memory + memory_growth);
  }
}

bool read_settings(int argc, char* argv[]) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc) return false;
    const std::string_view value = argv[i + 1];
    if (option == "--moves")
      settings.moves = std::strtoull(argv[i + 1], nullptr, 10);
    else if (option == "--processes")
      settings.processes = static_cast<unsigned>(std::strtoul(argv[i + 1], nullptr, 10));
    else if (option == "--outcome" && (value == "asked" || value == "left"))
      settings.asks_for_outcome = value == "asked";
    else
      return false;
  }
  return true;
}

}  // namespace
}  // namespace baton::test

int main(int argc, char* argv[]) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!baton::test::read_settings(argc, argv)) {
    std::cerr << "usage: seed_many_moves [--moves N] [--processes N] [--outcome asked|left]\n";
    return 2;
  }
  return RUN_ALL_TESTS();
}
