// SPDX-License-Identifier: MIT
// A small dispatcher: giver NAME [PORT]
//
// Binds the TSAP NAME, accepts links of workers on it and connections on 127.0.0.1 and ::1 (PORT, or one that the
// kernel chooses), and gives each connection to the next worker that has credit. What comes back, refused or left by a
// dead worker, goes to another. Says "port NUMBER" when it is ready, and a line of counts when its standard input ends.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string_view>
#include <vector>

#include "baton/soc.h"

namespace {

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "giver: %s: %s (%s)\n", what, std::strerror(errno), soc_error_text());
  std::exit(1);
}

int checked(int value, const char* what) {
  if (value < 0) give_up(what);
  return value;
}

void set_nonblocking(int number) { checked(fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK), "fcntl"); }

/// -1: the port is in use.
int listen_on(const sockaddr* address, socklen_t size) {
  const int number = checked(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
  const int on = 1;
  checked(setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
  if (address->sa_family == AF_INET6) checked(setsockopt(number, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), "V6ONLY");
  if (bind(number, address, size) != 0) {
    if (errno != EADDRINUSE) give_up("bind");
    close(number);
    return -1;
  }
  checked(listen(number, 4096), "listen");
  return number;
}

/// Both families on one port; 0: on one that is free in both.
std::array<int, 2> listen_tcp(int port) {
  for (;;) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int four = checked(listen_on(reinterpret_cast<const sockaddr*>(&address), sizeof address), "listen");
    socklen_t size = sizeof address;
    checked(getsockname(four, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    sockaddr_in6 same_port{};
    same_port.sin6_family = AF_INET6;
    same_port.sin6_port = address.sin_port;
    same_port.sin6_addr = in6addr_loopback;
    const int six = listen_on(reinterpret_cast<const sockaddr*>(&same_port), sizeof same_port);
    if (six < 0 && port == 0) {  // somebody's in that family
      close(four);
      continue;
    }
    checked(six, "listen");
    std::printf("port %d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    return {four, six};
  }
}

int listen_tsap(std::string_view name) {
  const int number = checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket");
  sockaddr_iso address{};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = static_cast<unsigned char>(name.size());
  std::memset(address.siso_addr.isoa_genaddr, ' ', 8);
  std::memcpy(address.siso_addr.isoa_genaddr + 8, name.data(), name.size());
  checked(soc_bind(number, &address, sizeof address), "soc_bind");
  checked(soc_listen(number, 64), "soc_listen");
  set_nonblocking(number);
  return number;
}

class Giver {
 public:
  Giver(std::array<int, 2> tcp, int tsap) : tcp_{tcp}, tsap_{tsap} {}

  void run() {
    for (;;) {
      for (const int link : std::vector{links_}) hear(link);
      give_all();
      // poll(2), for the library's waits for moves, and credit is none.
      std::vector<pollfd> entries{
          {STDIN_FILENO, POLLIN, 0}, {tcp_[0], POLLIN, 0}, {tcp_[1], POLLIN, 0}, {tsap_, POLLIN, 0}};
      bool heard = true;
      for (const int link : links_) {
        entries.push_back({link, POLLIN, 0});
        heard = heard && soc_pending(link) == 0;
      }
      checked(poll(entries.data(), entries.size(), heard ? -1 : 0), "poll");
      for (std::size_t i = 1; i <= 2; ++i)
        if (entries[i].revents != 0) accept_connections(entries[i].fd);
      if (entries[3].revents != 0) accept_link();
      if (entries[0].revents != 0) break;  // whoever came before the end is counted
    }
    for (const int link : std::vector{links_}) hear(link);
    std::printf("moved %lu back %lu links %lu waiting %zu\n", moved_, back_, linked_, waiting_.size());
  }

 private:
  void accept_connections(int listening) {
    for (int taken = 0; taken < 64; ++taken) {
      const int number = accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
      if (number < 0) return;
      waiting_.push_back(number);
    }
  }

  void accept_link() {
    const int link = soc_accept(tsap_, nullptr, nullptr);
    if (link < 0) return;
    set_nonblocking(link);
    links_.push_back(link);
    ++linked_;
  }

  void give_all() {
    std::size_t without_credit = 0;
    while (!waiting_.empty() && without_credit < links_.size()) {
      next_ = (next_ + 1) % links_.size();
      soc_move move{};
      move.fd = waiting_.front();
      if (soc_give(links_[next_], &move, 1) == 1) {
        waiting_.pop_front();
        without_credit = 0;
        continue;
      }
      ++without_credit;
      // A client that has reset its connection is nobody's any more.
      if (errno != EAGAIN && errno != ECONNRESET && errno != EPIPE) {
        std::fprintf(stderr, "giver: soc_give: %s\n", soc_error_text());
        close(waiting_.front());
        waiting_.pop_front();
      }
    }
  }

  /// Reads what has come: outcomes, credit, the end.
  void hear(int link) {
    pollfd entry{link, POLLIN, 0};
    checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");
    collect(link, (entry.revents & POLLHUP) != 0);
  }

  void collect(int link, bool ended) {
    soc_move outcomes[SOC_MOVES_MAX];
    for (;;) {
      const int count = soc_outcomes(link, outcomes, SOC_MOVES_MAX, 0);
      if (count == 0) return;
      if (count < 0) {
        if (errno == ENOENT && !ended) return;  // no move is under way
        break;
      }
      for (int i = 0; i < count; ++i) {
        if (outcomes[i].error == 0) ++moved_;
        if (outcomes[i].fd < 0) continue;
        ++back_;
        waiting_.push_front(outcomes[i].fd);
      }
    }
    soc_close(link);
    std::erase(links_, link);
    next_ = 0;
  }

  std::array<int, 2> tcp_;
  int tsap_;
  std::vector<int> links_;
  std::size_t next_ = 0;
  std::deque<int> waiting_;
  unsigned long moved_ = 0;
  unsigned long back_ = 0;
  unsigned long linked_ = 0;
};

}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: giver NAME [PORT]\n");
    return 2;
  }
  const int tsap = listen_tsap(words[1]);
  Giver{listen_tcp(count > 2 ? std::atoi(words[2]) : 0), tsap}.run();
}
