// SPDX-License-Identifier: MIT
// baton: cli/terminal.hpp: the terminal of a program that draws: key by key, a screen of its own, and all as it was
// afterwards.
//
// Invariant: whenever the process stops or ends, but by SIGKILL, the terminal is as it was before.
// Threads: one, at most one FullScreen at a time.
#pragma once

#include <signal.h>
#include <termios.h>

#include <cstddef>
#include <iosfwd>
#include <optional>

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::cli {

struct ScreenSize {
  std::size_t rows = 24;
  std::size_t columns = 80;
  friend bool operator==(const ScreenSize&, const ScreenSize&) = default;
};

/// Of the terminal that standard output is; nothing: it is none.
[[nodiscard]] std::optional<ScreenSize> screen_size() noexcept;

class FullScreen {
 public:
  /// `out` is standard output, a terminal as standard input is. Errors: ENOTTY; those of tcsetattr(3), signalfd(2).
  [[nodiscard]] static os::Result<FullScreen> open(std::ostream& out);
  FullScreen(FullScreen&& other) noexcept;
  FullScreen& operator=(FullScreen&&) = delete;
  ~FullScreen();

  enum class Event { Time, Quit, Redraw };
  /// Until `deadline`. Quit: the key q, SIGINT, SIGTERM, SIGHUP, the end of standard input. Redraw: the size has
  /// changed, or the process goes on after Ctrl-Z.
  [[nodiscard]] Event wait(Instant deadline);

 private:
  FullScreen(std::ostream& out, const termios& before, UniqueFd signals, const sigset_t& mask)
      : out_{&out}, before_{before}, signals_{std::move(signals)}, mask_{mask} {}
  void enter();
  void leave() noexcept;
  void stop_for_a_while();

  std::ostream* out_;
  termios before_;
  UniqueFd signals_;
  sigset_t mask_;
};

}  // namespace baton::cli
