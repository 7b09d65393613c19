// SPDX-License-Identifier: MIT
#include "visitor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "os/test_support.hpp"
#include "s7.hpp"
#include "station.hpp"

namespace baton::interop {
namespace {

using test::checked;
using test::fail_call;
using test::Offered;
using test::require;
using test::Steps;
using test::Waits;

constexpr std::string_view host = "PLC";
constexpr std::string_view own_tsel{"\x01\x00", 2};

/// Of several processes: in which descriptors are made that the library keeps. Each process has a few of them.
constexpr unsigned first_rounds = 9;

/// A socket whose connection requests go to `port` of this machine.
int prepared_socket(std::uint16_t port) {
  checked(soc_set_host(std::string{host}.c_str(), ("127.0.0.1:" + std::to_string(port)).c_str()), "soc_set_host");
  const int number = checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket");
  const sockaddr_iso own = iso_address("", own_tsel);
  checked(soc_bind(number, &own, sizeof own), "soc_bind");
  return number;
}

int connect_to(int number, unsigned slot) {
  const sockaddr_iso server = iso_address(host, slot_tsel(slot));
  return soc_connect(number, &server, sizeof server);
}

/// The client, as it goes from process to process.
struct Journey {
  unsigned round = 0;
  std::uint16_t reference = 0;
  std::uint16_t agreed = 0;
};

class Traveller {
 public:
  Traveller(const Visit& visit, unsigned number)
      : visit_{visit}, ring_{steps_, visit.gathering, number, visit.plan.processes} {
    if (number == 0) set_out();
    // With its own in use; measured again when the first moves are over.
    descriptors_ = os::testing::open_descriptors() - (number == 0 ? 1 : 0);
  }

  void run() {
    for (;;) {
      if (number_ < 0 && !take()) return;
      do_round();
      if (journey_.round == visit_.plan.rounds) return arrive();
      if (visit_.plan.processes > 1) pass_on();
    }
  }

  void leave() {
    require(number_ < 0, "the end point is gone");
    if (!os::testing::eventually([&] { return os::testing::open_descriptors() <= descriptors_; }))
      test::fail("descriptors are left: " + test::described_descriptors());
    ring_.leave();
  }

 private:
  void set_out() {
    number_ = prepared_socket(visit_.plan.port);
    if (const int size = visit_.plan.tpdu_size; size > 0)
      checked(soc_setsockopt(number_, SOL_TRANSPORT, TPOPT_TPDU_SIZE, &size, sizeof size), "TPOPT_TPDU_SIZE");
    checked(connect_to(number_, visit_.plan.slot), "soc_connect");
    std::array<std::byte, s7::max_message> room;
    const std::uint16_t reference = ++journey_.reference;
    const Bytes request = s7::setup_request(room, reference, visit_.plan.longest_message);
    const auto agreed = s7::setup_answer(ask(request), reference);
    require(agreed.has_value(), "the server agrees to a length of messages");
    journey_.agreed = *agreed;
    int size = 0;
    socklen_t length = sizeof size;
    checked(soc_getsockopt(number_, SOL_TRANSPORT, TPOPT_TPDU_SIZE, &size, &length), "TPOPT_TPDU_SIZE");
    visit_.record->agreed_tpdu_size = size;
    visit_.record->agreed_message = *agreed;
  }

  /// The answer to a request; valid until the next one.
  Bytes ask(Bytes request) {
    const auto sent = checked(soc_write(number_, request.data(), request.size()), "soc_write of a request");
    require(static_cast<std::size_t>(sent) == request.size(), "a request is written whole");
    std::size_t size = 0;
    for (;;) {
      iovec part{answer_.data() + size, answer_.size() - size};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      const auto more = checked(soc_recvmsg(number_, &message, 0), "soc_recvmsg of an answer");
      require(more > 0, "an answer has octets");
      size += static_cast<std::size_t>(more);
      if ((message.msg_flags & MSG_EOR) != 0) return Bytes{answer_}.first(size);
      require(size < answer_.size(), "an answer is not too long");
    }
  }

