// SPDX-License-Identifier: MIT
#include "os/runtime_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <expected>

#include "os/setting.hpp"

namespace baton::os {
namespace {

constexpr const char* system_folder = "/run/baton";
constexpr mode_t private_mode = 0700;
constexpr mode_t shared_mode = S_ISVTX | 0777;

enum class Missing { Fails, IsMade };
enum class Links { Followed, Refused };

// Why a folder cannot be had: what the kernel says (System), or what the check of it has found. Trivial: signal
// handlers come here.
enum class Wrong { System, Relative, Foreign, Tamperable };
struct Trouble {
  Errno error;
  Wrong wrong = Wrong::System;
  mode_t mode = 0;
  uid_t owner = 0;
  bool of_sub = false;
};
template <class T>
using Checked = std::expected<T, Trouble>;

std::unexpected<Trouble> trouble(int error = errno) noexcept { return std::unexpected{Trouble{.error = Errno{error}}}; }

struct Folder {
  UniqueFd descriptor;
  struct stat status;
  [[nodiscard]] bool is_shared() const noexcept { return (status.st_mode & 07777) == shared_mode; }
  [[nodiscard]] bool is_ours() const noexcept { return status.st_uid == ::geteuid(); }
  // Others cannot remove or replace what is in it.
  [[nodiscard]] bool keeps_files_safe() const noexcept {
    return (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (status.st_mode & S_ISVTX) != 0;
  }
  [[nodiscard]] std::unexpected<Trouble> refused(bool trusted_owner) const noexcept {
    return std::unexpected{Trouble{.error = Errno{EACCES},
                                   .wrong = trusted_owner ? Wrong::Tamperable : Wrong::Foreign,
                                   .mode = status.st_mode & 07777,
                                   .owner = status.st_uid}};
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

Checked<Folder> open_unchecked(int at, const char* path, Links links) noexcept {
  const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC | (links == Links::Refused ? O_NOFOLLOW : 0);
  Folder folder{UniqueFd{adopt, ::openat(at, path, flags)}, {}};
  if (!folder.descriptor.valid()) return trouble();
  if (::fstat(folder.descriptor.get(), &folder.status) != 0) return trouble();
  return folder;
}

Checked<Folder> open_or_make(int at, const char* path, Missing missing, Links links) noexcept {
  Checked<Folder> folder = open_unchecked(at, path, links);
  if (folder || number(folder.error().error) != ENOENT || missing == Missing::Fails) return folder;
  if (::mkdirat(at, path, private_mode) != 0 && errno != EEXIST) return trouble();
  return open_unchecked(at, path, links);
}

Checked<Folder> open_user_folder(Missing missing) noexcept {
  const char* const parent_path = named("XDG_RUNTIME_DIR");
  if (parent_path == nullptr || *parent_path != '/') return trouble(ENOENT);
  // Kept over from another user (sudo -E), it is not a place for our files.
  const Checked<Folder> parent = open_unchecked(AT_FDCWD, parent_path, Links::Followed);
  if (!parent || !parent->is_ours()) return trouble(ENOENT);
  Checked<Folder> folder = open_or_make(parent->descriptor.get(), "baton", missing, Links::Refused);
  if (folder && !(folder->is_ours() && folder->keeps_files_safe())) return folder->refused(folder->is_ours());
  return folder;
}

Checked<Folder> open_runtime_folder(Place place, Missing missing) noexcept {
  switch (place) {
    case Place::Environment: {
      const char* const path = named("BATON_RUNTIME_DIR");
      if (path == nullptr) return trouble(ENOENT);
      if (*path != '/') return std::unexpected{Trouble{.error = Errno{EINVAL}, .wrong = Wrong::Relative}};
      Checked<Folder> folder = open_or_make(AT_FDCWD, path, missing, Links::Followed);
      if (!folder) return folder;
      const bool trusted = folder->is_ours() || folder->status.st_uid == 0;
      if (!trusted || !folder->keeps_files_safe()) return folder->refused(trusted);
      return folder;
    }
    case Place::System: {
      Checked<Folder> folder = open_unchecked(AT_FDCWD, system_folder, Links::Refused);
      if (!folder || folder->status.st_uid != 0 || !folder->is_shared()) return trouble(ENOENT);
      return folder;
    }
    case Place::User:
      return open_user_folder(missing);
    case Place::Temporary: {
      Checked<Folder> folder = open_or_make(AT_FDCWD, TemporaryPath{}.text, missing, Links::Refused);
      if (!folder) return folder;
      if (!folder->is_ours() || (folder->status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return folder->refused(folder->is_ours());
      return folder;
    }
  }
  return trouble(EINVAL);
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

Checked<UniqueFd> open_sub(const Folder& parent, const char* sub, Missing missing) noexcept {
  const FdRef at = parent.descriptor.ref();
  Checked<Folder> folder = open_or_make(at.get(), sub, parent.is_shared() ? Missing::Fails : missing, Links::Refused);
  if (!folder && number(folder.error().error) == ENOENT && missing == Missing::IsMade && parent.is_shared()) {
    if (const Result<void> made = make_shared(at, sub); !made) return trouble(number(made.error()));
    folder = open_unchecked(at.get(), sub, Links::Refused);
  }
  if (!folder) return std::unexpected{folder.error()};
  // In a shared folder the first user to come made it. Its owner could remove others' names, which denies service;
  // posing as another fails at the check of the peer's user, and exchanging two names at the TSEL that the CR calls.
  const bool trusted = parent.is_shared() || folder->is_ours() || folder->status.st_uid == 0;
  if (!trusted || !folder->keeps_files_safe()) return folder->refused(trusted);
  return std::move(folder->descriptor);
}

Checked<UniqueFd> open_place(Place place, const char* sub, Missing missing) noexcept {
  const Checked<Folder> folder = open_runtime_folder(place, missing);
  if (!folder) return std::unexpected{folder.error()};
  Checked<UniqueFd> opened = open_sub(*folder, sub, missing);
  if (!opened) opened.error().of_sub = true;
  return opened;
}

struct Binding {
  Place place;
  Checked<UniqueFd> folder;
};

// The place that binding takes. BATON_RUNTIME_DIR is an order: what is wrong with it is said, not worked around.
Binding open_first(const char* sub) noexcept {
  for (const Place place : search_order) {
    Checked<UniqueFd> folder = open_place(place, sub, Missing::IsMade);
    const bool ordered = place == Place::Environment && named("BATON_RUNTIME_DIR") != nullptr;
    const bool passed_over = !folder && !folder.error().of_sub && number(folder.error().error) == ENOENT;
    if (ordered || !passed_over) return {place, std::move(folder)};
  }
  return {Place::Temporary, trouble(ENOENT)};
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

// What is wrong, and what to do.
std::string sentence_of(const Trouble& found) {
  char mode[8];
  std::snprintf(mode, sizeof(mode), "%04o", static_cast<unsigned>(found.mode));
  const std::string user = std::to_string(::geteuid());
  const int error = number(found.error);
  switch (found.wrong) {
    case Wrong::Relative:
      return "is no absolute path: in each working directory it would be another folder";
    case Wrong::Foreign:
      return "belongs to user " + std::to_string(found.owner) + ": it has to be root's, or this user's (" + user + ")";
    case Wrong::Tamperable:
      return "has mode " + std::string{mode} +
             ", so others could change what is in it: give it mode 1777 to meet other users there, else 0700";
    case Wrong::System:
      break;
  }
  if (error == EACCES)
    return "is closed to this user (" + user + "): processes of several users meet in a folder of mode 1777";
  if (error == ENOTDIR || error == ELOOP) return "is no folder";
  if (error == ENOENT && !found.of_sub) return "cannot be made: the folder above it does not exist: make it";
  return std::string{"cannot be opened or made: "} + std::strerror(error);
}

// Whether the process may do this in the folder; the kernel asks at the folder's files, after it has been opened.
Checked<void> checked_for(const Checked<UniqueFd>& folder, int access) noexcept {
  if (!folder) return std::unexpected{folder.error()};
  if (::faccessat(folder->get(), ".", access, AT_EACCESS) == 0) return {};
  return std::unexpected{Trouble{.error = last_error(), .of_sub = true}};
}

// Empty where there is none, or where it is no matter of the folder.
std::string described(Place place, const std::string& sub, const Checked<void>& found) {
  if (found || lacks_room(number(found.error().error))) return "";
  return "the runtime folder " + path_of(place) + (found.error().of_sub ? "/" + sub : "") +
         (place == Place::Environment ? " (BATON_RUNTIME_DIR) " : " ") + sentence_of(found.error());
}

}  // namespace

Result<UniqueFd> open_for_bind(std::string_view sub) {
  Checked<UniqueFd> folder = open_first(std::string{sub}.c_str()).folder;
  if (!folder) return std::unexpected{folder.error().error};
  return std::move(*folder);
}

std::string trouble_of_bind(std::string_view sub) {
  const std::string name{sub};
  const Binding found = open_first(name.c_str());
  return described(found.place, name, checked_for(found.folder, W_OK | X_OK));
}

std::string trouble_of_connect(std::string_view sub) {
  const std::string name{sub};
  for (const Place place : search_order) {
    const Checked<void> found = checked_for(open_place(place, name.c_str(), Missing::Fails), X_OK);
    if (found || number(found.error().error) == ENOENT) continue;
    if (std::string text = described(place, name, found); !text.empty()) return text;
  }
  return "";
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
  Checked<UniqueFd> folder = open_place(place, sub, Missing::Fails);
  if (!folder) return std::unexpected{folder.error().error};
  return std::move(*folder);
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
