// SPDX-License-Identifier: MIT
// baton: bench/dispatch_load.cpp: the clients of dispatch.py.
//
//   dispatch_load PORT short PARALLEL MILLISECONDS   connections/s, and times
//   dispatch_load PORT first COUNT                   times: one connection after the other
//   dispatch_load PORT bulk OCTETS                   octets/s
//   dispatch_load PORT hold COUNT                    says "held", keeps them until its input ends
//
// All but the last print a line of JSON; times are p50 and p99 in microseconds, from connect to the first octet back.
//
// A short connection: connect, say what stands on standard input (a ClientHello), read 64 octets and the end. PARALLEL
// of them are under way at any time. Every failure ends the program.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/measure.hpp"
#include "support/sockets.hpp"

namespace {

using namespace baton::bench;

constexpr std::size_t answer_octets = 64;

struct Client {
  int fd = -1;
  Nanoseconds begun = 0;
  bool said = false;
  std::size_t got = 0;
};

std::uint16_t port;

/// From one of 250 addresses: ports that wait out their time are no bottleneck.
int open_connection(int flags) {
  static unsigned turn = 0;
  const int fd = require(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket");
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % 250);
  require(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 && errno != EINPROGRESS)
    fail("connect");
  return fd;
}

class Short {
 public:
  Short(std::size_t parallel, Nanoseconds time, std::string hello)
      : set_{require(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")}, time_{time}, hello_{std::move(hello)} {
    clients_.resize(parallel);
  }
  Json run() {
    const Nanoseconds begin = now();
    end_ = begin + time_;
    for (std::size_t i = 0; i < clients_.size(); ++i) start(i);
    Nanoseconds last = begin;
    while (open_ > 0) {
      std::array<epoll_event, 64> events{};
      const int count = epoll_wait(set_, events.data(), events.size(), 20'000);
      if (count == 0) fail("no answer for 20 s");
      for (int i = 0; i < count; ++i) step(static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64));
      last = now();
    }
    const auto done = static_cast<double>(times_.size());
    return {{"per_second", done / (static_cast<double>(last - begin) / 1e9)}, {"us", summary(std::move(times_))}};
  }

 private:
  void start(std::size_t which) {
    Client& client = clients_[which];
    client = {.begun = now()};
    client.fd = open_connection(SOCK_NONBLOCK);
    ++open_;
    watch(which, EPOLL_CTL_ADD, EPOLLOUT);
  }
  void watch(std::size_t which, int how, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = which;
    require(epoll_ctl(set_, how, clients_[which].fd, &event), "epoll_ctl");
  }
  void step(std::size_t which) {
    Client& client = clients_[which];
    if (!client.said) {
      client.said = true;
      if (write(client.fd, hello_.data(), hello_.size()) != static_cast<ssize_t>(hello_.size())) fail("write");
      return watch(which, EPOLL_CTL_MOD, EPOLLIN);
    }
    std::array<char, 256> octets;
    const ssize_t size = read(client.fd, octets.data(), octets.size());
    if (size < 0 && errno == EAGAIN) return;
    if (size < 0) fail("read");
    if (size > 0) {
      if (client.got == 0) times_.push_back(static_cast<double>(now() - client.begun) / 1e3);
      client.got += static_cast<std::size_t>(size);
      return;
    }
    if (client.got != answer_octets) fail("an answer that is cut");
    close(client.fd);
    --open_;
    if (now() < end_) start(which);
  }

  int set_;
  Nanoseconds time_;
  Nanoseconds end_ = 0;
  std::string hello_;
  std::vector<Client> clients_;
  std::size_t open_ = 0;
  std::vector<double> times_;
};

/// Connect, `hello`, and the first octet back, after which the client closes.
Json first_octets(std::size_t count, const std::string& hello) {
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    const Nanoseconds begin = now();
    const int fd = open_connection(0);
    write_all(fd, std::as_bytes(std::span{hello}));
    std::array<std::byte, 1> octet;
    read_all(fd, octet);
    times.push_back(static_cast<double>(now() - begin) / 1e3);
    close(fd);
  }
  return {{"us", summary(std::move(times))}};
}

Json bulk(std::uint64_t octets) {
  const int fd = open_connection(0);
  std::vector<char> block(std::size_t{1} << 18U);
  std::memcpy(block.data(), "bulk", 4);
  std::memcpy(block.data() + 4, &octets, sizeof octets);
  const Nanoseconds begin = now();
  for (std::uint64_t sent = 0; sent < octets;)
    sent += static_cast<std::uint64_t>(
        require(write(fd, block.data(), std::min<std::uint64_t>(block.size(), octets - sent)), "write"));
  std::uint64_t arrived = 0;
  if (read(fd, &arrived, sizeof arrived) != sizeof arrived || arrived != octets) fail("octets are missing");
  return {{"octets", octets}, {"per_second", static_cast<double>(octets) / (static_cast<double>(now() - begin) / 1e9)}};
}

void hold(std::size_t count) {
  std::vector<int> held;
  for (std::size_t i = 0; i < count; ++i) {
    held.push_back(open_connection(0));
    std::array<std::byte, answer_octets> octets{std::byte{'h'}, std::byte{'o'}, std::byte{'l'}, std::byte{'d'}};
    write_all(held.back(), octets);
    read_all(held.back(), octets);
  }
  std::puts("held");
  std::fflush(stdout);
  std::array<char, 64> unwanted;
  while (read(0, unwanted.data(), unwanted.size()) > 0) {
  }
}

std::string whole_input() {
  std::string all;
  std::array<char, 4096> part;
  for (ssize_t size = 0; (size = read(0, part.data(), part.size())) > 0;)
    all.append(part.data(), static_cast<std::size_t>(size));
  return all;
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc < 4 || (argc < 5 && std::string_view{argv[2]} == "short"))
    fail("usage: dispatch_load PORT short PARALLEL MILLISECONDS | first COUNT | bulk OCTETS | hold COUNT");
  port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  const std::string_view what = argv[2];
  const auto count = static_cast<std::size_t>(std::atoll(argv[3]));
  if (what == "hold") {
    hold(count);
    return 0;
  }
  Json result;
  if (what == "first")
    result = first_octets(count, whole_input());
  else if (what == "bulk")
    result = bulk(count);
  else
    result = Short{count, static_cast<Nanoseconds>(std::atoll(argv[4])) * 1'000'000, whole_input()}.run();
  std::printf("%s\n", result.dump().c_str());
}