  std::vector<std::byte> read(std::size_t start, std::size_t size) {
    std::vector<std::byte> all;
    std::array<std::byte, s7::max_message> room;
    while (all.size() < size) {
      const std::size_t part = std::min(size - all.size(), s7::readable_at_once(journey_.agreed));
      const std::uint16_t reference = ++journey_.reference;
      const Bytes request = s7::read_request(room, reference, visit_.plan.block, start + all.size(), part);
      const auto octets = s7::read_answer(ask(request), reference);
      require(octets && octets->size() == part, "the octets that were asked for");
      all.insert(all.end(), octets->begin(), octets->end());
    }
    return all;
  }

  void write(std::size_t start, Bytes octets) {
    std::array<std::byte, s7::max_message> room;
    while (!octets.empty()) {
      const Bytes part = octets.first(std::min(octets.size(), s7::writable_at_once(journey_.agreed)));
      const std::uint16_t reference = ++journey_.reference;
      const Bytes request = s7::write_request(room, reference, visit_.plan.block, start, part);
      require(s7::is_write_answer(ask(request), reference), "the octets are written");
      octets = octets.subspan(part.size());
      start += part.size();
    }
  }

  /// As exercise() of peers/area.js.
  void do_round() {
    ++journey_.round;
    constexpr std::size_t start_of_read = 77;
    constexpr std::size_t start_of_write = s7::block_size / 2 + 50;
    std::vector<std::byte> expected(2500);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = s7::original(visit_.plan.block, start_of_read + i);
    require(std::ranges::equal(read(start_of_read, expected.size()), expected), "the octets are the block's");
    expected.resize(1501);
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] = s7::written(visit_.plan.block, journey_.round, start_of_write + i);
    write(start_of_write, expected);
    require(std::ranges::equal(read(start_of_write, expected.size()), expected), "the octets are those written");
  }

  void arrive() {
    checked(soc_close(number_), "soc_close");
    number_ = -1;
  }

  void pass_on() {
    const test::EndPoint held{number_, AF_ISO};
    steps_.offer(ring_.to_next(), held, std::as_bytes(std::span{&journey_, 1}));
    (void)steps_.await_answer(ring_.to_next(), held);
    steps_.call(ring_.to_next(), held);
    (void)steps_.await_outcome(ring_.to_next(), held);
    checked(soc_close(number_), "soc_close of the descriptor that was passed on");
    number_ = -1;
    ++visit_.record->moves;
    // By then the library has made what it keeps for moves.
    if (journey_.round <= first_rounds) descriptors_ = os::testing::open_descriptors();
  }

  /// False: the journey has ended elsewhere.
  bool take() {
    if (visit_.plan.processes < 2) return false;
    Offered offered;
    const MutableBytes room = std::as_writable_bytes(std::span{&journey_, 1});
    if (ring_.try_offer(offered, room) == Came::End) return false;
    require(offered.octets == room.size(), "the offer brings the journey");
    ring_.answer(offered);
    require(ring_.try_take(offered), "a call that waits brings the end point");
    number_ = offered.number();
    return true;
  }

  const Visit& visit_;
  Steps steps_{Waits::Blocking};
  Ring ring_;
  int number_ = -1;
  Journey journey_;
  std::array<std::byte, s7::max_message> answer_;
  std::size_t descriptors_ = 0;
};

}  // namespace

void run_visit(const Visit& visit, unsigned number) {
  Traveller traveller{visit, number};
  traveller.run();
  traveller.leave();
}

int refusal_of_slot(std::uint16_t port, unsigned slot) {
  const int number = prepared_socket(port);
  require(connect_to(number, slot) < 0 && errno == ECONNREFUSED, "nobody listens at that slot");
  int reason = -1;
  socklen_t size = sizeof reason;
  checked(soc_getsockopt(number, SOL_TRANSPORT, TPOPT_DISC_REASON, &reason, &size), "TPOPT_DISC_REASON");
  checked(soc_close(number), "soc_close");
  return reason;
}

}  // namespace baton::interop
