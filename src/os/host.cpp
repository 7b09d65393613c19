// SPDX-License-Identifier: MIT
#include "os/host.hpp"

#include <limits.h>
#include <unistd.h>

#include <array>

namespace baton::os {

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

}  // namespace baton::os
