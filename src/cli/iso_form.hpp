// SPDX-License-Identifier: MIT
// baton: cli/iso_form.hpp: TSDUs as lines of text, as lines of hexadecimal octets, or as they are.
//
//   Text  a line is a TSDU without its newline
//   Hex   a line is a TSDU, two digits an octet, blanks anywhere between octets
//   Raw   what is read at once is a TSDU; TSDUs are written one after another
//   One   the whole input is a TSDU; TSDUs are written one after another
// Threads: distinct objects are independent.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace baton::cli {

enum class Form { Text, Hex, Raw, One };

/// What became of a piece of input.
struct Cut {
  std::vector<std::string> tsdus;
  std::vector<std::string> problems;  ///< lines left out: a sentence each, without its full stop
};

/// Octets of the input -> TSDUs. Holds what has no end yet, however much that is.
class TsduCutter {
 public:
  explicit TsduCutter(Form form) : form_{form} {}
  [[nodiscard]] Cut feed(std::string_view octets);
  /// End of the input: what is left is a TSDU, if there is anything.
  [[nodiscard]] Cut finish();

 private:
  void line(std::string text, Cut& cut);

  Form form_;
  std::string held_;
  std::uint64_t lines_ = 0;
};

/// Parts of TSDUs -> what to print of them.
class TsduPrinter {
 public:
  /// `to_terminal`: text shows control characters as \xHH, so that no peer steers the terminal.
  TsduPrinter(Form form, bool to_terminal) : form_{form}, to_terminal_{to_terminal} {}
  /// The next part of a TSDU, and whether it is the last. Text to write at once.
  [[nodiscard]] std::string part(std::string_view octets, bool end);
  /// Part of a line has been printed, and its end has not.
  [[nodiscard]] bool in_line() const noexcept { return in_line_; }

 private:
  Form form_;
  bool to_terminal_;
  bool in_line_ = false;
};

/// Hexadecimal octets with blanks between them -> octets. The error is a sentence without its full stop.
[[nodiscard]] std::expected<std::string, std::string> octets_of_hex(std::string_view line);
/// Two lower-case digits an octet, a blank between octets.
[[nodiscard]] std::string hex_of_octets(std::string_view octets);

}  // namespace baton::cli
