// SPDX-License-Identifier: MIT
#include "os/kernel.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "base/unique_fd.hpp"

namespace baton::os {
namespace {

bool knows_option(FdRef socket, int option) noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(socket.get(), SOL_SOCKET, option, &value, &size) == 0;
}

KernelFeatures find_out() noexcept {
  const char* const forced = secure_getenv("BATON_NO_KERNEL_FEATURES");
  if (forced != nullptr && std::string_view{forced} == "1") return {};
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return {};
  const UniqueFd one{adopt, pair[0]};
  const UniqueFd other{adopt, pair[1]};
  // SO_PEERPIDFD came with SO_PASSPIDFD (Linux 6.5). Asking it makes a descriptor, which is ours to close.
  int number = -1;
  socklen_t size = sizeof number;
  const bool peer_pidfd = getsockopt(one.get(), SOL_SOCKET, so_peerpidfd, &number, &size) == 0;
  const UniqueFd pidfd{adopt, peer_pidfd ? number : -1};
  return {
      .sender_pidfd = knows_option(one.ref(), so_passpidfd),
      .peer_pidfd = peer_pidfd,
      .descriptor_refusal = knows_option(one.ref(), so_passrights),
      .thread_pidfd = UniqueFd{adopt, static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), pidfd_thread))}.valid()};
}

}  // namespace

const KernelFeatures& kernel_features() noexcept {
  static const KernelFeatures features = find_out();
  return features;
}

}  // namespace baton::os
