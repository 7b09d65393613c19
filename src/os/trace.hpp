// SPDX-License-Identifier: MIT
// baton: os/trace.hpp: what each move did, one JSON object per line, for tests and for the search of errors.
//
// On when BATON_TRACE names a file in the environment: a regular file of this user or root, with one name (made with
// mode 0600), or a character device. Below /dev symbolic links are followed, elsewhere the last part may be none.
// Each line is one write(2) to a descriptor opened for appending, so lines of several processes and threads never mix:
//   {"t":<ns of CLOCK_MONOTONIC>,"pid":1,"link":"<cookie, hex>","move":"<id, hex>","role":"L","event":"...", ...}
// Nothing secret: never user data, never addresses of memory; where a move begins, the client's address. errno is kept.
// A line that cannot be written is lost, so a program that closes all its numbers ends its trace; the line never goes
// to whatever has the number then. Off, it costs one relaxed load and a branch. Programs with raised privileges
// (secure_getenv(3)) never trace. Threads: any; a TraceLine is of one thread. Works in children of fork(2).
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace baton::os {

namespace detail {
enum class TraceState : int { Unknown, Off, On };
extern std::atomic<TraceState> trace_state;
bool start_trace() noexcept;
}  // namespace detail

[[nodiscard]] inline bool trace_enabled() noexcept {
  const detail::TraceState state = detail::trace_state.load(std::memory_order_relaxed);
  if (state == detail::TraceState::Off) [[likely]]
    return false;
  return state == detail::TraceState::On || detail::start_trace();
}

/// One line under construction, written by write() or at the end of its life; does nothing while the trace is off.
/// What does not fit into 1 KiB is left out field by field, and the line says "cut":true.
class TraceLine {
 public:
  /// `role` is 'L' or 'S'; `link` a socket cookie; `move` a move id. 0 where there is none.
  TraceLine(std::uint64_t link, std::uint64_t move, char role, std::string_view event) noexcept {
    if (trace_enabled()) [[unlikely]]
      begin(link, move, role, event);
  }
  TraceLine(const TraceLine&) = delete;
  TraceLine& operator=(const TraceLine&) = delete;
  ~TraceLine() { write(); }

  /// `name` is plain text without quotes. Octets of `value` outside printable ASCII are escaped.
  TraceLine& text(std::string_view name, std::string_view value) noexcept {
    if (size_ != 0) [[unlikely]]
      add_text(name, value);
    return *this;
  }
  template <std::integral T>
  TraceLine& number(std::string_view name, T value) noexcept {
    if (size_ != 0) [[unlikely]]
      add_number(name, value < T{}, static_cast<std::uint64_t>(value));
    return *this;
  }
  /// Once; later calls do nothing.
  void write() noexcept {
    if (size_ != 0) [[unlikely]]
      finish();
  }

 private:
  void begin(std::uint64_t link, std::uint64_t move, char role, std::string_view event) noexcept;
  void add_text(std::string_view name, std::string_view value) noexcept;
  void add_number(std::string_view name, bool negative, std::uint64_t value) noexcept;
  void finish() noexcept;
  bool put(std::string_view text) noexcept;
  bool put_escaped(std::string_view text) noexcept;

  std::size_t size_ = 0;
  bool cut_ = false;
  std::array<char, 1024> buffer_;
};

}  // namespace baton::os
