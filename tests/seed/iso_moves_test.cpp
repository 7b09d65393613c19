// SPDX-License-Identifier: MIT
// An AF_ISO connection from another host goes round a ring of two processes, while TSDUs of 1 octet to 1 MiB stream in
// both directions. Each holder stops wherever it happens to be: in the middle of a TSDU that it reads, in the middle of
// one that it writes, and of a packet.
//
//   seed_iso_moves [MOVES]
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "os/test_support.hpp"
#include "support/octets.hpp"
#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "support/seed_steps.hpp"

namespace baton::test {
namespace {

std::uint64_t moves = 1000;

constexpr Duration longest = std::chrono::seconds{280};
constexpr std::uint64_t upward = 1;
constexpr std::uint64_t downward = 2;
constexpr std::uint64_t unknown = ~std::uint64_t{0};
constexpr std::size_t largest = std::size_t{1} << 20U;

std::uint64_t scrambled(std::uint64_t value) {
  value = (value ^ value >> 30U) * 0xbf58476d1ce4e5b9U;
  value = (value ^ value >> 27U) * 0x94d049bb133111ebU;
  return value ^ value >> 31U;
}

/// As many small ones as large ones: 1 to `most`.
std::size_t size_like(std::uint64_t seed, std::size_t most) {
  const std::uint64_t value = scrambled(seed);
  std::size_t size = most;
  for (std::uint64_t halves = value % 21; halves > 0 && size > 1; --halves) size /= 2;
  return std::max<std::size_t>(1, size - (value >> 32U) % size);
}

/// How far one direction has come: both sides know the size of each TSDU from its number.
struct Progress {
  std::uint64_t tsdu = 0;
  std::uint64_t offset = 0;  // within it
  Tally tally;
  [[nodiscard]] std::size_t left(std::uint64_t name) const { return size_like(tsdu * 2 + name, largest) - offset; }
  void pass(std::uint64_t name, Bytes octets) {
    tally.add(octets);
    const bool ends = octets.size() == left(name);
    offset = ends ? 0 : offset + octets.size();
    tsdu += ends ? 1 : 0;
  }
};

/// Goes with every offer.
struct Handover {
  std::uint64_t move = 0;
  Progress received;
  Progress sent;
};
MutableBytes octets_of(Handover& handover) { return std::as_writable_bytes(std::span{&handover, 1}); }

struct Stage {
  struct Result {
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> last_upward = unknown;  // how many TSDUs there are, once that is known
    std::atomic<std::uint64_t> last_downward = unknown;
    Progress client_sent, client_received, served_received, served_sent;
    std::uint64_t moves = 0;
    std::uint64_t within_read = 0, within_write = 0;
    std::size_t descriptors_before[2] = {}, descriptors_after[2] = {};
  };
  std::array<Mailbox, 2> listening;
  Mailbox port;
  Shared<Result> result;
};

/// Reads once, checks octets and boundary. False: nothing there, or the end.
bool read_part(int number, std::uint64_t name, Progress& progress, MutableBytes room, int flags = 0) {
  iovec part{room.data(), room.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t size = soc_recvmsg(number, &message, flags);
  if (size < 0) {
    require(errno == EWOULDBLOCK || errno == ECONNRESET, soc_error_text());
    return false;
  }
  const Bytes octets = room.first(static_cast<std::size_t>(size));
  if (octets.empty()) {  // only the end of the TSDU, which the writer never sends so
    fail("an empty part");
  }
  require(octets.size() <= progress.left(name), "no read crosses the end of a TSDU");
  const bool ends = (message.msg_flags & MSG_EOR) != 0;
  require(ends == (octets.size() == progress.left(name)), "the TSDU ends where it should");
  Checker checker{name, progress.tally};
  checker.read(octets);
  progress.pass(name, octets);
  return true;
}

/// Writes what is left of the TSDU, as far as the socket takes it. False: it takes nothing.
bool write_part(int number, std::uint64_t name, Progress& progress, std::vector<std::byte>& room) {
  room.resize(progress.left(name));
  fill_from_stream(name, progress.tally.octets, room);
  const ssize_t size = soc_send(number, room.data(), room.size(), 0);
  if (size < 0) {
    require(errno == EWOULDBLOCK, soc_error_text());
    return false;
  }
  progress.pass(name, Bytes{room}.first(static_cast<std::size_t>(size)));
  return true;
}

sockaddr_iso address(std::string_view nsel, std::string_view tsel) {
  sockaddr_iso name{};
  name.siso_len = sizeof name;
  name.siso_family = AF_ISO;
  name.siso_tlen = static_cast<unsigned char>(tsel.size());
  std::memset(name.siso_addr.isoa_genaddr, ' ', 8);
  std::ranges::copy(nsel, name.siso_addr.isoa_genaddr);
  std::ranges::copy(tsel, name.siso_addr.isoa_genaddr + 8);
  return name;
}

void run_client(const Stage& stage) {
  ::setenv("BATON_NSEL", "CLIENT", 1);
  const std::string where = "127.0.0.1:" + std::to_string(stage.port.receive());
  checked(soc_set_host("SERVER", where.c_str()), "soc_set_host");
  const int number = checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket");
  const sockaddr_iso own = address("", "");
  const sockaddr_iso server = address("SERVER", "front");
  const int proposed = 8192;
  checked(soc_setsockopt(number, SOL_TRANSPORT, TPOPT_TPDU_SIZE, &proposed, sizeof proposed), "TPOPT_TPDU_SIZE");
  checked(soc_bind(number, &own, sizeof own), "soc_bind");
  checked(soc_connect(number, &server, sizeof server), "soc_connect");
  std::thread reader{[&] {
    Progress& received = stage.result->client_received;
    std::vector<std::byte> room(largest);
    do {
      require(read_part(number, downward, received, room), "the server does not close before its last TSDU");
    } while (stage.result->last_downward.load() != received.tsdu);
  }};
  Progress sent;
  std::vector<std::byte> room;
  while (!stage.result->stop.load()) (void)write_part(number, upward, sent, room);
  // One more, so that whoever waits for it sees that it is the last.
  stage.result->last_upward.store(sent.tsdu + 1);
  require(write_part(number, upward, sent, room), "the last TSDU goes out whole");
  stage.result->client_sent = sent;
  reader.join();
  checked(soc_close(number), "soc_close");
}

class Member {
 public:
  Member(const Stage& stage, unsigned number) : stage_{stage}, number_{number} {
    listening_ = steps_.listen(number_ == 0 ? "ring0" : "ring1");
    stage_.listening[number_].send(0);
  }

  void join_ring() {
    (void)stage_.listening[1 - number_].receive();
    if (number_ != 0) in_ = accept_and_confirm();
    out_ = steps_.connect(number_ == 0 ? "ring1" : "ring0");
    if (number_ == 0) in_ = accept_and_confirm();
  }

  void begin() {
    ::setenv("BATON_ISO_LISTEN", "127.0.0.1:0", 1);
    const int front = steps_.listen("front");
    sockaddr_in where{};
    socklen_t size = sizeof where;
    checked(soc_getsockopt(front, SOL_TRANSPORT, TPOPT_LOCAL_ADDRESS, &where, &size), "TPOPT_LOCAL_ADDRESS");
    stage_.port.send(ntohs(where.sin_port));
    holding_ = end_point(steps_.accept(front));
    checked(soc_setsockopt(holding_.number, SOL_TRANSPORT, TPOPT_CFRM_DATA, "", 0), "confirmation");
    checked(soc_close(front), "soc_close of the front");
    // Little room, so that writes are often short.
    const int room = 32 * 1024;
    checked(soc_setsockopt(holding_.number, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), "SO_SNDBUF");
  }

  void run() {
    for (;;) {
      if (holding_.number >= 0) {
        serve();
        if (handover_.move == moves) return serve_to_the_end();
        pass_on();
      }
      if (handover_.move == moves / 2 || handover_.move == moves / 2 + 1) count(stage_.result->descriptors_before);
      if (!take()) return;
    }
  }

  void leave() {
    (void)os::testing::eventually(
        [&] { return os::testing::open_descriptors() <= stage_.result->descriptors_before[number_]; });
    count(stage_.result->descriptors_after);
    for (const int each : {out_, in_, listening_}) checked(soc_close(each), "soc_close");
  }

 private:
  int accept_and_confirm() {
    const int link = steps_.accept(listening_);
    checked(soc_setsockopt(link, SOL_TRANSPORT, TPOPT_CFRM_DATA, "", 0), "confirmation");
    return link;
  }
  void count(std::size_t* place) const { place[number_] = os::testing::open_descriptors(); }
  void serve() {
    const std::size_t most = size_like(handover_.move * 2 + 99, 65'536);
    room_.resize(most);
    require(read_part(holding_.number, upward, handover_.received, room_), "the client never stops sending");
    // Without waiting: what the socket does not take now the next holder has to bring.
    checked(::fcntl(holding_.number, F_SETFL, O_NONBLOCK), "fcntl");
    (void)write_part(holding_.number, downward, handover_.sent, room_);
    checked(::fcntl(holding_.number, F_SETFL, 0), "fcntl");
  }
  void serve_to_the_end() {
    stage_.result->stop.store(true);
    room_.resize(65'536);
    std::vector<std::byte> reading(65'536);
    while (stage_.result->last_upward.load() != handover_.received.tsdu)
      require(read_part(holding_.number, upward, handover_.received, reading), "the client's last TSDU comes");
    // What is begun is ended; then one more.
    stage_.result->last_downward.store(handover_.sent.tsdu + (handover_.sent.offset > 0 ? 2 : 1));
    while (stage_.result->last_downward.load() != handover_.sent.tsdu)
      require(write_part(holding_.number, downward, handover_.sent, room_), "the socket takes all");
    stage_.result->served_received = handover_.received;
    stage_.result->served_sent = handover_.sent;
    stage_.result->moves = handover_.move;
    checked(soc_close(holding_.number), "soc_close of the end point");
  }
  void pass_on() {
    ++handover_.move;
    stage_.result->within_read += handover_.received.offset > 0 ? 1 : 0;
    stage_.result->within_write += handover_.sent.offset > 0 ? 1 : 0;
    steps_.offer(out_, holding_, octets_of(handover_));
    (void)steps_.await_answer(out_, holding_);
    steps_.call(out_, holding_);
    (void)steps_.await_outcome(out_, holding_);
    checked(soc_close(holding_.number), "soc_close of the accept descriptor");
    holding_ = {};
  }
  bool take() {
    auto offered = steps_.await_offer(in_, octets_of(handover_));
    if (!offered) return false;
    require(offered->octets == sizeof handover_, "the offer brings all octets");
    steps_.answer(in_, *offered);
    holding_ = steps_.take(in_, *offered);
    require(holding_.domain == AF_ISO, "an AF_ISO end point arrives");
    return true;
  }

  const Stage& stage_;
  unsigned number_;
  Steps steps_{Waits::Blocking};
  int listening_ = -1;
  int out_ = -1;
  int in_ = -1;
  EndPoint holding_;
  Handover handover_;
  std::vector<std::byte> room_;
};

void run_member(const Stage& stage, unsigned number) {
  Member member{stage, number};
  member.join_ring();
  if (number == 0) member.begin();
  member.run();
  member.leave();
}

bool operator==(const Progress& a, const Progress& b) {
  return a.tsdu == b.tsdu && a.offset == b.offset && a.tally == b.tally;
}

TEST(IsoMoves, TsdusStreamBothWaysAndEachArrivesWhole) {
  const RuntimeDir folder;
  const Stage stage;
  std::vector<Child> roles;
  for (unsigned number = 0; number < 2; ++number)
    roles.emplace_back("member " + std::to_string(number), [&, number] { run_member(stage, number); }, longest);
  roles.emplace_back("client", [&] { run_client(stage); }, longest);
  const Instant begin = os::monotonic_now();
  ASSERT_EQ(finish(roles), "");
  const auto took = std::chrono::duration<double>(os::monotonic_now() - begin).count();

  const Stage::Result& result = *stage.result;
  EXPECT_EQ(result.moves, moves);
  EXPECT_TRUE(result.client_sent == result.served_received);
  EXPECT_TRUE(result.served_sent == result.client_received);
  EXPECT_EQ(result.client_sent.offset, 0U);
  EXPECT_EQ(result.served_sent.offset, 0U);
  // Else the test has not met what it is for.
  EXPECT_GT(result.within_read, moves / 10);
  EXPECT_GT(result.within_write, moves / 100);
  for (unsigned number = 0; number < 2; ++number)
    EXPECT_LE(result.descriptors_after[number], result.descriptors_before[number]);
  std::cout << moves << " moves in " << took << " s; " << result.client_sent.tsdu << " TSDUs, "
            << result.client_sent.tally.octets << " octets upward; " << result.served_sent.tsdu << " TSDUs, "
            << result.served_sent.tally.octets << " octets downward; moved within a TSDU that was read "
            << result.within_read << ", written " << result.within_write << " times\n";
}

}  // namespace
}  // namespace baton::test

int main(int argc, char* argv[]) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc > 2) {
    std::cerr << "usage: seed_iso_moves [MOVES]\n";
    return 2;
  }
  if (argc == 2) baton::test::moves = std::strtoull(argv[1], nullptr, 10);
  return RUN_ALL_TESTS();
}
