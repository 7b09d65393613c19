// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "baton/soc.h"
#include "crash/roles.hpp"
#include "os/test_support.hpp"
#include "support/process.hpp"
#include "support/sockets.hpp"
#include "system/steps.hpp"

namespace baton::crash {
namespace {

using test::checked;
using test::require;

constexpr std::size_t piece = 4096;
constexpr std::size_t reply = 512;

using Piece = std::array<std::byte, piece>;

Connection& of(const Held& held) { return page().connection[held.index]; }

void count_received(const Held& held, Bytes octets) {
  test::Checker checker{upward(held.index), of(held).received};
  checker.read(octets);
  of(held).received = checker.tally();
}

/// What was read before it was clear who would own the connection.
void count_carried(Held& held) {
  count_received(held, held.carried);
  held.carried.clear();
}

/// One blocking read. 0: end of file; -1: the client has reset.
ssize_t receive(const Held& held) {
  Piece buffer;
  const ssize_t size = soc_read(held.at.number, buffer.data(), buffer.size());
  if (size < 0) {
    if (errno != ECONNRESET) test::fail_call("soc_read of the end point");
    return -1;
  }
  count_received(held, Bytes{buffer}.first(static_cast<std::size_t>(size)));
  return size;
}

void send(const Held& held, std::size_t octets) {
  Piece buffer;
  test::Producer producer{downward(held.index), of(held).sent};
  while (octets > 0) {
    const auto part = MutableBytes{buffer}.first(octets);
    producer.peek(part);
    const auto sent =
        static_cast<std::size_t>(checked(soc_write(held.at.number, part.data(), part.size()), "soc_write"));
    producer.written(Bytes{part}.first(sent));
    octets -= sent;
  }
  of(held).sent = producer.tally();
}

bool is_new(const Held& held) { return held.index >= connections(page().scenario); }
Doing doing_of(const Held& held) { return is_new(held) ? Doing::Sends : page().scenario.doing; }

/// The client has gone with a reset: the owner reads that, as whoever was owner before would have.
void serve_reset(const Held& held) {
  for (;;) {
    const ssize_t size = receive(held);
    if (size <= 0) return;
  }
}

}  // namespace

Front::Front(Party of) {
  const Carrier carrier = page().scenario.carrier;
  // Names of the host's own clients: any number that the two fronts of a round do not share.
  port_ = of == Party::Listener ? 1 : 2;
  std::uint16_t port = 0;
  switch (carrier) {
    case Carrier::Ipv4:
    case Carrier::Ipv6:
      number_ = checked(system_tests::listen_tcp(carrier == Carrier::Ipv4 ? AF_INET : AF_INET6, &port), "listen_tcp");
      port_ = port;
      break;
    case Carrier::IsoRemote: {
      ::setenv("BATON_ISO_LISTEN", "127.0.0.1:0", 1);
      number_ = checked(system_tests::listen_iso("front"), "listen for clients");
      ::unsetenv("BATON_ISO_LISTEN");
      sockaddr_in where{};
      socklen_t size = sizeof where;
      checked(soc_getsockopt(number_, SOL_TRANSPORT, TPOPT_LOCAL_ADDRESS, &where, &size), "TPOPT_LOCAL_ADDRESS");
      port_ = ntohs(where.sin_port);
      break;
    }
    case Carrier::IsoLocal:
      number_ = checked(system_tests::listen_iso(front_of(port_)), "listen for clients");
      break;
  }
  if (carrier == Carrier::IsoLocal) return;
  if (is_iso(carrier)) return;
  const int room = 16'384;
  checked(soc_setsockopt(number_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), "SO_RCVBUF");
}

Front::~Front() { (void)soc_close(number_); }

void Front::publish() const {
  page().port.store(port_);
  announce();
}

test::EndPoint Front::accept() const {
  if (is_iso(page().scenario.carrier)) return test::end_point(checked(system_tests::accept_iso(number_), "accept"));
  return test::end_point(checked(soc_accept(number_, nullptr, nullptr), "soc_accept of a client"));
}

void serve_some(Held& held) {
  const Aside aside;
  count_carried(held);
  switch (doing_of(held)) {
    case Doing::Sends:
      require(receive(held) > 0, "the client goes on sending");
      break;
    case Doing::HalfCloses:
    case Doing::Idle:
      break;
    case Doing::Resets:
      if (page().reset.load()) return;
      break;
  }
  send(held, reply);
}

void read_ahead(Held& held, std::size_t octets) {
  held.carried.resize(octets);
  const ssize_t size = checked(soc_read(held.at.number, held.carried.data(), octets), "soc_read before the offer");
  require(size > 0, "the client sends before the offer");
  held.carried.resize(static_cast<std::size_t>(size));
}

void serve_to_end(Held& held) {
  const Aside aside;
  Connection& connection = of(held);
  count_carried(held);
  if (doing_of(held) == Doing::Resets && page().reset.load()) {
    serve_reset(held);
  } else {
    connection.finish.store(true);
    ring_client();
    const bool iso = is_iso(page().scenario.carrier);
    const auto complete = [&] {
      return connection.upward_total.load() != 0 && connection.received.octets == connection.upward_total.load();
    };
    while (!complete()) require(receive(held) > 0, "no end before the client's last octet");
    if (!iso) require(receive(held) == 0, "an end of file behind the last octet");
    connection.downward_total.store(connection.sent.octets + reply);
    send(held, reply);
    // Else the client would see the end of an AF_ISO connection in front of what is still to be read.
    if (iso) require(receive(held) <= 0, "nothing behind the last octet");
  }
  connection.served = true;
  checked(soc_close(held.at.number), "soc_close of the end point");
}

void give_onward(int link, Held& held) {
  using namespace system_tests;
  page().onward.store(static_cast<std::uint32_t>(held.index));
  const std::string_view octets{reinterpret_cast<const char*>(held.carried.data()), held.carried.size()};
  const auto expect = [](const system_tests::Step& step, const char* what) {
    if (!step.ok()) test::fail(std::string{"the following move: "} + what + ": " + step.text);
    return step;
  };
  expect(offer(link, held.at.number, held.at.domain, octets), "offer");
  require(expect(await_answer(link, held.at.number, held.at.domain), "answer").header.bind_ok == REDBIND_OK,
          "the following move is accepted");
  expect(call(link, held.at.number, held.at.domain), "call");
  expect(outcome(link, held.at.number, held.at.domain), "outcome");
  checked(soc_close(held.at.number), "soc_close of what has moved");
}

bool take_onward(int link, Held& held) {
  using namespace system_tests;
  const system_tests::Step offered = receive_offer(link);
  if (!offered.ok()) {
    require(offered.error == ECONNRESET, offered.text);
    return false;
  }
  held = {page().onward.load(), {offered.header.fd_server, offered.header.domain}};
  held.carried.assign(reinterpret_cast<const std::byte*>(offered.octets),
                      reinterpret_cast<const std::byte*>(offered.octets) + offered.result);
  require(answer(link, offered.header).ok(), "the answer to the following move");
  const system_tests::Step taken = take(link, offered.header);
  require(taken.ok(), taken.text);
  return true;
}

void serve_next_link(int listening) {
  const int link = checked(system_tests::accept_iso(listening), "accept of the next link");
  for (Held held; take_onward(link, held);) serve_to_end(held);
  checked(soc_close(link), "soc_close of the next link");
}

std::size_t count_descriptors() {
  // What the library keeps for the whole process is there after the first socket.
  checked(soc_close(checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket")), "soc_close");
  return os::testing::open_descriptors();
}

void expect_descriptors(std::size_t before, std::size_t kept_by_library) {
  const bool settled = os::testing::eventually([&] {
    const std::size_t now = os::testing::open_descriptors();
    return now >= before && now <= before + kept_by_library;
  });
  if (!settled)
    test::fail("not " + std::to_string(before) + " descriptors as before: " + test::described_descriptors());
}

void fork_holder_of(int link) {
  if (checked(::fork(), "fork of the child that holds the link") != 0)
    return wait_until([] { return page().holder_ready.load(); });
  // It outlives its parent, the victim, and ends with the round, or with the group of the victim's parent.
  become(Party::Fresh);
  if (link > 3) (void)::close_range(3, static_cast<unsigned>(link) - 1, 0);
  (void)::close_range(static_cast<unsigned>(link) + 1, ~0U, 0);
  page().holder_ready.store(true);
  announce();
  wait_until([] { return page().round_over.load(); });
  ::_exit(0);
}

}  // namespace baton::crash
