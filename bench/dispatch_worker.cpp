// SPDX-License-Identifier: MIT
// baton: bench/dispatch_worker.cpp: the server of dispatch.py, the same behind everything that stands before it.
//
//   dispatch_worker [TSAP | descriptors NUMBER]
//
// Listens on 127.0.0.1 and says the port in a line; with TSAP it takes connections from batond as well, with the number
// of an open socket those that dispatch_bare passes there. A connection
// whose first octets are "bulk" and a number (8, the machine's order) is answered with that number once so many octets
// have come in all; "hold" is answered with 64 octets and left open; any other (a ClientHello) is answered with 64 and
// closed.
#include <baton/soc.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "support/measure.hpp"
#include "support/moves.hpp"
#include "support/sockets.hpp"

namespace {

using namespace baton::bench;

constexpr std::size_t answer_octets = 64;

class Worker {
 public:
  Worker() : set_{require(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")} {
    const TcpListener listener = tcp_listen(4096);
    listening_ = listener.descriptor;
    require(fcntl(listening_, F_SETFL, O_NONBLOCK), "fcntl");
    watch_input(set_, listening_);
    port_ = listener.port;
  }

  void take_from(const char* tsap) {
    link_ = link_connect(tsap);
    require(soc_credit(link_, 256), "soc_credit");
    watch_input(set_, link_);
  }
  void receive_from(int passed) {
    passed_ = passed;
    watch_input(set_, passed_);
  }

  [[noreturn]] void run() {
    std::printf("%u\n", unsigned{port_});
    std::fflush(stdout);
    for (;;) {
      if (link_ >= 0 && soc_pending(link_) > 0) take();
      std::array<epoll_event, 64> events{};
      const int count = epoll_wait(set_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listening_)
          accept_all();
        else if (fd == link_)
          take();
        else if (fd == passed_)
          receive();
        else
          serve(fd);
      }
    }
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) return;
      begin(fd);
    }
  }
  void take() {
    for (;;) {
      std::array<soc_move, 64> moves{};
      const int count = soc_take(link_, moves.data(), moves.size(), 0);
      if (count < 0) fail("soc_take");
      if (count == 0) return;
      for (int i = 0; i < count; ++i) begin(moves[static_cast<std::size_t>(i)].fd);
    }
  }
  void receive() {
    int more = 0;
    do {
      received_.clear();
      receive_message(passed_, received_);
      for (const int fd : received_) begin(fd);
    } while (ioctl(passed_, FIONREAD, &more) == 0 && more > 0);
  }
  /// Most have said something by now.
  void begin(int fd) {
    if (!serve(fd)) watch_input(set_, fd);
  }
  /// False: it is open still.
  bool serve(int fd) {
    static std::array<char, 65536> octets;
    const auto held = bulk_.find(fd);
    const ssize_t size = recv(fd, octets.data(), octets.size(), MSG_DONTWAIT);
    if (size < 0) return false;
    if (held != bulk_.end()) {
      held->second.got += static_cast<std::uint64_t>(size);
      if (size > 0 && held->second.got < held->second.expected) return false;
      (void)!write(fd, &held->second.got, sizeof held->second.got);
      bulk_.erase(held);
      close(fd);
      return true;
    }
    if (size >= 12 && std::memcmp(octets.data(), "bulk", 4) == 0) {
      Bulk& bulk = bulk_[fd];
      std::memcpy(&bulk.expected, octets.data() + 4, sizeof bulk.expected);
      bulk.got = static_cast<std::uint64_t>(size);
      return false;
    }
    const bool hold = size >= 4 && std::memcmp(octets.data(), "hold", 4) == 0;
    if (size > 0) (void)!write(fd, octets.data(), answer_octets);
    if (hold) return false;
    close(fd);
    return true;
  }

  int set_;
  int listening_ = -1;
  std::uint16_t port_ = 0;
  int link_ = -1;
  int passed_ = -1;
  std::vector<int> received_;
  struct Bulk {
    std::uint64_t expected = 0;
    std::uint64_t got = 0;
  };
  std::unordered_map<int, Bulk> bulk_;
};

}  // namespace

int main(int argc, char* argv[]) {
  Worker worker;
  if (argc == 2) worker.take_from(argv[1]);
  if (argc == 3 && std::string_view{argv[1]} == "descriptors") worker.receive_from(std::atoi(argv[2]));
  worker.run();
}
