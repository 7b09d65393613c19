// SPDX-License-Identifier: MIT
#include "os/runtime_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "os/setting.hpp"

namespace baton::os {
namespace {

constexpr const char* system_folder = "/run/baton";
constexpr mode_t private_mode = 0700;
constexpr mode_t shared_mode = S_ISVTX | 0777;

enum class Missing { Fails, IsMade };
enum class Links { Followed, Refused };

struct Folder {
  UniqueFd descriptor;
  struct stat status;
  [[nodiscard]] bool is_shared() const noexcept { return (status.st_mode & 07777) == shared_mode; }
  [[nodiscard]] bool is_ours() const noexcept { return status.st_uid == ::geteuid(); }
  // Others cannot remove or replace what is in it.
  [[nodiscard]] bool keeps_files_safe() const noexcept {
    return (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (status.st_mode & S_ISVTX) != 0;
  }
};

// Empty counts as not set.
const char* named(const char* name) noexcept {
  const char* value = setting(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

// "/tmp/baton-<uid>" in a buffer of its own: signal handlers come here.
struct TemporaryPath {
  char text[32] = "/tmp/baton-";
  TemporaryPath() noexcept {
    char* const digits = text + std::string_view{text}.size();
    *std::to_chars(digits, text + sizeof(text) - 1, ::geteuid()).ptr = '\0';
  }
};

Result<Folder> open_unchecked(int at, const char* path, Links links) noexcept {
  const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC | (links == Links::Refused ? O_NOFOLLOW : 0);
  Folder folder{UniqueFd{adopt, ::openat(at, path, flags)}, {}};
  if (!folder.descriptor.valid()) return failure();
  if (::fstat(folder.descriptor.get(), &folder.status) != 0) return failure();
  return folder;
}

Result<Folder> open_or_make(int at, const char* path, Missing missing, Links links) noexcept {
  Result<Folder> folder = open_unchecked(at, path, links);
  if (folder || number(folder.error()) != ENOENT || missing == Missing::Fails) return folder;
  if (::mkdirat(at, path, private_mode) != 0 && errno != EEXIST) return failure();
  return open_unchecked(at, path, links);
}

Result<Folder> open_user_folder(Missing missing) noexcept {
  const char* const parent_path = named("XDG_RUNTIME_DIR");
  if (parent_path == nullptr || *parent_path != '/') return failure(ENOENT);
  // Kept over from another user (sudo -E), it is not a place for our files.
  const Result<Folder> parent = open_unchecked(AT_FDCWD, parent_path, Links::Followed);
  if (!parent || !parent->is_ours()) return failure(ENOENT);
  Result<Folder> folder = open_or_make(parent->descriptor.get(), "baton", missing, Links::Refused);
  if (folder && !(folder->is_ours() && folder->keeps_files_safe())) return failure(EACCES);
  return folder;
}

Result<Folder> open_runtime_folder(Place place, Missing missing) noexcept {
  switch (place) {
    case Place::Environment: {
      const char* const path = named("BATON_RUNTIME_DIR");
      if (path == nullptr) return failure(ENOENT);
      Result<Folder> folder = open_or_make(AT_FDCWD, path, missing, Links::Followed);
      if (!folder) return folder;
      const bool trusted = folder->is_ours() || folder->status.st_uid == 0;
      if (!trusted || !folder->keeps_files_safe()) return failure(EACCES);
      return folder;
    }
    case Place::System: {
      Result<Folder> folder = open_unchecked(AT_FDCWD, system_folder, Links::Refused);
      if (!folder || folder->status.st_uid != 0 || !folder->is_shared()) return failure(ENOENT);
      return folder;
    }
    case Place::User:
      return open_user_folder(missing);
    case Place::Temporary: {
      Result<Folder> folder = open_or_make(AT_FDCWD, TemporaryPath{}.text, missing, Links::Refused);
      if (!folder) return folder;
      if (!folder->is_ours() || (folder->status.st_mode & (S_IRWXG | S_IRWXO)) != 0) return failure(EACCES);
      return folder;
    }
  }
  return failure(EINVAL);
}

// A sub-folder of a shared folder must never be seen, nor be left behind by a crash, with less than its full mode,
// which the umask takes from mkdir: so it is made under another name.
Result<void> make_shared(FdRef parent, const char* sub) noexcept {
  char name[64];
  std::snprintf(name, sizeof(name), ".%s.%ld", sub, static_cast<long>(::gettid()));
  ::unlinkat(parent.get(), name, AT_REMOVEDIR);
  if (::mkdirat(parent.get(), name, private_mode) != 0) return failure();
  if (::fchmodat(parent.get(), name, shared_mode, 0) == 0 &&
      ::renameat2(parent.get(), name, parent.get(), sub, RENAME_NOREPLACE) == 0)
    return {};
  const int error = errno;
  ::unlinkat(parent.get(), name, AT_REMOVEDIR);
  if (error != EEXIST) return failure(error);
  return {};
}

Result<UniqueFd> open_sub(const Folder& parent, const char* sub, Missing missing) noexcept {
  const FdRef at = parent.descriptor.ref();
  Result<Folder> folder = open_or_make(at.get(), sub, parent.is_shared() ? Missing::Fails : missing, Links::Refused);
  if (!folder && number(folder.error()) == ENOENT && missing == Missing::IsMade && parent.is_shared()) {
    if (const Result<void> made = make_shared(at, sub); !made) return std::unexpected{made.error()};
    folder = open_unchecked(at.get(), sub, Links::Refused);
  }
  if (!folder) return std::unexpected{folder.error()};
  // In a shared folder the first user to come made it. Its owner could remove others' names, which denies service;
  // posing as another fails at the check of the peer's user, and exchanging two names at the TSEL that the CR calls.
  const bool trusted = parent.is_shared() || folder->is_ours() || folder->status.st_uid == 0;
  if (!trusted || !folder->keeps_files_safe()) return failure(EACCES);
  return std::move(folder->descriptor);
}

// For messages; empty where the place does not apply.
std::string path_of(Place place) {
  const char* value = nullptr;
  switch (place) {
    case Place::Environment:
      value = named("BATON_RUNTIME_DIR");
      return value != nullptr ? value : "";
    case Place::System:
      return system_folder;
    case Place::User:
      value = named("XDG_RUNTIME_DIR");
      return value != nullptr && *value == '/' ? std::string{value} + "/baton" : "";
    case Place::Temporary:
      return TemporaryPath{}.text;
  }
  return "";
}

}  // namespace

Result<UniqueFd> open_for_bind(std::string_view sub) {
  const std::string name{sub};
  for (const Place place : search_order) {
    const Result<Folder> folder = open_runtime_folder(place, Missing::IsMade);
    if (folder) return open_sub(*folder, name.c_str(), Missing::IsMade);
    // BATON_RUNTIME_DIR is an order: what is wrong with it is said, not worked around.
    const bool ordered = place == Place::Environment && named("BATON_RUNTIME_DIR") != nullptr;
    if (ordered || number(folder.error()) != ENOENT) return std::unexpected{folder.error()};
  }
  return failure(ENOENT);
}

std::vector<Candidate> open_for_connect(std::string_view sub) {
  const std::string name{sub};
  std::vector<Candidate> candidates;
  for (const Place place : search_order) {
    Result<UniqueFd> folder = open_existing(place, name.c_str());
    if (folder) candidates.push_back({path_of(place) + "/" + name, std::move(*folder)});
  }
  return candidates;
}

Result<UniqueFd> open_existing(Place place, const char* sub) noexcept {
  const Result<Folder> folder = open_runtime_folder(place, Missing::Fails);
  if (!folder) return std::unexpected{folder.error()};
  return open_sub(*folder, sub, Missing::Fails);
}

std::string described_search() {
  std::string text;
  for (const Place place : search_order) {
    const std::string path = path_of(place);
    if (path.empty()) continue;
    if (!text.empty()) text += ", ";
    text += path;
  }
  return text;
}

}  // namespace baton::os
