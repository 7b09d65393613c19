// SPDX-License-Identifier: MIT
#include "cli/exec_pool.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "os/socket.hpp"
#include "os/wait.hpp"

namespace baton::cli {
namespace {

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

std::optional<os::HandedOver> next_connection(PoolLink& link, FdRef other, bool wanted) {
  for (;;) {
    link.attend();
    if (wanted && link.waiting() > 0)
      if (auto connection = link.take()) return connection;
    // What waits is not wanted now: then the link has nothing to tell.
    std::array<pollfd, 2> entries{{{other.get(), POLLIN, 0}, {link.waiting() > 0 ? -1 : link.number(), POLLIN, 0}}};
    (void)os::poll_until(entries, link.due());
    if (entries[0].revents != 0) return std::nullopt;
  }
}

void become(const ProgramToRun& program, os::HandedOver client) {
  const FdRef socket = client.connection.ref();
  (void)os::set_nonblocking(socket, false);
  ::setenv("PROTO", "TCP", 1);
  const auto& told = client.told;
  tell_address(told ? told->client : os::peer_address(socket), "TCPREMOTEIP", "TCPREMOTEPORT");
  tell_address(told ? told->destination : os::local_address(socket), "TCPLOCALIP", "TCPLOCALPORT");
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
