// SPDX-License-Identifier: MIT
// baton: os/kernel.hpp: what newer kernels have and Debian 12's headers do not name.
//
// Each feature is found out by trying it, once per process. BATON_NO_KERNEL_FEATURES=1 in the environment makes all of
// them absent, so that the ways around them are tested on a kernel that has them.
// Threads: any.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>

namespace baton::os {

// Numbers of asm-generic/socket.h and linux/socket.h.
#ifdef SO_PASSPIDFD
inline constexpr int so_passpidfd = SO_PASSPIDFD;
#else
inline constexpr int so_passpidfd = 76;
#endif
#ifdef SO_PEERPIDFD
inline constexpr int so_peerpidfd = SO_PEERPIDFD;
#else
inline constexpr int so_peerpidfd = 77;
#endif
#ifdef SO_PASSRIGHTS
inline constexpr int so_passrights = SO_PASSRIGHTS;
#else
inline constexpr int so_passrights = 83;
#endif
// For pidfd_open(2), of linux/pidfd.h.
#ifdef PIDFD_THREAD
inline constexpr unsigned pidfd_thread = PIDFD_THREAD;
#else
inline constexpr unsigned pidfd_thread = O_EXCL;
#endif
#ifdef SCM_PIDFD
inline constexpr int scm_pidfd = SCM_PIDFD;
#else
inline constexpr int scm_pidfd = 0x04;
#endif

struct KernelFeatures {
  bool sender_pidfd = false;        // SO_PASSPIDFD and SCM_PIDFD, Linux 6.5
  bool peer_pidfd = false;          // SO_PEERPIDFD, Linux 6.5
  bool descriptor_refusal = false;  // SO_PASSRIGHTS, Linux 6.16
  bool thread_pidfd = false;        // PIDFD_THREAD, Linux 6.9
};

/// Found out at the first call, the same for ever after.
[[nodiscard]] const KernelFeatures& kernel_features() noexcept;

}  // namespace baton::os
