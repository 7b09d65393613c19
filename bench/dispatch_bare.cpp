// SPDX-License-Identifier: MIT
// baton: bench/dispatch_bare.cpp: the floor of dispatch.py: passes descriptors to one worker and knows nothing more of
// them.
//
//   dispatch_bare WORKER NAME
//
// Listens on 127.0.0.1, says the port in a line, and starts the program WORKER with "descriptors" and the number of its
// end of a pair of sockets. Looks for NAME in the first octets of a connection, as a route does, and passes it there in
// a message of its own, with or without the name. Neither waits for an answer nor looks whether anything is lost.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "support/measure.hpp"
#include "support/sockets.hpp"

namespace {

using namespace baton::bench;

class Bare {
 public:
  Bare(int worker, std::string_view name)
      : set_{require(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")}, routes_{worker, worker}, name_{name} {
    const TcpListener listener = tcp_listen(4096);
    listening_ = listener.descriptor;
    require(fcntl(listening_, F_SETFL, O_NONBLOCK), "fcntl");
    watch_input(set_, listening_);
    std::printf("%u\n", unsigned{listener.port});
    std::fflush(stdout);
  }

  [[noreturn]] void run() {
    for (;;) {
      std::array<epoll_event, 64> events{};
      const int count = epoll_wait(set_, events.data(), events.size(), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listening_) {
          accept_all();
        } else {
          // The set would watch it on at the worker (epoll(7)).
          require(epoll_ctl(set_, EPOLL_CTL_DEL, fd, nullptr), "epoll_ctl");
          if (!look(fd)) fail("a connection that says nothing");
        }
      }
    }
  }

 private:
  void accept_all() {
    for (;;) {
      const int fd = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      if (!look(fd)) watch_input(set_, fd);
    }
  }
  /// False: it has said nothing yet.
  bool look(int fd) {
    static std::array<char, 16384> octets;
    const ssize_t size = recv(fd, octets.data(), octets.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return false;
    const bool named = size > 0 && std::string_view{octets.data(), static_cast<std::size_t>(size)}.contains(name_);
    send_message(routes_[named ? 1 : 0], {&fd, 1});
    close(fd);
    return true;
  }

  int set_;
  std::array<int, 2> routes_;
  int listening_ = -1;
  std::string_view name_;
};

}  // namespace

int main(int argc, char* argv[]) {
  if (argc != 3) fail("usage: dispatch_bare WORKER NAME");
  const auto [own, workers] = message_pair();
  if (require(fork(), "fork") == 0) {
    const std::string number = std::to_string(workers);
    require(fcntl(workers, F_SETFD, 0), "fcntl");
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);  // its port is nobody's business
    execl(argv[1], argv[1], "descriptors", number.c_str(), nullptr);
    _exit(127);
  }
  close(workers);
  Bare{own, argv[2]}.run();
}
