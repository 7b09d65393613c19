// SPDX-License-Identifier: MIT
// baton: os/result.hpp: what a system call gives: a value, or the errno it failed with.
//
// EINTR is an outcome like any other: it goes to the caller, who honours signals.
#pragma once

#include <cerrno>
#include <expected>

namespace baton::os {

/// A number of errno(3). A type of its own, so that it mixes with nothing.
enum class Errno : int {};

template <class T>
using Result = std::expected<T, Errno>;

[[nodiscard]] constexpr int number(Errno error) noexcept { return static_cast<int>(error); }

/// Descriptors or memory are short: what could not be had now can be had later.
[[nodiscard]] constexpr bool lacks_room(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/// errno as it stands.
[[nodiscard]] inline Errno last_error() noexcept { return Errno{errno}; }

/// The failure that errno names.
[[nodiscard]] inline std::unexpected<Errno> failure() noexcept { return std::unexpected{last_error()}; }
/// The failure that `error`, a number of errno(3), names.
[[nodiscard]] constexpr std::unexpected<Errno> failure(int error) noexcept { return std::unexpected{Errno{error}}; }

}  // namespace baton::os
