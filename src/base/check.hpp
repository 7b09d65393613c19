// SPDX-License-Identifier: MIT
// baton: base/check.hpp: a broken invariant ends the process, in release builds too. Nothing else does.
#pragma once

#include <cstdlib>

/// For what can only be false through a defect of baton itself; never for input.
#define BATON_CHECK(condition)     \
  do {                             \
    if (!(condition)) [[unlikely]] \
      ::std::abort();              \
  } while (false)
