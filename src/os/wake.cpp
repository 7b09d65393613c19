// SPDX-License-Identifier: MIT
#include "os/wake.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>

#include "os/named_socket.hpp"
#include "os/runtime_folder.hpp"
#include "os/socket.hpp"

namespace baton::os {
namespace {

// This process's wake socket. `owner` publishes the rest: the pid whose socket it is, minus that pid while it is being
// made, 0 when there is none. After a fork it names the parent, which is how a child knows that it has none; no lock
// can be held over the fork. Everything is atomic because wake() reads it in signal handlers.
struct Own {
  std::atomic<pid_t> owner{0};
  std::atomic<int> socket{-1};
  std::atomic<std::uint64_t> socket_cookie{0};
  // Connected to it: waking ourselves needs neither a path nor a descriptor more.
  std::atomic<int> sender{-1};
  std::atomic<std::uint64_t> sender_cookie{0};
  std::atomic<int> folder{-1};
  std::atomic<dev_t> folder_device{0};
  std::atomic<ino_t> folder_inode{0};
  std::atomic<bool> name_has_user{false};
  std::atomic<uid_t> user{0};
};
constinit Own own;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<pid_t>::is_always_lock_free);

// "<pid>" or "<pid>.<uid>".
struct WakeName {
  char text[32] = {};
  WakeName(pid_t pid, std::optional<uid_t> user) noexcept {
    char* const end = text + sizeof(text) - 1;
    char* out = std::to_chars(text, end, pid).ptr;
    if (!user) return;
    *out++ = '.';
    std::to_chars(out, end, *user);
  }
};

WakeName own_name(pid_t pid) noexcept {
  return {pid, own.name_has_user.load() ? std::optional{own.user.load()} : std::nullopt};
}

// The numbers may have been closed and used again by somebody who tidied up all descriptors.
bool is_still(int socket, std::uint64_t former_cookie) noexcept {
  const Result<std::uint64_t> now = cookie(FdRef{socket});
  return now && *now == former_cookie;
}
bool socket_is_ours() noexcept { return is_still(own.socket.load(), own.socket_cookie.load()); }
bool sender_is_ours() noexcept { return is_still(own.sender.load(), own.sender_cookie.load()); }

bool folder_is_ours() noexcept {
  const int folder = own.folder.load();
  const int flags = ::fcntl(folder, F_GETFL);
  struct stat status;
  return flags >= 0 && (flags & O_PATH) != 0 && ::fstat(folder, &status) == 0 &&
         status.st_dev == own.folder_device.load() && status.st_ino == own.folder_inode.load();
}

void remove_own_name() noexcept {
  const pid_t self = ::getpid();
  if (own.owner.load() == self && folder_is_ours()) ::unlinkat(own.folder.load(), own_name(self).text, 0);
}

void close_former() noexcept {
  if (socket_is_ours()) ::close(own.socket.load());
  if (sender_is_ours()) ::close(own.sender.load());
  if (folder_is_ours()) ::close(own.folder.load());
  own.socket.store(-1);
  own.sender.store(-1);
  own.folder.store(-1);
}

bool is_free(FdRef folder, const WakeName& name) noexcept {
  return ::unlinkat(folder.get(), name.text, 0) == 0 || errno == ENOENT;
}

struct Datagram {
  UniqueFd socket;
  std::uint64_t number;
};
Result<Datagram> make_datagram_socket() noexcept {
  UniqueFd plain{adopt, ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!plain.valid()) return failure();
  Result<UniqueFd> socket = above_standard(std::move(plain));
  if (!socket) return std::unexpected{socket.error()};
  const Result<std::uint64_t> socket_cookie = cookie(socket->ref());
  if (!socket_cookie) return std::unexpected{socket_cookie.error()};
  return Datagram{std::move(*socket), *socket_cookie};
}

// Binds under the own name and connects the sender to it.
Result<void> join(const Datagram& socket, const Datagram& sender, FdRef folder, const WakeName& name) noexcept {
  if (const auto bound = bind_at(socket.socket.ref(), folder, name.text, 0600); !bound) return bound;
  const Result<FoundSocket> found = find_socket(folder, name.text);
  if (!found) return std::unexpected{found.error()};
  return connect_to(sender.socket.ref(), *found);
}

Result<void> make_own(pid_t self) {
  close_former();
  Result<UniqueFd> found = open_for_bind("wake");
  if (!found) return std::unexpected{found.error()};
  Result<UniqueFd> folder = above_standard(std::move(*found));
  if (!folder) return std::unexpected{folder.error()};
  struct stat status;
  if (::fstat(folder->get(), &status) != 0) return failure();
  Result<Datagram> socket = make_datagram_socket();
  if (!socket) return std::unexpected{socket.error()};
  Result<Datagram> sender = make_datagram_socket();
  if (!sender) return std::unexpected{sender.error()};

  // The pid is ours, so whatever has its name was left behind.
  const uid_t user = ::geteuid();
  const bool name_has_user = !is_free(folder->ref(), {self, std::nullopt});
  if (name_has_user && !is_free(folder->ref(), {self, user})) return failure(EADDRINUSE);
  own.name_has_user.store(name_has_user);
  own.user.store(user);
  if (const auto joined = join(*socket, *sender, folder->ref(), own_name(self)); !joined) return joined;

  own.socket_cookie.store(socket->number);
  own.sender_cookie.store(sender->number);
  own.folder_device.store(status.st_dev);
  own.folder_inode.store(status.st_ino);
  own.socket.store(socket->socket.release());
  own.sender.store(sender->socket.release());
  own.folder.store(folder->release());
  static std::atomic<bool> registered{false};
  if (!registered.exchange(true)) std::atexit(remove_own_name);
  return {};
}

// The other name that `pid` may have: only root needs to ask whose process it is.
uid_t user_of(pid_t pid) noexcept {
  if (const uid_t self = ::geteuid(); self != 0) return self;
  char path[32] = "/proc/";
  std::to_chars(path + 6, path + sizeof(path) - 1, pid);
  struct stat status;
  return ::stat(path, &status) == 0 ? status.st_uid : 0;
}

// Sent, or a full queue: then it has enough to wake up for.
bool enough(const Result<void>& sent) noexcept { return sent || number(sent.error()) == EAGAIN; }

Result<void> send_wake(FdRef sender, FdRef folder, const WakeName& name) noexcept {
  const Result<FoundSocket> target = find_socket(folder, name.text);
  if (!target) return std::unexpected{target.error()};
  const Result<void> sent = send_octet_to(sender, *target);
  if (enough(sent)) return {};
  return sent;
}

Result<void> find_and_wake(pid_t pid) noexcept {
  if (pid <= 0) return failure(ESRCH);
  // A socket may outlive its process in a child that inherited it, so the process itself is asked for first.
  if (::kill(pid, 0) != 0) return failure(errno == EPERM ? EACCES : ESRCH);

  const bool to_self = own.owner.load(std::memory_order_acquire) == pid && pid == ::getpid();
  if (to_self && sender_is_ours() && enough(send_octet(FdRef{own.sender.load()}))) return {};
  const UniqueFd sender{adopt, ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!sender.valid()) return failure();
  const WakeName names[] = {{pid, std::nullopt}, {pid, user_of(pid)}};
  bool denied = false;
  for (const Place place : search_order) {
    const Result<UniqueFd> folder = open_existing(place, "wake");
    if (!folder) continue;
    for (const WakeName& name : names) {
      const Result<void> sent = send_wake(sender.ref(), folder->ref(), name);
      if (sent) return {};
      const int error = number(sent.error());
      if (lacks_room(error)) return sent;
      denied = denied || error == EACCES;
    }
  }
  return failure(denied ? EACCES : ESRCH);
}

}  // namespace

Result<FdRef> own_wake_socket() {
  const pid_t self = ::getpid();
  for (;;) {
    pid_t owner = own.owner.load(std::memory_order_acquire);
    if (owner == self && socket_is_ours()) return FdRef{own.socket.load()};
    if (owner == -self) {
      own.owner.wait(owner);  // another thread is making it
      continue;
    }
    if (!own.owner.compare_exchange_strong(owner, -self)) continue;
    const Result<void> made = make_own(self);
    own.owner.store(made ? self : 0, std::memory_order_release);
    own.owner.notify_all();
    if (!made) return std::unexpected{made.error()};
  }
}

bool drain_wake(FdRef socket) noexcept {
  bool any = false;
  for (;;) {
    char octet;
    if (::recv(socket.get(), &octet, sizeof(octet), MSG_DONTWAIT) >= 0)
      any = true;
    else if (errno != EINTR)
      return any;
  }
}

Result<void> wake(pid_t pid) noexcept {
  const int saved = errno;
  const Result<void> woken = find_and_wake(pid);
  errno = saved;
  return woken;
}

}  // namespace baton::os
