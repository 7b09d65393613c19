// SPDX-License-Identifier: MIT
// baton: link/admission.hpp: which users may be at the other end of a link.
//
// The process's own effective user, root, and the users that BATON_ALLOW_UIDS lists: numbers, or names of /etc/passwd,
// separated by commas, with or without blanks; what is no user admits nobody (unknown_users). A process of root is no
// exception: it admits root and the list.
// The variable is read at each call, and not at all in a set-id program. Threads: free, except against setenv(3).
#pragma once

#include <sys/types.h>

#include <string>

namespace baton::link {

/// Whether a peer of this user (SO_PEERCRED) may have a link with us.
[[nodiscard]] bool admitted(uid_t uid) noexcept;

/// The mode of a listening socket in the runtime folder: 0666 when BATON_ALLOW_UIDS lists anybody, else 0600.
[[nodiscard]] mode_t listening_mode() noexcept;

/// The entries of BATON_ALLOW_UIDS that are no users, as "'nobdy', '1x'"; empty where there is none. For messages.
[[nodiscard]] std::string unknown_users();

}  // namespace baton::link
