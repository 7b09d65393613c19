// SPDX-License-Identifier: MIT
// baton: bench/iso_echo.cpp: TSDUs that a server sends back, over AF_ISO (RFC 1006) and over plain TCP, in one run.
//
// The same two processes do both, in alternating blocks, over loopback: a client thread sends while another receives,
// with 1, 4 or 16 messages in flight; the server reads one message whole and sends it back. Plain TCP has no
// boundaries: both sides know the size. Then connections are opened and closed: connect .. CC, beside TCP's connect ..
// first octet. System calls of the library are counted where it makes them (ld --wrap), in the server.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "baton/soc.h"
#include "support/measure.hpp"
#include "support/process.hpp"
#include "support/sockets.hpp"

namespace {
std::atomic<std::uint64_t> receives{0};
std::atomic<std::uint64_t> sends{0};
std::atomic<std::uint64_t> others{0};
}  // namespace

// The library's calls go through here (see CMakeLists.txt).
extern "C" {
ssize_t __real_recvmsg(int, msghdr*, int);
ssize_t __real_sendmsg(int, const msghdr*, int);
int __real_ppoll(pollfd*, nfds_t, const timespec*, const sigset_t*);
int __real_getsockopt(int, int, int, void*, socklen_t*);
ssize_t __wrap_recvmsg(int s, msghdr* message, int flags) {
  receives.fetch_add(1, std::memory_order_relaxed);
  return __real_recvmsg(s, message, flags);
}
ssize_t __wrap_sendmsg(int s, const msghdr* message, int flags) {
  sends.fetch_add(1, std::memory_order_relaxed);
  return __real_sendmsg(s, message, flags);
}
int __wrap_ppoll(pollfd* entries, nfds_t count, const timespec* time, const sigset_t* mask) {
  others.fetch_add(1, std::memory_order_relaxed);
  return __real_ppoll(entries, count, time, mask);
}
int __wrap_getsockopt(int s, int level, int name, void* value, socklen_t* length) {
  others.fetch_add(1, std::memory_order_relaxed);
  return __real_getsockopt(s, level, name, value, length);
}
}

namespace {

using namespace baton::bench;

constexpr unsigned deadline = 170;  // seconds
constexpr int tpdu_size = 65531;
constexpr std::array<std::size_t, 4> sizes{100, 4096, 65536, std::size_t{1} << 20U};
constexpr std::array<std::size_t, 3> in_flight{1, 4, 16};

sockaddr_iso iso_address(std::string_view nsel, std::string_view tsel) {
  sockaddr_iso address{};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = static_cast<unsigned char>(tsel.size());
  std::memset(address.siso_addr.isoa_genaddr, ' ', 8);
  std::memcpy(address.siso_addr.isoa_genaddr, nsel.data(), nsel.size());
  std::memcpy(address.siso_addr.isoa_genaddr + 8, tsel.data(), tsel.size());
  return address;
}

/// One side of a connection, of either kind.
struct Line {
  int number = -1;
  bool iso = false;

