// SPDX-License-Identifier: MIT
// baton: preload/settings.hpp: what `baton serve` has said to the library in the environment.
//
//   BATON_SERVE_TSAP     the TSEL of the pool, in hexadecimal digits; without it the library does nothing
//   BATON_SERVE_LISTEN   ADDRESS:PORT,...  which listening sockets get connections; without it all of TCP
//   BATON_SERVE_CREDIT   how many connections may wait for one process
//   BATON_SERVE_VEILED   cookies of listening sockets that only seem to block (listeners.hpp), from the program that
//                        this one was executed in place of, in decimal digits
//   BATON_SERVE_INHERIT  1: children that execute programs have the library there, too
// Threads: read once by the constructor, constant from then on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "os/socket.hpp"
#include "tsap/listening.hpp"
#include "tsap/selector.hpp"

namespace baton::preload {

inline constexpr int default_credit = 16;
inline constexpr int max_credit = 4096;
inline constexpr std::string_view veiled_variable = "BATON_SERVE_VEILED";

struct Settings {
  tsap::Selector pool;  // empty: the library does nothing
  std::vector<tsap::ListeningAddress> listening;
  int credit = default_credit;
  std::vector<std::uint64_t> veiled;

  /// Whether a listening socket that is bound to `local` is meant.
  [[nodiscard]] bool mean(const os::Address& local) const;
};

/// Takes the variables, and this library out of LD_PRELOAD, from the environment, unless children shall inherit them.
[[nodiscard]] Settings take_settings();

/// What take_settings() took, each as NAME=VALUE.
struct Taken {
  std::string preload;              // with this library alone
  std::vector<std::string> others;  // but the veiled
};
/// For a program that takes this one's place in its process. nullptr: nothing was taken, or this is a child.
/// Signal handlers and children of vfork(2) may ask.
[[nodiscard]] const Taken* taken_here() noexcept;

}  // namespace baton::preload
