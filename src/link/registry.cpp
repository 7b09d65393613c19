// SPDX-License-Identifier: MIT
#include "link/registry.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <utility>

#include "base/check.hpp"
#include "os/named_socket.hpp"
#include "os/process.hpp"
#include "os/runtime_folder.hpp"
#include "os/socket.hpp"

namespace baton::link {
namespace {

constexpr std::string_view sub_folder = "tsap";
constexpr int generated_tries = 1000;

std::string lock_name(const tsap::Selector& selector) { return selector.hex() + ".lock"; }

// Opens the lock file, ours and regular, made when missing.
os::Result<UniqueFd> open_lock_file(FdRef folder, const char* name) {
  // O_NONBLOCK: a FIFO that somebody left there must not stop us.
  UniqueFd file{adopt, ::openat(folder.get(), name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600)};
  struct stat status;
  if (!file.valid()) {
    const int error = errno;
    // Whatever stands there and does not let itself be opened, the name is not free.
    if (::fstatat(folder.get(), name, &status, AT_SYMLINK_NOFOLLOW) == 0) return os::failure(EADDRINUSE);
    return os::failure(error);
  }
  if (::fstat(file.get(), &status) != 0) return os::failure();
  if (!S_ISREG(status.st_mode) || status.st_uid != os::effective_user()) return os::failure(EADDRINUSE);
  return file;
}

bool is_still_at(FdRef file, FdRef folder, const char* name) {
  struct stat opened;
  struct stat named;
  return ::fstat(file.get(), &opened) == 0 && ::fstatat(folder.get(), name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

os::Result<UniqueFd> take_lock(FdRef folder, const char* name) {
  for (;;) {
    os::Result<UniqueFd> file = open_lock_file(folder, name);
    if (!file) return file;
    if (::flock(file->get(), LOCK_EX | LOCK_NB) != 0) return os::failure(errno == EWOULDBLOCK ? EADDRINUSE : errno);
    // Between open and flock the former holder may have removed the file: that lock protects nothing.
    if (is_still_at(file->ref(), folder, name)) return os::above_standard(std::move(*file));
  }
}

// Under the lock, a socket at the name is a leftover of a dead holder, or put there by a stranger.
os::Result<void> remove_leftover(FdRef folder, const char* name) {
  if (::unlinkat(folder.get(), name, 0) == 0 || errno == ENOENT) return {};
  return os::failure(EADDRINUSE);
}

tsap::Selector next_generated() {
  static std::atomic<unsigned> counter{0};
  const std::string text = "~" + std::to_string(os::process_id()) + "." + std::to_string(++counter);
  const auto selector = tsap::Selector::from_text(text);
  BATON_CHECK(selector.has_value());  // 1 + 10 + 1 + 10 characters at most
  return *selector;
}

// Connects to the name in one folder.
os::Result<UniqueFd> connect_in(FdRef folder, const char* name) {
  const os::Result<os::FoundSocket> target = os::find_socket(folder, name);
  if (!target) return std::unexpected{target.error()};
  if (!admitted(target->owner)) return os::failure(EACCES);
  os::Result<UniqueFd> socket = os::unix_seqpacket(true);
  if (!socket) return socket;
  if (const auto connected = os::connect_to(socket->ref(), *target); !connected)
    return std::unexpected{connected.error()};
  // The file's owner and the listener may be two.
  const os::Result<os::Credentials> peer = os::peer_credentials(socket->ref());
  if (!peer) return std::unexpected{peer.error()};
  if (!admitted(peer->uid)) return os::failure(EACCES);
  return socket;
}

}  // namespace

BoundName::BoundName(const tsap::Selector& selector, UniqueFd folder, UniqueFd lock) noexcept
    : selector_{selector}, folder_{std::move(folder)}, lock_{std::move(lock)}, claimer_{os::process_id()} {}

BoundName& BoundName::operator=(BoundName&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  selector_ = other.selector_;
  folder_ = std::move(other.folder_);
  lock_ = std::move(other.lock_);
  claimer_ = other.claimer_;
  return *this;
}

void BoundName::give_back() noexcept {
  if (lock_.valid() && claimer_ == os::process_id()) {
    ::unlinkat(folder_.get(), selector_.hex().c_str(), 0);
    ::unlinkat(folder_.get(), lock_name(selector_).c_str(), 0);
  }
  lock_.reset();
  folder_.reset();
}

os::Result<UniqueFd> BoundName::listen(int backlog, mode_t mode) {
  const std::string name = selector_.hex();
  if (const auto removed = remove_leftover(folder_.ref(), name.c_str()); !removed)
    return std::unexpected{removed.error()};
  os::Result<UniqueFd> socket = os::unix_seqpacket(true);
  if (!socket) return socket;
  if (const auto bound = os::bind_at(socket->ref(), folder_.ref(), name.c_str(), mode); !bound)
    return std::unexpected{bound.error()};
  if (const auto listening = os::listen_on(socket->ref(), backlog); !listening)
    return std::unexpected{listening.error()};
  return socket;
}

os::Result<BoundName> BoundName::take(const tsap::Selector& selector) {
  os::Result<UniqueFd> found = os::open_for_bind(sub_folder);
  if (!found) return std::unexpected{found.error()};
  os::Result<UniqueFd> folder = os::above_standard(std::move(*found));
  if (!folder) return std::unexpected{folder.error()};
  os::Result<UniqueFd> lock = take_lock(folder->ref(), lock_name(selector).c_str());
  if (!lock) return std::unexpected{lock.error()};
  BoundName taken{selector, std::move(*folder), std::move(*lock)};
  const auto removed = remove_leftover(taken.folder_.ref(), selector.hex().c_str());
  if (!removed) return std::unexpected{removed.error()};
  return taken;
}

os::Result<BoundName> claim(const tsap::Selector& selector) {
  if (!selector.empty()) return BoundName::take(selector);
  for (int tries = 1;; ++tries) {
    os::Result<BoundName> taken = BoundName::take(next_generated());
    if (taken || os::number(taken.error()) != EADDRINUSE || tries == generated_tries) return taken;
  }
}

os::Result<UniqueFd> connect_to(const tsap::Selector& selector, bool nonblocking) {
  if (selector.empty()) return os::failure(ECONNREFUSED);
  const std::string name = selector.hex();
  bool denied = false;
  for (const os::Candidate& candidate : os::open_for_connect(sub_folder)) {
    os::Result<UniqueFd> link = connect_in(candidate.folder.ref(), name.c_str());
    if (link) {
      if (!nonblocking) {
        if (const auto blocking = os::set_nonblocking(link->ref(), false); !blocking)
          return std::unexpected{blocking.error()};
      }
      return link;
    }
    const int error = os::number(link.error());
    if (error == EAGAIN || os::lacks_room(error)) return link;
    denied = denied || error == EACCES;
  }
  return os::failure(denied ? EACCES : ECONNREFUSED);
}

}  // namespace baton::link
