// SPDX-License-Identifier: MIT
// baton: cli/iso_streams.hpp: what the verbs of `baton iso` share: standard input, a way to be stopped, progress.
//
// Threads: one.
#pragma once

#include <poll.h>
#include <signal.h>

#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "cli/iso_connection.hpp"
#include "cli/iso_form.hpp"

namespace baton::cli {

/// Octets that may wait to be sent before no more input is read.
inline constexpr std::size_t most_queued = 256 * 1024;

/// The standard input, read when poll(2) says that there is something.
class Input {
 public:
  Input(FdRef descriptor, Form form) : descriptor_{descriptor}, cutter_{form} {}
  [[nodiscard]] bool open() const noexcept { return open_; }
  [[nodiscard]] int number() const noexcept { return descriptor_.get(); }
  /// One read, which waits where nothing is there. At the end of input, and where it cannot be read, open() is false.
  [[nodiscard]] Cut read();

 private:
  FdRef descriptor_;
  TsduCutter cutter_;
  std::vector<char> room_;
  bool open_ = true;
};

/// As long as it lives, SIGINT and SIGTERM end the library's waits instead of the process. At most one at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  /// One has come.
  [[nodiscard]] bool stopped() const noexcept;

 private:
  struct sigaction interrupt_ = {};
  struct sigaction terminate_ = {};
};

/// "sent 10485760 octets, 1 TSDU, 9.9 MB/s; received ...": MB are 10^6 octets.
[[nodiscard]] std::string progress_text(const Traffic& traffic, Duration elapsed);

/// A line on standard error about how far it is, rewritten in place on a terminal.
class Progress {
 public:
  enum class To { Nobody, Terminal, File };
  Progress(To to, std::ostream& err, Instant now) : to_{to}, err_{err}, began_{now}, next_{now + interval()} {}
  /// When the next line is due; never for Nobody.
  [[nodiscard]] Instant next() const noexcept { return to_ == To::Nobody ? never : next_; }
  /// Writes a line if one is due.
  void show(const Traffic& traffic, Instant now);
  /// Writes the last line.
  void finish(const Traffic& traffic, Instant now);

 private:
  [[nodiscard]] Duration interval() const noexcept;

  To to_;
  std::ostream& err_;
  Instant began_;
  Instant next_;
};

/// soc_poll_ms until `deadline`. No entry has events where a signal or soc_wake ended the wait.
void wait_for(std::span<pollfd> entries, Instant deadline);
/// For soc_poll_ms: -1 for never, rounded up, so that a deadline has passed when the wait for it ends.
[[nodiscard]] int milliseconds_until(Instant deadline, Instant now) noexcept;

}  // namespace baton::cli
