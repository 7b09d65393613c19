// SPDX-License-Identifier: MIT
#include "cli/exec_pool.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "baton/soc.h"
#include "os/socket.hpp"

namespace baton::cli {
namespace {

constexpr int retry_ms = 250;
constexpr std::chrono::milliseconds connect_time{1000};

void tell_address(const os::Result<os::Address>& address, const char* host_variable, const char* port_variable) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (!address || ::getnameinfo(address->data(), address->size(), host.data(), host.size(), port.data(), port.size(),
                                NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return;
  ::setenv(host_variable, host.data(), 1);
  ::setenv(port_variable, port.data(), 1);
}

}  // namespace

bool PoolLink::connect() {
  auto number = connect_to({.place = {}, .called = pool_, .calling = {}, .tpdu_size = {}, .timeout = connect_time});
  if (!number || ::soc_credit(number->get(), credit_) < 0) return false;
  link_ = std::move(*number);
  return true;
}

std::optional<UniqueFd> PoolLink::take() {
  soc_move move{};
  const int taken = ::soc_take(link_->get(), &move, 1, 0);
  if (taken > 0) {
    std::free(move.blob);
    UniqueFd end_point{adopt, move.fd};
    if (move.flags == 0) return end_point;
    link_.reset();  // a group is for a program that takes over from another one: its listener has all back
    return std::nullopt;
  }
  // Want of descriptors goes by; else the link has ended, or brought octets that cannot be put back.
  if (taken < 0 && errno != EMFILE && errno != ENFILE) link_.reset();
  return std::nullopt;
}

std::optional<UniqueFd> PoolLink::next(FdRef other, bool wanted) {
  for (;;) {
    const bool linked = link_ || connect();
    std::array<pollfd, 2> entries{{{other.get(), POLLIN, 0}, {linked && wanted ? link_->get() : -1, POLLIN, 0}}};
    // Negative numbers are for the library what they are for poll(2): left out.
    if (::soc_poll_ms(entries.data(), entries.size(), linked ? -1 : retry_ms) < 0 && errno != EINTR) link_.reset();
    if (entries[0].revents != 0) return std::nullopt;
    if (entries[1].revents == 0) continue;
    auto connection = take();
    if (!connection) continue;
    if (os::is_tcp(connection->ref(), AF_INET) || os::is_tcp(connection->ref(), AF_INET6)) return connection;
  }
}

void become(const ProgramToRun& program, UniqueFd connection) {
  const FdRef socket = connection.ref();
  (void)os::set_nonblocking(socket, false);
  ::setenv("PROTO", "TCP", 1);
  tell_address(os::peer_address(socket), "TCPREMOTEIP", "TCPREMOTEPORT");
  tell_address(os::local_address(socket), "TCPLOCALIP", "TCPLOCALPORT");
  // The library's numbers begin at 3.
  for (int number = STDIN_FILENO; number <= (program.errors_too ? STDERR_FILENO : STDOUT_FILENO); ++number)
    ::dup2(socket.get(), number);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  std::vector<char*> words;
  for (const std::string& each : program.words) words.push_back(const_cast<char*>(each.c_str()));
  words.push_back(nullptr);
  ::execv(program.path.c_str(), words.data());
}

}  // namespace baton::cli