  void send(std::span<const std::byte> message) const {
    if (!iso) return write_all(number, message);
    if (require(soc_send(number, message.data(), message.size(), 0), "soc_send") !=
        static_cast<ssize_t>(message.size()))
      fail("soc_send: not all");
  }
  /// One whole message; false: the end.
  [[nodiscard]] bool receive(std::span<std::byte> room) const {
    if (!iso) {
      const ssize_t first = require(::read(number, room.data(), room.size()), "read");
      if (first == 0) return false;
      read_all(number, room.subspan(static_cast<std::size_t>(first)));
      return true;
    }
    for (std::size_t got = 0;;) {
      iovec part{room.data() + got, room.size() - got};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      const ssize_t size = soc_recvmsg(number, &message, 0);
      if (size < 0 && errno == ECONNRESET && got == 0) return false;
      got += static_cast<std::size_t>(require(size, "soc_recvmsg"));
      if ((message.msg_flags & MSG_EOR) == 0) continue;
      if (got != room.size()) fail("a TSDU of another size");
      return true;
    }
  }
};

/// Seconds for `count` echoes.
double echo(const Line& line, std::size_t size, std::size_t window, std::size_t count) {
  std::counting_semaphore<16> room{static_cast<std::ptrdiff_t>(window)};
  std::vector<std::byte> sent(size, std::byte{0x5a});
  std::vector<std::byte> got(size);
  const Nanoseconds begin = now();
  if (window == 1) {
    for (std::size_t i = 0; i < count; ++i) {
      line.send(sent);
      if (!line.receive(got)) fail("the server has gone");
    }
  } else {
    std::thread sender{[&] {
      for (std::size_t i = 0; i < count; ++i) {
        room.acquire();
        line.send(sent);
      }
    }};
    for (std::size_t i = 0; i < count; ++i) {
      if (!line.receive(got)) fail("the server has gone");
      room.release();
    }
    sender.join();
  }
  if (got != sent) fail("another message came back");
  return static_cast<double>(now() - begin) / 1e9;
}

struct Order {
  std::uint64_t size = 0;
  std::uint64_t count = 0;
  bool iso = false;
};
/// What the server's library did for one order.
struct Calls {
  std::uint64_t receives = 0;
  std::uint64_t sends = 0;
  std::uint64_t others = 0;
};

void serve(const std::span<Calls>& calls, int orders, int front, const TcpListener& plain) {
  const Line iso{require(soc_accept(front, nullptr, nullptr), "soc_accept"), true};
  require(soc_setsockopt(iso.number, SOL_TRANSPORT, TPOPT_CFRM_DATA, "", 0), "confirmation");
  const Line tcp{require(accept(plain.descriptor, nullptr, nullptr), "accept"), false};
  const int on = 1;
  require(setsockopt(tcp.number, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on), "TCP_NODELAY");
  for (;;) {
    Order order;
    if (require(::read(orders, &order, sizeof order), "read") != sizeof order) return;
    if (order.size == 0) break;
    std::vector<std::byte> room(order.size);
    const Line& line = order.iso ? iso : tcp;
    receives = sends = others = 0;
    for (std::uint64_t i = 0; i < order.count; ++i) {
      if (!line.receive(room)) fail("the client has gone");
      line.send(room);
    }
    if (order.iso) calls[0] = {receives.load(), sends.load(), others.load()};
  }
  // Connections, one after the other, until the client says that there are no more.
  for (;;) {
    Order order;
    if (require(::read(orders, &order, sizeof order), "read") != sizeof order || order.count == 0) return;
    if (order.iso) {
      const int number = require(soc_accept(front, nullptr, nullptr), "soc_accept");
      require(soc_setsockopt(number, SOL_TRANSPORT, TPOPT_CFRM_DATA, "", 0), "confirmation");
      std::byte end;
      (void)soc_recv(number, &end, 1, 0);
      soc_close(number);
    } else {
      const int number = require(accept(plain.descriptor, nullptr, nullptr), "accept");
      std::byte octet{};
      if (::read(number, &octet, 1) == 1) write_all(number, {&octet, 1});
      (void)::read(number, &octet, 1);
      close(number);
    }
  }
}

int connect_iso() {
  const int number = require(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket");
  const sockaddr_iso own = iso_address("", "");
  const sockaddr_iso server = iso_address("SERVER", "echo");
  require(soc_setsockopt(number, SOL_TRANSPORT, TPOPT_TPDU_SIZE, &tpdu_size, sizeof tpdu_size), "TPOPT_TPDU_SIZE");
  require(soc_bind(number, &own, sizeof own), "soc_bind");
  require(soc_connect(number, &server, sizeof server), "soc_connect");
  return number;
}

struct Plan {
  std::size_t blocks;
  double seconds;  // of each kind in a block of a cell
  std::size_t connections;
};

Json measure_echo(const Plan& plan, const Line& iso, const Line& tcp, int orders, const std::span<Calls>& calls) {
  Json cells = Json::array();
  const auto order = [&](const Line& line, std::size_t size, std::size_t window, std::size_t count) {
    const Order sent{size, count, line.iso};
    write_all(orders, std::as_bytes(std::span{&sent, 1}));
    return echo(line, size, window, count);
  };
  for (const std::size_t size : sizes)
    for (const std::size_t window : in_flight) {
      progress("echo of " + std::to_string(size) + " octets, " + std::to_string(window) + " in flight");
      // As many as take about the time that is planned.
      const double one = order(tcp, size, window, 50) / 50;
      const auto count = std::max<std::size_t>(20, static_cast<std::size_t>(plan.seconds / one));
      (void)order(iso, size, window, count / 4 + 1);
      std::vector<double> ratios;
      std::vector<double> iso_rate;
      std::vector<double> tcp_rate;
      for (std::size_t block = 0; block < plan.blocks; ++block) {
        const double plain = order(tcp, size, window, count);
        const double ours = order(iso, size, window, count);
        ratios.push_back(plain / ours);
        iso_rate.push_back(static_cast<double>(count) / ours);
        tcp_rate.push_back(static_cast<double>(count) / plain);
      }
      const double tpdus = static_cast<double>(count * ((size + tpdu_size - 4) / (tpdu_size - 3)));
      cells.push_back({{"octets", size},
                       {"in_flight", window},
                       {"echoes_in_block", count},
                       {"of_tcp", spread(ratios)},
                       {"iso_per_second", spread(iso_rate)},
                       {"tcp_per_second", spread(tcp_rate)},
                       {"receive_calls_per_tpdu", static_cast<double>(calls[0].receives) / tpdus},
                       {"send_calls_per_tpdu", static_cast<double>(calls[0].sends) / tpdus},
                       {"other_calls_per_tpdu", static_cast<double>(calls[0].others) / tpdus}});
    }
  return cells;
}

Json measure_connections(const Plan& plan, int orders, std::uint16_t port) {
  progress("connections");
  std::vector<double> iso;
  std::vector<double> tcp;
  for (std::size_t i = 0; i < plan.connections; ++i) {
    for (const bool which : {true, false}) {
      const Order order{1, 1, which};
      write_all(orders, std::as_bytes(std::span{&order, 1}));
      const Nanoseconds begin = now();
      if (which) {
        const int number = connect_iso();
        iso.push_back(static_cast<double>(now() - begin) / 1000);
        require(soc_close(number), "soc_close");
      } else {
        const int number = tcp_connect(port);
        std::byte octet{};
        write_all(number, {&octet, 1});
        read_all(number, {&octet, 1});
        tcp.push_back(static_cast<double>(now() - begin) / 1000);
        close(number);
      }
    }
  }
  const Order end{};
  write_all(orders, std::as_bytes(std::span{&end, 1}));
  return {{"iso", summary(iso)}, {"tcp", summary(tcp)}};
}

}  // namespace

int main(int argc, char* argv[]) {
  const Options options = parse_options(argc, argv);
  begin_process(deadline + 10);
  const RuntimeFolder folder;
  const Plan plan = options.quick ? Plan{2, 0.02, 50} : Plan{12, 0.12, 2000};
  const auto calls = shared_array<Calls>(1);
  const auto port = shared_array<std::atomic<int>>(1);
  const TcpListener plain = tcp_listen();
  int orders[2];
  require(pipe(orders), "pipe");
  const auto [ready, is_ready] = message_pair();
  std::vector<Child> children;
  children.push_back(Child::run("server", any_processor, deadline, [&] {
    close(orders[1]);
    setenv("BATON_ISO_LISTEN", "127.0.0.1:0", 1);
    const int front = require(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket");
    const sockaddr_iso own = iso_address("", "echo");
    require(soc_bind(front, &own, sizeof own), "soc_bind");
    require(soc_listen(front, 16), "soc_listen");
    sockaddr_in where{};
    socklen_t length = sizeof where;
    require(soc_getsockopt(front, SOL_TRANSPORT, TPOPT_LOCAL_ADDRESS, &where, &length), "TPOPT_LOCAL_ADDRESS");
    port[0] = ntohs(where.sin_port);
    send_message(ready);
    serve(calls, orders[0], front, plain);
  }));
  Json result;
  const auto results = shared_array<char>(std::size_t{1} << 20U);
  children.push_back(Child::run("client", any_processor, deadline, [&] {
    std::vector<int> none;
    receive_message(is_ready, none);
    setenv("BATON_NSEL", "CLIENT", 1);
    require(soc_set_host("SERVER", ("127.0.0.1:" + std::to_string(port[0])).c_str()), "soc_set_host");
    const Line iso{connect_iso(), true};
    const Line tcp{tcp_connect(plain.port), false};
    Json measured{{"tpdu_size", tpdu_size}, {"blocks", plan.blocks}};
    measured["cells"] = measure_echo(plan, iso, tcp, orders[1], calls);
    const Order end{};
    write_all(orders[1], std::as_bytes(std::span{&end, 1}));
    measured["connections"] = measure_connections(plan, orders[1], plain.port);
    const std::string text = measured.dump();
    std::memcpy(results.data(), text.data(), text.size());
  }));
  close(orders[0]);
  close(orders[1]);
  wait_for(children);
  write_json(options.json, Json::parse(results.data()));
}
