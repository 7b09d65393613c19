// SPDX-License-Identifier: MIT
// baton: cli/program.hpp: the program `baton` as a process of its own, with pipes for its standard streams.
//
// Nothing waits for ever: after `patience` a wait ends with an exception, which fails the test, and the process is
// killed when its Program goes. Threads: one.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "base/unique_fd.hpp"

namespace baton::cli_tests {

/// Far more than anything takes: it only ends what hangs.
inline constexpr Duration patience = std::chrono::seconds{60};

class Program {
 public:
  /// `words` without the program's name.
  explicit Program(std::vector<std::string> words);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Into its standard input, all of it, while its output is taken in.
  void write(std::string_view octets);
  void close_input() { input_.reset(); }
  /// The next line of standard output or error, without its newline. Throws where the stream ends before it.
  [[nodiscard]] std::string line() { return next_line(output_); }
  [[nodiscard]] std::string error_line() { return next_line(error_); }
  /// Waits until so much standard output has come that no line has taken.
  void await_output(std::size_t octets);
  void signal(int number) const;
  /// Reads both streams to their end and reaps it: its exit status, or -1 if a signal ended it.
  [[nodiscard]] int finish();
  /// After finish(): what no line has taken.
  [[nodiscard]] const std::string& output() const { return output_.text; }
  [[nodiscard]] const std::string& error() const { return error_.text; }

 private:
  struct Stream {
    UniqueFd descriptor;
    std::string text;
  };
  std::string next_line(Stream& stream);
  /// Waits until something can be read, or written if `writing`, and reads it.
  void turn(bool writing);
  static void take_in(Stream& stream);

  pid_t pid_ = -1;
  UniqueFd input_;
  Stream output_;
  Stream error_;
  Instant deadline_{};
};

/// What a program that has ended left.
struct Outcome {
  int status = -1;
  std::string output;
  std::string error;
};
/// Runs it to its end with this input.
[[nodiscard]] Outcome run(std::vector<std::string> words, std::string_view input = {});

/// "127.0.0.1:40213" of a line in which a listener says where it listens.
[[nodiscard]] std::string address_in(std::string_view line);

}  // namespace baton::cli_tests
