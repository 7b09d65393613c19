// SPDX-License-Identifier: MIT
#include "os/accept_trap.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <string>

#include "os/kernel.hpp"

namespace baton::os {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t own_machine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t own_machine = AUDIT_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint32_t own_machine = AUDIT_ARCH_RISCV64;
#else
constexpr std::uint32_t own_machine = 0;
#endif

constexpr std::array trapped{__NR_listen, __NR_accept, __NR_accept4};

/// A later kernel's structures may be longer than this header's.
template <class T>
union Roomy {
  T value;
  std::array<std::byte, 512> room{};
};

constexpr sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
constexpr sock_filter give(std::uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }
/// Skips `if_so` or `if_not` instructions.
constexpr sock_filter is(std::uint32_t value, std::uint8_t if_so, std::uint8_t if_not) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, if_so, if_not);
}

int set_filter() noexcept {
  std::array filter{
      load(offsetof(seccomp_data, arch)),
      is(own_machine, 0, 4),
      load(offsetof(seccomp_data, nr)),
      is(trapped[0], 3, 0),
      is(trapped[1], 2, 0),
      is(trapped[2], 1, 0),
      give(SECCOMP_RET_ALLOW),
      give(SECCOMP_RET_USER_NOTIF),
  };
  const sock_fprog program{filter.size(), filter.data()};
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

/// pidfd_open(2) of a process by one of its threads.
Result<UniqueFd> process_of(pid_t thread) {
  // Most often it is the first one, which has the process's number.
  if (auto pidfd = open_pidfd(thread)) return pidfd;
  if (kernel_features().thread_pidfd) {
    UniqueFd pidfd{adopt, static_cast<int>(::syscall(SYS_pidfd_open, thread, pidfd_thread))};
    if (!pidfd.valid()) return failure();
    return pidfd;
  }
  std::ifstream status{"/proc/" + std::to_string(thread) + "/status"};
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("Tgid:")) return open_pidfd(std::atoi(line.c_str() + sizeof "Tgid:"));
  return failure(ESRCH);
}

Result<void> respond(FdRef trap, std::uint64_t id, int result, std::uint32_t flags) noexcept {
  Roomy<seccomp_notif_resp> response;
  response.value = {.id = id, .val = 0, .error = result, .flags = flags};
  if (::ioctl(trap.get(), SECCOMP_IOCTL_NOTIF_SEND, &response) != 0) return failure();
  return {};
}

/// All of it or nothing, of the memory that proc_pid_mem(5) shows.
bool read_at(FdRef memory, std::uint64_t at, void* to, std::size_t size) noexcept {
  return ::pread(memory.get(), to, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size);
}
bool write_at(FdRef memory, std::uint64_t at, const void* from, std::size_t size) noexcept {
  return ::pwrite(memory.get(), from, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size);
}

}  // namespace

Result<UniqueFd> set_accept_trap() noexcept {
  if (own_machine == 0) return failure(ENOSYS);
  int trap = set_filter();
  if (trap < 0 && errno == EACCES && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) trap = set_filter();
  if (trap < 0) return failure();
  return UniqueFd{adopt, trap};
}

Result<std::optional<TrappedCall>> next_trapped(FdRef trap) noexcept {
  Roomy<seccomp_notif> asked;
  if (::ioctl(trap.get(), SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) {
    if (errno == ENOENT || errno == EINTR) return std::nullopt;
    return failure();
  }
  const seccomp_data& data = asked.value.data;
  TrappedCall call{
      .id = asked.value.id, .thread = static_cast<pid_t>(asked.value.pid), .number = static_cast<int>(data.args[0])};
  if (data.nr == __NR_listen) {
    call.kind = TrappedCall::Kind::Listen;
    call.backlog = static_cast<int>(data.args[1]);
    return call;
  }
  call.address = data.args[1];
  call.size = data.args[2];
  if (data.nr == __NR_accept4) call.flags = static_cast<int>(data.args[3]);
  return call;
}

bool still_waits(FdRef trap, const TrappedCall& call) noexcept {
  return ::ioctl(trap.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &call.id) == 0;
}

Result<void> answer(FdRef trap, const TrappedCall& call, int result) noexcept {
  return respond(trap, call.id, result, 0);
}

Result<void> give_answer(FdRef trap, const TrappedCall& call, FdRef connection) noexcept {
  seccomp_notif_addfd added{};
  added.id = call.id;
  added.flags = SECCOMP_ADDFD_FLAG_SEND;
  added.srcfd = static_cast<std::uint32_t>(connection.get());
  added.newfd_flags = (call.flags & SOCK_CLOEXEC) != 0 ? O_CLOEXEC : 0;
  if (::ioctl(trap.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &added) < 0) return failure();
  return {};
}

Result<void> pass(FdRef trap, const TrappedCall& call) noexcept {
  return respond(trap, call.id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

Result<void> tell_peer(FdRef trap, const TrappedCall& call, const Address& peer) {
  if (call.address == 0) return {};
  const std::string path = "/proc/" + std::to_string(call.thread) + "/mem";
  const UniqueFd opened{adopt, ::open(path.c_str(), O_RDWR | O_CLOEXEC)};
  const Errno error = last_error();
  if (!still_waits(trap, call)) return failure(ENOENT);
  if (!opened.valid()) return std::unexpected{error};
  const FdRef memory = opened.ref();
  socklen_t room = 0;
  if (!read_at(memory, call.size, &room, sizeof room)) return failure(EFAULT);
  if (static_cast<int>(room) < 0) return failure(EINVAL);
  const socklen_t size = peer.size();
  const std::size_t told = std::min(room, size);
  if (told > 0 && !write_at(memory, call.address, peer.data(), told)) return failure(EFAULT);
  if (!write_at(memory, call.size, &size, sizeof size)) return failure(EFAULT);
  return {};
}

Result<UniqueFd> socket_of(FdRef trap, const TrappedCall& call) {
  const auto process = process_of(call.thread);
  if (!still_waits(trap, call)) return failure(ENOENT);
  if (!process) return std::unexpected{process.error()};
  UniqueFd socket{adopt, static_cast<int>(::syscall(SYS_pidfd_getfd, process->get(), call.number, 0))};
  if (!socket.valid()) return failure();
  return socket;
}

}  // namespace baton::os
