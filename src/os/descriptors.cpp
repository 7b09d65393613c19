// SPDX-License-Identifier: MIT
#include "os/descriptors.hpp"

#include <dirent.h>
#include <sys/resource.h>

#include <charconv>
#include <cstring>
#include <memory>

namespace baton::os {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

}  // namespace

std::vector<int> open_descriptors() {
  std::vector<int> numbers;
  const std::unique_ptr<DIR, CloseFolder> folder{::opendir("/proc/self/fd")};
  if (!folder) return numbers;
  const int own = ::dirfd(folder.get());
  while (const dirent* entry = ::readdir(folder.get())) {
    const char* const name = entry->d_name;
    int number = -1;
    if (std::from_chars(name, name + std::strlen(name), number).ec == std::errc{} && number != own)
      numbers.push_back(number);
  }
  return numbers;
}

std::size_t descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == 0) return 1;
  return limit.rlim_cur;
}

}  // namespace baton::os
