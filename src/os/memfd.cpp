// SPDX-License-Identifier: MIT
#include "os/memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace baton::os {
namespace {

constexpr int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;

}  // namespace

Result<UniqueFd> sealed_memory(Bytes octets) noexcept {
  UniqueFd memory{adopt, ::memfd_create("baton", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!memory.valid()) return failure();
  while (!octets.empty()) {
    const ssize_t written = ::write(memory.ref().get(), octets.data(), octets.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failure();
    octets = octets.subspan(static_cast<std::size_t>(written));
  }
  if (::fcntl(memory.ref().get(), F_ADD_SEALS, seals | F_SEAL_SEAL) < 0) return failure();
  return memory;
}

bool is_sealed_memory(FdRef descriptor, std::size_t size) noexcept {
  // Only files of memory have seals: a pipe, a socket or a file of a disk gives EINVAL.
  const int found = ::fcntl(descriptor.get(), F_GET_SEALS);
  if (found < 0 || (found & seals) != seals) return false;
  struct stat status{};
  return ::fstat(descriptor.get(), &status) == 0 && S_ISREG(status.st_mode) &&
         static_cast<std::size_t>(status.st_size) == size;
}

Result<void> read_memory(FdRef descriptor, MutableBytes room) noexcept {
  std::size_t done = 0;
  while (done < room.size()) {
    const ssize_t got = ::pread(descriptor.get(), room.data() + done, room.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failure();
    if (got == 0) return failure(EIO);  // shorter than it was
    done += static_cast<std::size_t>(got);
  }
  return {};
}

}  // namespace baton::os
