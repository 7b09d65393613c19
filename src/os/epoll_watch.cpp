// SPDX-License-Identifier: MIT
#include "os/epoll_watch.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

namespace baton::os {
namespace {

bool is_epoll(const std::string& path) {
  std::array<char, 64> target{};
  const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
  return size > 0 && std::string_view{target.data(), static_cast<std::size_t>(size)} == "anon_inode:[eventpoll]";
}

/// Lines of fdinfo: "tfd:  5 events: 19 data: ... pos:0 ino:61ef sdev:8" (proc(5)); the inode is hexadecimal.
bool lists_inode(const std::string& path, ino_t inode) {
  std::ifstream lines{path};
  constexpr std::string_view key = "ino:";
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("tfd:")) continue;
    const std::size_t at = line.find(key);
    if (at == std::string::npos) continue;
    unsigned long listed = 0;
    std::from_chars(line.data() + at + key.size(), line.data() + line.size(), listed, 16);
    if (listed == inode) return true;
  }
  return false;
}

}  // namespace

bool watched_by_epoll(FdRef descriptor) {
  struct stat status{};
  if (::fstat(descriptor.get(), &status) != 0) return false;
  const auto close = [](DIR* folder) { ::closedir(folder); };
  const std::unique_ptr<DIR, decltype(close)> folder{::opendir("/proc/self/fd"), close};
  if (!folder) return false;
  while (const dirent* entry = ::readdir(folder.get())) {
    const std::string number = entry->d_name;
    if (is_epoll("/proc/self/fd/" + number) && lists_inode("/proc/self/fdinfo/" + number, status.st_ino)) return true;
  }
  return false;
}

}  // namespace baton::os
