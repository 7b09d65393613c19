// SPDX-License-Identifier: MIT
// baton: os/runtime_folder.hpp: finds and checks the folder in which the processes of a host meet.
//
// The search, in this order (handoff-protocol.md, section 1):
//   1. $BATON_RUNTIME_DIR, an absolute path; created 0700 when it is missing; symbolic links are followed
//   2. /run/baton, if it is root's and has mode 1777
//   3. $XDG_RUNTIME_DIR/baton, created 0700, if $XDG_RUNTIME_DIR is absolute and ours
//   4. /tmp/baton-<uid>, created 0700: a real directory, ours, closed to others
// Binding takes the first: with BATON_RUNTIME_DIR set, that one or none. Connecting takes all that exist.
// The environment is read at each call, and not at all in a set-id program (secure_getenv(3)).
//
// Invariant: a folder that comes out of here was checked on its descriptor, not on its path, and a descriptor is
// O_PATH | O_CLOEXEC; files in it are reached by *at calls or "/proc/self/fd/<number>/<name>", so no path is too long.
// Threads: free, except against setenv(3).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// The places of the search, in its order.
enum class Place { Environment, System, User, Temporary };
inline constexpr std::array search_order{Place::Environment, Place::System, Place::User, Place::Temporary};

/// A sub-folder that connecting may look into. The path is for messages; the descriptor is what was checked.
struct Candidate {
  std::string path;
  UniqueFd folder;
};

/// The sub-folder `sub` ("tsap", "wake", "status") of the runtime folder, made when missing: 0700, or 1777 in a
/// runtime folder of mode 1777 (there it may belong to anybody, as who came first made it).
/// Errors: EACCES a folder that others could tamper with; ENOTDIR or ELOOP something else is there; EINVAL a relative
/// BATON_RUNTIME_DIR; ENOENT, EROFS and the like from mkdir(2) and open(2).
[[nodiscard]] Result<UniqueFd> open_for_bind(std::string_view sub);

/// Every existing and safe sub-folder `sub`, in the order of the search. Nothing is created.
[[nodiscard]] std::vector<Candidate> open_for_connect(std::string_view sub);

/// One place's sub-folder, nothing created. Async-signal-safe: no allocation, no lock.
/// `sub` is NUL-terminated. Errors as above, and ENOENT where the place does not apply.
[[nodiscard]] Result<UniqueFd> open_existing(Place place, const char* sub) noexcept;

/// Why open_for_bind(sub) fails, or its folder takes no files: which folder, what is wrong with it, what to do. Empty
/// where nothing is wrong. It tries again, so ask after a failure.
[[nodiscard]] std::string trouble_of_bind(std::string_view sub);

/// The same of the first folder that open_for_connect(sub) passes over though it is there. Nothing is created.
[[nodiscard]] std::string trouble_of_connect(std::string_view sub);

/// The folders that connecting looks into, separated by ", ": for error sentences.
[[nodiscard]] std::string described_search();

}  // namespace baton::os
