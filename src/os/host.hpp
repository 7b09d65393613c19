// SPDX-License-Identifier: MIT
// baton: os/host.hpp: what this host is called.
#pragma once

#include <string>

namespace baton::os {

/// gethostname(2).
[[nodiscard]] std::string host_name();

}  // namespace baton::os
