// SPDX-License-Identifier: MIT
// baton: os/user_names.hpp: the number of a user, as /etc/passwd has it.
//
// The file itself is read, not getpwnam(3): that loads the modules of nsswitch.conf, which may ask the network, leave
// descriptors and threads behind, and cannot be loaded where a program is static. What only such a module knows, say a
// directory service, has no name here. Threads: any.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>

namespace baton::os {

/// The user of that name in the text of a passwd(5) file; nothing where there is none, or its number is none.
[[nodiscard]] std::optional<uid_t> user_named(std::string_view name, std::string_view passwd) noexcept;

/// The same of /etc/passwd as it is now.
[[nodiscard]] std::optional<uid_t> user_named(std::string_view name);

}  // namespace baton::os
