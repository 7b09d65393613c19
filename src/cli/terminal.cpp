// SPDX-License-Identifier: MIT
#include "cli/terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <ostream>
#include <utility>

#include "os/process.hpp"
#include "os/wait.hpp"

namespace baton::cli {
namespace {

constexpr std::array signals{SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP};

}  // namespace

std::optional<ScreenSize> screen_size() noexcept {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return std::nullopt;
  // 0: nobody has told the terminal how large it is.
  return ScreenSize{.rows = size.ws_row == 0 ? ScreenSize{}.rows : size.ws_row,
                    .columns = size.ws_col == 0 ? ScreenSize{}.columns : size.ws_col};
}

os::Result<FullScreen> FullScreen::open(std::ostream& out) {
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0) return os::failure();
  if (!screen_size()) return os::failure(ENOTTY);
  sigset_t taken;
  sigset_t mask;
  ::sigemptyset(&taken);
  for (const int each : signals) ::sigaddset(&taken, each);
  UniqueFd descriptor{adopt, ::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!descriptor.valid()) return os::failure();
  ::sigprocmask(SIG_BLOCK, &taken, &mask);
  FullScreen screen{out, before, std::move(descriptor), mask};
  screen.enter();
  return screen;
}

FullScreen::FullScreen(FullScreen&& other) noexcept
    : out_{std::exchange(other.out_, nullptr)},
      before_{other.before_},
      signals_{std::move(other.signals_)},
      mask_{other.mask_} {}

FullScreen::~FullScreen() {
  if (out_ == nullptr) return;
  leave();
  ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
}

void FullScreen::enter() {
  termios keys = before_;
  keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  keys.c_cc[VMIN] = 1;
  keys.c_cc[VTIME] = 0;
  (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
  *out_ << "\x1b[?1049h\x1b[?25l" << std::flush;  // xterm's alternate screen; no cursor
}

void FullScreen::leave() noexcept {
  *out_ << "\x1b[?25h\x1b[?1049l" << std::flush;
  (void)::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void FullScreen::stop_for_a_while() {
  leave();
  ::raise(SIGSTOP);
  enter();
}

FullScreen::Event FullScreen::wait(Instant deadline) {
  std::array<pollfd, 2> entries{
      {{.fd = signals_.get(), .events = POLLIN, .revents = 0}, {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0}}};
  for (;;) {
    const auto ready = os::poll_until(entries, deadline);
    if (ready && *ready == 0) return Event::Time;
    signalfd_siginfo signal{};
    if (entries[0].revents != 0 && ::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
      if (signal.ssi_signo == SIGTSTP) stop_for_a_while();
      return signal.ssi_signo == SIGTSTP || signal.ssi_signo == SIGWINCH ? Event::Redraw : Event::Quit;
    }
    char key = 0;
    if (entries[1].revents != 0 && (::read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q')) return Event::Quit;
  }
}

}  // namespace baton::cli
