// SPDX-License-Identifier: MIT
#include "os/descriptors.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

bool is_journal_stream(FdRef descriptor, const char* named) noexcept {
  struct stat about{};
  if (named == nullptr || ::fstat(descriptor.get(), &about) != 0) return false;
  const char* const end = named + std::strlen(named);
  unsigned long long device = 0;
  unsigned long long inode = 0;
  const auto [colon, wrong] = std::from_chars(named, end, device);
  if (wrong != std::errc{} || colon == end || *colon != ':') return false;
  const auto [rest, wrong_too] = std::from_chars(colon + 1, end, inode);
  return wrong_too == std::errc{} && rest == end && device == about.st_dev && inode == about.st_ino;
}

}  // namespace baton::os
