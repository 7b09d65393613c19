// SPDX-License-Identifier: MIT
#include "flood.hpp"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "os/process.hpp"

namespace baton::system_tests {
namespace {

void read_away(int socket) {
  static std::array<char, handoff::max_frame> scrap;
  while (::recv(socket, scrap.data(), scrap.size(), MSG_DONTWAIT) > 0) {
  }
}

/// False: nobody reads any more. Never sleeps, so that the queue is filled as fast as it is emptied.
bool deliver(const RawPeer& peer, Bytes message, const std::vector<int>& descriptors) {
  for (;;) {
    if (peer.send_with(message, descriptors, MSG_DONTWAIT)) return true;
    if (errno == EPERM) return peer.send(message);  // the kernel lets no descriptors in
    if (errno == EAGAIN) read_away(peer.number());
    // What is on its way counts against the user's limit.
    if (errno != EAGAIN && errno != ETOOMANYREFS && errno != EINTR) return false;
  }
}

}  // namespace

Flood::Flood(const RawPeer& peer, const std::vector<std::vector<std::byte>>& messages, unsigned long rounds,
             const std::vector<int>& descriptors) {
  // One that has no end comes from several, so that somebody is always sending.
  for (int i = 0; i < (rounds == for_ever ? 3 : 1); ++i) {
    if (!start()) continue;
    for (unsigned long round = 0; round < rounds; ++round)
      for (const auto& message : messages)
        if (!deliver(peer, message, descriptors)) ::_exit(0);
    ::_exit(0);
  }
}

/// True in the child.
bool Flood::start() {
  const pid_t made = ::fork();
  if (made < 0) std::abort();
  if (made == 0) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (made > 0) pids_.push_back(made);
  return made == 0;
}

Flood::Flood(const std::string& socket_path, uid_t user) {
  if (!start()) return;
  if (user != 0 && (::setgroups(0, nullptr) != 0 || ::setresuid(user, user, user) != 0)) ::_exit(99);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path.c_str());
  for (;;) {
    const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    [[maybe_unused]] const int outcome = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::close(socket);
  }
}

Flood::~Flood() {
  for (const pid_t each : pids_) {
    ::kill(each, SIGKILL);
    ::waitpid(each, nullptr, 0);
  }
}

bool Flood::finished(int milliseconds) {
  while (!pids_.empty()) {
    const auto pidfd = os::open_pidfd(pids_.back());
    if (!pidfd) return false;
    pollfd entry{pidfd->get(), POLLIN, 0};
    if (::poll(&entry, 1, milliseconds) != 1) return false;
    ::waitpid(pids_.back(), nullptr, 0);
    pids_.pop_back();
  }
  return true;
}

}  // namespace baton::system_tests
