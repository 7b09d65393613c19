// SPDX-License-Identifier: MIT
// A server that knows nothing of baton: server MODE
//
// Listens on 127.0.0.1, says "port NUMBER", and tells each client in a line who has accepted it and as whom, with the
// options of the connection: "PID PEER accept:PEER nodelay:N keepalive:N nonblocking:N cloexec:N". MODE says how it
// waits.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

int checked(int value, const char* what) {
  if (value >= 0) return value;
  std::perror(what);
  std::exit(1);
}

std::string text_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
    return std::string{text.data()} + ":" + std::to_string(ntohs(four.sin_port));
  }
  const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
  inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
  return "[" + std::string{text.data()} + "]:" + std::to_string(ntohs(six.sin6_port));
}

int option(int number, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  checked(getsockopt(number, level, name, &value, &size), "getsockopt");
  return value;
}

void tell(int connection, const sockaddr_storage& accepted) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (getpeername(connection, reinterpret_cast<sockaddr*>(&peer), &size) == 0) {
    const std::string line = std::to_string(getpid()) + " " + text_of(peer) + " accept:" + text_of(accepted) +
                             " nodelay:" + std::to_string(option(connection, IPPROTO_TCP, TCP_NODELAY)) +
                             " keepalive:" + std::to_string(option(connection, SOL_SOCKET, SO_KEEPALIVE)) +
                             " nonblocking:" + std::to_string((fcntl(connection, F_GETFL) & O_NONBLOCK) != 0) +
                             " cloexec:" + std::to_string((fcntl(connection, F_GETFD) & FD_CLOEXEC) != 0) + "\n";
    (void)!write(connection, line.data(), line.size());
  }
  close(connection);
}

/// One connection if there is one; false: there is none now.
bool serve_one(int listening, int flags = SOCK_CLOEXEC) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const int connection = flags == 0 ? accept(listening, reinterpret_cast<sockaddr*>(&peer), &size)
                                    : accept4(listening, reinterpret_cast<sockaddr*>(&peer), &size, flags);
  if (connection >= 0) {
    tell(connection, peer);
    return true;
  }
  if (errno == EAGAIN || errno == EINTR) return false;
  std::perror("accept");
  std::exit(1);
}

struct ListenOptions {
  bool nonblocking = true;
  bool shared_port = false;
  int port = 0;
  int family = AF_INET;
};

