// SPDX-License-Identifier: MIT
#include "os/text_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.hpp"

namespace baton::os {

std::uint64_t file_stamp(const std::string& path) noexcept {
  struct stat about;
  if (::stat(path.c_str(), &about) != 0) return 0;
  std::uint64_t stamp = 1;
  for (const auto part : {static_cast<std::uint64_t>(about.st_dev), static_cast<std::uint64_t>(about.st_ino),
                          static_cast<std::uint64_t>(about.st_size), static_cast<std::uint64_t>(about.st_mtim.tv_sec),
                          static_cast<std::uint64_t>(about.st_mtim.tv_nsec)})
    stamp = (stamp ^ part) * 1099511628211U;
  return stamp | 1U;
}

Result<std::string> read_text_file(const std::string& path, std::size_t most) {
  const UniqueFd file{adopt, ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!file.valid()) return failure();
  std::string text(most + 1, '\0');
  std::size_t size = 0;
  for (;;) {
    const ssize_t got = ::read(file.ref().get(), text.data() + size, text.size() - size);
    if (got < 0) return failure();
    size += static_cast<std::size_t>(got);
    if (size > most) return failure(EFBIG);
    if (got == 0) break;
  }
  text.resize(size);
  return text;
}

}  // namespace baton::os
