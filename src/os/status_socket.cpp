// SPDX-License-Identifier: MIT
#include "os/status_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>

#include "os/process.hpp"
#include "os/runtime_folder.hpp"

namespace baton::os {
namespace {

constexpr int backlog = 16;

}  // namespace

Result<void> StatusSocket::open() {
  auto folder = open_for_bind("status");
  if (!folder) return std::unexpected{folder.error()};
  const pid_t process = process_id();
  const std::string name = std::to_string(process);
  // What stands there is of a dead process that had this number before.
  if (::unlinkat(folder->get(), name.c_str(), 0) != 0 && errno != ENOENT) return failure(EADDRINUSE);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", folder->get(), name.c_str());
  UniqueFd listening{adopt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!listening.valid()) return failure();
  if (::fchmod(listening.get(), 0600) != 0) return failure();  // what bind(2) makes takes this mode
  if (::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failure();
  if (::listen(listening.get(), backlog) != 0) return failure();
  folder_ = std::move(*folder);
  listening_ = std::move(listening);
  owner_ = process;
  return {};
}

void StatusSocket::close() noexcept {
  if (!listening_.valid()) return;
  if (owner_ == process_id()) {
    char name[16];
    std::snprintf(name, sizeof name, "%d", static_cast<int>(owner_));
    ::unlinkat(folder_.get(), name, 0);
  }
  listening_.reset();
  folder_.reset();
}

bool StatusSocket::answer(FdRef listening, std::string_view document) noexcept {
  // Who asks again and again is served again and again, but not before everything else.
  for (int answered = 0; answered <= backlog; ++answered) {
    const UniqueFd asker{adopt, ::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!asker.valid()) return !lacks_room(errno);
    // A document is far smaller than the socket's buffer; who does not read it gets what fits.
    [[maybe_unused]] const auto sent = ::send(asker.get(), document.data(), document.size(), MSG_NOSIGNAL);
  }
  return true;
}

}  // namespace baton::os