int bind_only(const ListenOptions& options) {
  const int number = checked(socket(options.family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const int on = 1;
  checked(setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  checked(setsockopt(number, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on), "SO_KEEPALIVE");
  if (options.shared_port) checked(setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), "SO_REUSEPORT");
  if (options.nonblocking) checked(fcntl(number, F_SETFL, O_NONBLOCK), "fcntl");
  sockaddr_storage address{};
  if (options.family == AF_INET) {
    auto& four = reinterpret_cast<sockaddr_in&>(address);
    four.sin_family = AF_INET;
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    four.sin_port = htons(static_cast<std::uint16_t>(options.port));
  } else {
    checked(setsockopt(number, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), "IPV6_V6ONLY");
    auto& six = reinterpret_cast<sockaddr_in6&>(address);
    six.sin6_family = AF_INET6;
    six.sin6_addr = in6addr_loopback;
    six.sin6_port = htons(static_cast<std::uint16_t>(options.port));
  }
  checked(bind(number, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
  return number;
}

int port_of(int number) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  checked(getsockname(number, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return ntohs(address.sin_port);
}

int listen_on(const ListenOptions& options) {
  const int number = bind_only(options);
  checked(listen(number, 512), "listen");
  return number;
}

void say_port(int number) {
  std::printf("port %d\n", port_of(number));
  std::fflush(stdout);
}

int announced(const ListenOptions& options = {}) {
  const int number = listen_on(options);
  say_port(number);
  return number;
}

int set_with(int listening, std::uint32_t events) {
  const int set = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  epoll_event event{events, {.fd = listening}};
  checked(epoll_ctl(set, EPOLL_CTL_ADD, listening, &event), "epoll_ctl");
  return set;
}

// --- Ways of waiting ------------------------------------------------------------------------------------------------

enum class PerWake { One, All };

/// What the program gets must be what it registered.
[[noreturn]] void run_epoll(int listening, int set, PerWake per_wake) {
  for (;;) {
    std::array<epoll_event, 8> events{};
    const int count = epoll_wait(set, events.data(), events.size(), -1);
    if (count < 0 && errno == EINTR) continue;
    if (checked(count, "epoll_wait") == 0) std::exit(3);
    for (int i = 0; i < count; ++i)
      if (events[static_cast<std::size_t>(i)].data.fd != listening) std::exit(4);
    if (count != 1) std::exit(5);  // one registration, one event
    while (serve_one(listening, SOCK_NONBLOCK | SOCK_CLOEXEC) && per_wake == PerWake::All) {
    }
  }
}

/// Two threads on one set, of which only one may hold the listening socket's event at a time.
[[noreturn]] void run_one_shot() {
  const int listening = announced();
  const int set = set_with(listening, EPOLLIN | EPOLLONESHOT);
  static std::atomic<int> holders = 0;
  const auto work = [=] {
    for (;;) {
      epoll_event event{};
      if (epoll_wait(set, &event, 1, -1) != 1) continue;
      if (event.data.fd != listening || ++holders != 1) std::_Exit(6);
      serve_one(listening);
      --holders;
      event = {EPOLLIN | EPOLLONESHOT, {.fd = listening}};
      checked(epoll_ctl(set, EPOLL_CTL_MOD, listening, &event), "EPOLL_CTL_MOD");
    }
  };
  std::thread other{work};
  work();
  std::abort();
}

/// Leaves a first event as it is: until the connection is accepted, the next wait has it again.
[[noreturn]] void run_asking_twice() {
  const int listening = announced();
  const int set = set_with(listening, EPOLLIN);
  for (;;) {
    epoll_event event{};
    if (checked(epoll_wait(set, &event, 1, -1), "epoll_wait") != 1) continue;
    if (checked(epoll_wait(set, &event, 1, 10'000), "epoll_wait") != 1) std::exit(10);
    serve_one(listening);
  }
}

/// The same socket, with the same data, in two sets: each has a shot of its own, which goes off once.
[[noreturn]] void run_one_shot_in_two_sets() {
  const int listening = announced();
  constexpr std::uint32_t events = EPOLLIN | EPOLLONESHOT;
  const std::array sets{set_with(listening, events), set_with(listening, events)};
  for (std::size_t turn = 0;; ++turn) {
    const int first = sets[turn % 2];
    const int second = sets[(turn + 1) % 2];
    epoll_event event{};
    if (checked(epoll_wait(first, &event, 1, -1), "epoll_wait") != 1) continue;
    if (checked(epoll_wait(first, &event, 1, 0), "epoll_wait") != 0) std::exit(11);
    if (checked(epoll_wait(second, &event, 1, 10'000), "epoll_wait") != 1) std::exit(12);
    serve_one(listening);
    event = {events, {.fd = listening}};
    for (const int set : sets) checked(epoll_ctl(set, EPOLL_CTL_MOD, listening, &event), "EPOLL_CTL_MOD");
  }
}

/// The socket comes into a set on which a thread waits already.
[[noreturn]] void run_added_while_waited_on() {
  const int set = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  std::atomic<pid_t> waiting = 0;
  std::thread waiter{[&] {
    waiting = gettid();
    for (;;) {
      epoll_event event{};
      if (checked(epoll_wait(set, &event, 1, -1), "epoll_wait") == 1) serve_one(event.data.fd);
    }
  }};
  // Until the thread sleeps in the kernel, which nothing else here makes it do.
  const auto sleeps = [&] {
    std::ifstream stat{"/proc/self/task/" + std::to_string(waiting) + "/stat"};
    const std::string text{std::istreambuf_iterator<char>{stat}, {}};
    return text.find(") S ") != std::string::npos;
  };
  while (waiting == 0 || !sleeps()) std::this_thread::yield();
  const int listening = announced();
  epoll_event event{EPOLLIN, {.fd = listening}};
  checked(epoll_ctl(set, EPOLL_CTL_ADD, listening, &event), "EPOLL_CTL_ADD");
  waiter.join();
  std::abort();
}

/// Registers anew each time, as nginx does now and then; and asks with a timeout before.
[[noreturn]] void run_reregistering() {
  const int listening = announced();
  const int set = set_with(listening, EPOLLIN | EPOLLEXCLUSIVE);
  for (;;) {
    epoll_event event{};
    const timespec patience{10, 0};
    const int count = epoll_pwait2(set, &event, 1, &patience, nullptr);
    if (checked(count, "epoll_pwait2") == 1) serve_one(listening);
    checked(epoll_ctl(set, EPOLL_CTL_DEL, listening, &event), "EPOLL_CTL_DEL");
    if (epoll_wait(set, &event, 1, 0) != 0) std::exit(7);  // in no set: no event
    event = {EPOLLIN | EPOLLEXCLUSIVE, {.fd = listening}};
    checked(epoll_ctl(set, EPOLL_CTL_ADD, listening, &event), "EPOLL_CTL_ADD");
  }
}

[[noreturn]] void run_poll(bool with_signals) {
  const int listening = announced();
  for (;;) {
    pollfd entries[] = {{-1, POLLIN, 0}, {listening, POLLIN, 0}};
    const timespec patience{10, 0};
    const int count = with_signals ? ppoll(entries, 2, &patience, nullptr) : poll(entries, 2, 10'000);
    if (checked(count, "poll") == 1 && entries[1].revents == POLLIN) serve_one(listening, 0);
  }
}

/// Two blocking listening sockets: an accept on the wrong one would hang.
[[noreturn]] void run_select(bool with_signals) {
  const int four = announced({.nonblocking = false});
  const int six = listen_on({.nonblocking = false, .family = AF_INET6});
  for (;;) {
    fd_set input;
    FD_ZERO(&input);
    FD_SET(four, &input);
    FD_SET(six, &input);
    timeval patience{10, 0};
    const timespec longer{10, 0};
    const int count = with_signals ? pselect(std::max(four, six) + 1, &input, nullptr, nullptr, &longer, nullptr)
                                   : select(std::max(four, six) + 1, &input, nullptr, nullptr, &patience);
    if (checked(count, "select") == 0) continue;
    for (const int number : {four, six})
      if (FD_ISSET(number, &input)) serve_one(number, 0);
  }
}

/// Blocking: accept alone waits. Signals with SA_RESTART do not end it.
[[noreturn]] void run_blocking(int listening) {
  if ((fcntl(listening, F_GETFL) & O_NONBLOCK) != 0) std::exit(8);
  std::signal(SIGUSR1, [](int) {});
  for (;;)
    if (!serve_one(listening, 0)) std::exit(9);
}

[[noreturn]] void run_threads() {
  const int listening = announced({.nonblocking = false});
  std::vector<std::thread> others;
  for (int i = 0; i < 3; ++i) others.emplace_back([=] { run_blocking(listening); });
  run_blocking(listening);
}

/// Children that `work`, each replaced when it ends; `begun` comes after the first of each.
template <class Work, class Begun>
[[noreturn]] void run_children(int count, Work work, Begun begun) {
  const pid_t parent = getpid();
  const auto start = [&] {
    const pid_t child = checked(fork(), "fork");
    if (child != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) std::_Exit(0);
    work();
  };
  for (int i = 0; i < count; ++i) start();
  begun();
  for (;;)
    if (wait(nullptr) > 0) start();
}

template <class Work>
[[noreturn]] void run_children(int count, Work work) {
  run_children(count, work, [] {});
}

[[noreturn]] void run_duplicate() {
  const int first = announced({.nonblocking = false});
  const int second = checked(dup(first), "dup");
  close(first);
  run_blocking(checked(dup2(second, 200), "dup2"));
}

/// The sockets begin to listen in the workers.
[[noreturn]] void run_shared_port(int workers) {
  const int reserved = bind_only({.shared_port = true});
  const int port = port_of(reserved);
  std::array<int, 2> ready{};
  checked(pipe2(ready.data(), O_CLOEXEC), "pipe2");
  const auto work = [=] {
    const int listening = listen_on({.shared_port = true, .port = port});
    (void)!write(ready[1], "", 1);
    run_epoll(listening, set_with(listening, EPOLLIN), PerWake::One);
  };
  run_children(workers, work, [&] {
    char one = 0;
    for (int i = 0; i < workers; ++i) checked(static_cast<int>(read(ready[0], &one, 1)), "read");
    say_port(reserved);
  });
}

/// A set that is made before the fork and waited on by all children.
[[noreturn]] void run_common_set(int workers) {
  const int listening = announced();
  const int set = set_with(listening, EPOLLIN | EPOLLEXCLUSIVE);
  run_children(workers, [=] { run_epoll(listening, set, PerWake::One); });
}

[[noreturn]] void run(std::string_view mode) {
  constexpr int workers = 3;
  if (mode == "level") {
    const int listening = announced();
    run_epoll(listening, set_with(listening, EPOLLIN), PerWake::One);
  }
  if (mode == "edge") {
    const int listening = announced();
    run_epoll(listening, set_with(listening, EPOLLIN | EPOLLET), PerWake::All);
  }
  if (mode == "exclusive") {
    const int listening = announced();
    run_children(workers, [=] { run_epoll(listening, set_with(listening, EPOLLIN | EPOLLEXCLUSIVE), PerWake::One); });
  }
  if (mode == "one-shot") run_one_shot();
  if (mode == "asking-twice") run_asking_twice();
  if (mode == "one-shot-in-two-sets") run_one_shot_in_two_sets();
  if (mode == "added-while-waited-on") run_added_while_waited_on();
  if (mode == "reregistering") run_reregistering();
  if (mode == "poll") run_poll(false);
  if (mode == "ppoll") run_poll(true);
  if (mode == "select") run_select(false);
  if (mode == "pselect") run_select(true);
  if (mode == "blocking") run_blocking(announced({.nonblocking = false}));
  if (mode == "threads") run_threads();
  if (mode == "forked") {
    const int listening = announced({.nonblocking = false});
    run_children(workers, [=] { run_blocking(listening); });
  }
  if (mode == "duplicate") run_duplicate();
  if (mode == "shared-port") run_shared_port(workers);
  if (mode == "common-set") run_common_set(workers);
  std::exit(2);
}

}  // namespace

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  if (count != 2) return 2;
  run(words[1]);
}
