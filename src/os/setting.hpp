// SPDX-License-Identifier: MIT
// baton: os/setting.hpp: the environment variables that are settings of baton.
//
// They are read at each use, so that a program may set them as it goes. A process whose program empties its environment
// (nginx does) keeps them first: what was kept counts from then on.
// Threads: setting() any; keep_settings() once, before there are other threads.
#pragma once

namespace baton::os {

/// The value, nullptr where there is none. In a set-id program there is none at all (secure_getenv(3)).
/// Async-signal-safe.
[[nodiscard]] const char* setting(const char* name) noexcept;

/// Copies XDG_RUNTIME_DIR and all variables whose names begin with BATON_.
void keep_settings();

}  // namespace baton::os
