// SPDX-License-Identifier: MIT
// baton: preload/export.hpp: what every call of libc that this library exports begins with.
#pragma once

/// The names that programs find here instead of in libc.
#define BATON_EXPORT __attribute__((visibility("default")))

namespace baton::preload {

/// Whether there is a pool to take connections from. False before the constructor and without BATON_SERVE_TSAP.
[[nodiscard]] bool active() noexcept;

}  // namespace baton::preload
