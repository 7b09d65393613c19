// SPDX-License-Identifier: MIT
// baton: baton/error.hpp: why a call did not succeed: an errno value, and a sentence with what to do.
//
// Every call of the C++ API that can fail gives a std::expected; none throws. What cannot be allocated ends the program
// (std::terminate), as in every noexcept function.
// Threads: values.
#ifndef BATON_ERROR_HPP
#define BATON_ERROR_HPP

#include <baton/soc.h>

#include <cerrno>
#include <expected>
#include <string>
#include <system_error>
#include <utility>

namespace baton {

class Error {
 public:
  /// `number`: a value of errno(3). `text`: one sentence; without one the system's own words stand for it.
  explicit Error(int number, std::string text = {}) noexcept : number_{number}, text_{std::move(text)} {}
  /// Of this thread's last failed soc_* call. One that only had nothing to give yet brings no text of its own: it is
  /// the answer that event loops get most of the time.
  [[nodiscard]] static Error last() noexcept {
    const int number = errno;
    return Error{number, number == EWOULDBLOCK ? "" : ::soc_error_text()};
  }

  /// The errno value. EWOULDBLOCK: nothing to be had now, and the deadline was Deadline::now(). ETIMEDOUT: the deadline
  /// has passed. ECONNRESET: the partner has gone. Others as the call says.
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] std::error_code code() const noexcept { return {number_, std::generic_category()}; }
  /// What was wrong and what to do, in a sentence.
  [[nodiscard]] std::string text() const noexcept {
    if (!text_.empty()) return text_;
    if (would_block()) return "nothing to be had now, no room, or no credit: wait until the descriptor is ready";
    return code().message();
  }

  [[nodiscard]] bool would_block() const noexcept { return number_ == EWOULDBLOCK; }
  [[nodiscard]] bool timed_out() const noexcept { return number_ == ETIMEDOUT; }
  /// The partner of the link, or of the connection, has closed it or died.
  [[nodiscard]] bool ended() const noexcept { return number_ == ECONNRESET || number_ == EPIPE; }

  /// The same errno value.
  [[nodiscard]] friend bool operator==(const Error& a, const Error& b) noexcept { return a.number_ == b.number_; }
  [[nodiscard]] friend bool operator==(const Error& error, std::errc code) noexcept {
    return error.number_ == static_cast<int>(code);
  }

 private:
  int number_;
  std::string text_;
};

}  // namespace baton
#endif
