// SPDX-License-Identifier: MIT
#include "cli/iso_streams.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <ostream>
#include <stdexcept>

#include "baton/soc.h"
#include "os/process.hpp"

namespace baton::cli {
namespace {

volatile sig_atomic_t stop_requested = 0;

void request_stop(int) {
  stop_requested = 1;
  const pid_t self = ::getpid();
  soc_wake(&self);
}

std::string direction(const char* verb, std::uint64_t octets, std::uint64_t tsdus, Duration elapsed) {
  // Octets per microsecond are MB per second.
  const double microseconds = std::max(1.0, static_cast<double>(elapsed.count()) / 1000.0);
  const auto tenths = static_cast<std::uint64_t>(static_cast<double>(octets) * 10.0 / microseconds + 0.5);
  return std::string{verb} + " " + std::to_string(octets) + (octets == 1 ? " octet, " : " octets, ") +
         std::to_string(tsdus) + (tsdus == 1 ? " TSDU, " : " TSDUs, ") + std::to_string(tenths / 10) + "." +
         std::to_string(tenths % 10) + " MB/s";
}

}  // namespace

Cut Input::read() {
  constexpr std::size_t most = 65536;  // which is also the largest TSDU that raw input makes
  room_.resize(most);
  const ssize_t size = ::read(descriptor_.get(), room_.data(), room_.size());
  if (size > 0) return cutter_.feed({room_.data(), static_cast<std::size_t>(size)});
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  open_ = false;
  Cut cut = cutter_.finish();
  if (size < 0) cut.problems.emplace_back("standard input cannot be read: " + std::string{std::strerror(errno)});
  return cut;
}

StopSignals::StopSignals() {
  stop_requested = 0;
  struct sigaction action = {};
  action.sa_handler = request_stop;
  ::sigaction(SIGINT, &action, &interrupt_);
  ::sigaction(SIGTERM, &action, &terminate_);
}
StopSignals::~StopSignals() {
  ::sigaction(SIGINT, &interrupt_, nullptr);
  ::sigaction(SIGTERM, &terminate_, nullptr);
}
bool StopSignals::stopped() const noexcept { return stop_requested != 0; }

std::string progress_text(const Traffic& traffic, Duration elapsed) {
  return direction("sent", traffic.octets_sent, traffic.tsdus_sent, elapsed) + "; " +
         direction("received", traffic.octets_received, traffic.tsdus_received, elapsed);
}

Duration Progress::interval() const noexcept { return std::chrono::milliseconds{to_ == To::Terminal ? 200 : 1000}; }

void Progress::show(const Traffic& traffic, Instant now) {
  if (now < next()) return;
  next_ = now + interval();
  // On a terminal: over the line before, whose end may be longer.
  err_ << (to_ == To::Terminal ? "\r\x1b[K" : "") << progress_text(traffic, now - began_)
       << (to_ == To::Terminal ? "" : "\n") << std::flush;
}

void Progress::finish(const Traffic& traffic, Instant now) {
  if (to_ == To::Nobody) return;
  next_ = now;
  show(traffic, now);
  if (to_ == To::Terminal) err_ << '\n';
}

void wait_for(std::span<pollfd> entries, Instant deadline) {
  const int timeout = milliseconds_until(deadline, os::monotonic_now());
  if (soc_poll_ms(entries.data(), entries.size(), timeout) >= 0) return;
  if (errno != EINTR) throw std::runtime_error{std::string{"waiting failed: "} + soc_error_text()};
  for (pollfd& entry : entries) entry.revents = 0;
}

int milliseconds_until(Instant deadline, Instant now) noexcept {
  if (deadline == never) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::max(Duration{}, deadline - now));
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  return static_cast<int>(std::min<std::int64_t>(left.count(), most));
}

}  // namespace baton::cli
