// SPDX-License-Identifier: MIT
// baton: cli/iso_listeners.hpp: the listening sockets of one command, a TSEL each.
//
// Threads: one.
#pragma once

#include <poll.h>

#include <expected>
#include <iosfwd>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "cli/iso_connection.hpp"

namespace baton::cli {

class Listeners {
 public:
  /// `address` as BATON_ISO_LISTEN has it, or empty: what the environment says. To be called before the process has
  /// any other socket of the library. Errors: a sentence without its full stop.
  [[nodiscard]] static std::expected<Listeners, std::string> open(const std::vector<tsap::Selector>& called,
                                                                  const std::string& address);

  /// "listening on 127.0.0.1:40213, TSEL 'ECHO'".
  [[nodiscard]] std::string announcement() const;
  /// What to wait for.
  void add_entries(std::vector<pollfd>& entries) const;
  /// When the next attempt is due after one that failed; else never.
  [[nodiscard]] Instant next_attempt() const noexcept { return next_attempt_; }
  /// The connections that are there, at most `most`. Says on `err` why there are none where there should be, and then
  /// waits a second before it tries again.
  [[nodiscard]] std::vector<IsoNumber> accept(std::size_t most, std::ostream& err);

 private:
  std::vector<IsoNumber> numbers_;
  std::vector<tsap::Selector> called_;
  Instant next_attempt_ = never;
};

}  // namespace baton::cli
