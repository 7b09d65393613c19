// SPDX-License-Identifier: MIT
#include "os/named_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <string_view>

#include "os/socket.hpp"

namespace baton::os {
namespace {

// "/proc/self/fd/<descriptor>" with "/<name>" behind it if there is one. Plain arithmetic: signal handlers come here.
class ProcPath {
 public:
  explicit ProcPath(FdRef descriptor, std::string_view name = {}) noexcept {
    constexpr std::string_view prefix = "/proc/self/fd/";
    address_.sun_family = AF_UNIX;
    char* out = address_.sun_path;
    char* const end = out + sizeof(address_.sun_path) - 1;
    prefix.copy(out, prefix.size());
    out = std::to_chars(out + prefix.size(), end, descriptor.get()).ptr;
    if (name.empty()) return;
    fits_ = name.size() < static_cast<std::size_t>(end - out);
    if (!fits_) return;
    *out++ = '/';
    name.copy(out, name.size());
  }
  [[nodiscard]] bool fits() const noexcept { return fits_; }
  [[nodiscard]] const char* text() const noexcept { return address_.sun_path; }
  [[nodiscard]] const sockaddr* address() const noexcept { return reinterpret_cast<const sockaddr*>(&address_); }
  static constexpr socklen_t size = sizeof(sockaddr_un);

 private:
  sockaddr_un address_{};
  bool fits_ = true;
};

// bind(2) applied the umask; what it took away is given back on the inode that is really ours.
Result<void> widen(FdRef folder, const char* name, mode_t mode) noexcept {
  const Result<FoundSocket> made = find_socket(folder, name);
  if (!made) return std::unexpected{made.error()};
  if (made->owner != ::geteuid()) return failure(EADDRINUSE);
  if (::chmod(ProcPath{made->file.ref()}.text(), mode) != 0) return failure();
  return {};
}

}  // namespace

Result<void> bind_at(FdRef socket, FdRef folder, const char* name, mode_t mode) noexcept {
  const ProcPath path{folder, name};
  if (!path.fits()) return failure(ENAMETOOLONG);
  // The new file takes the socket's own mode, less the umask: so there is no instant at which it is wider.
  if (::fchmod(socket.get(), mode) != 0) return failure();
  if (::bind(socket.get(), path.address(), ProcPath::size) != 0) return failure();
  if ((mode & (S_IRWXG | S_IRWXO)) == 0) return {};
  const Result<void> widened = widen(folder, name, mode);
  if (!widened) ::unlinkat(folder.get(), name, 0);
  return widened;
}

Result<void> listen_on(FdRef socket, int backlog) noexcept {
  if (::listen(socket.get(), backlog) != 0) return failure();
  return {};
}

Result<FoundSocket> find_socket(FdRef folder, const char* name) noexcept {
  UniqueFd file{adopt, ::openat(folder.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC)};
  if (!file.valid()) return failure();
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return failure();
  if (!S_ISSOCK(status.st_mode)) return failure(ENOTSOCK);
  return FoundSocket{std::move(file), status.st_uid};
}

Result<void> connect_to(FdRef socket, const FoundSocket& target) noexcept {
  if (::connect(socket.get(), ProcPath{target.file.ref()}.address(), ProcPath::size) == 0) return {};
  return failure(errno == EPROTOTYPE ? ECONNREFUSED : errno);
}

Result<void> send_octet_to(FdRef socket, const FoundSocket& target) noexcept {
  const char octet = 0;
  const ssize_t sent = ::sendto(socket.get(), &octet, sizeof(octet), MSG_DONTWAIT | MSG_NOSIGNAL,
                                ProcPath{target.file.ref()}.address(), ProcPath::size);
  if (sent == sizeof(octet)) return {};
  return failure(errno == EPROTOTYPE ? ECONNREFUSED : errno);
}

Result<void> send_octet(FdRef socket) noexcept {
  const char octet = 0;
  if (::send(socket.get(), &octet, sizeof(octet), MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof(octet)) return {};
  return failure();
}

Result<UniqueFd> above_standard(UniqueFd descriptor) noexcept {
  if (descriptor.get() > STDERR_FILENO) return descriptor;
  return duplicate(descriptor.ref());
}

}  // namespace baton::os
