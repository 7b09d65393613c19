// SPDX-License-Identifier: MIT
// baton: restart/clients.hpp: the clients of a server that is replaced: what they send, and whether what comes is
// right.
//
// Each waits for its answers before it asks again, and knows every octet of them. Of each kind there are many: those
// that send a request in two pieces, several at once, a large one whose answer they read slowly; those that connect
// anew for each; idle ones, which ask when told to; and rude ones, which reset their connection in the middle. Threads:
// one, which calls turn() again and again.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"

namespace baton::restart {

using Clock = std::chrono::steady_clock;

enum class Protocol { Echo, Http };
enum class Kind { Single, Pieces, Several, Large, Visitor, Idle, Rude };

struct Question {
  std::string request;
  std::string answer;  // of HTTP: the body
  Clock::time_point asked;
};

/// What happened to all of them.
struct Tally {
  std::uint64_t answers = 0;
  std::uint64_t resets = 0;  // by rude ones
  std::uint64_t connections = 0;
  std::string failure;  // the first one; empty: none
  /// Of the answers that were under way at some time in the window, begin .. end of a restart; large ones do not count.
  Clock::time_point window_begin = Clock::time_point::max();
  Clock::time_point window_end = Clock::time_point::min();
  Clock::duration longest_in_window{};
  Clock::duration longest_outside{};
  Clock::time_point last_answer{};
  Clock::duration longest_silence{};  // between two answers to any client, in the window
  int process = 0;                    // that has to have answered what is asked now; 0: not checked
  Clock::time_point process_since{};
  bool stop = false;  // nothing more is asked
};

class Client {
 public:
  Client(Protocol protocol, Kind kind, std::uint32_t number, std::uint16_t port, int epoll, Tally& tally);

  /// An idle one asks once.
  void ask();
  void on_ready(std::uint32_t events);
  /// Called some hundred times a second.
  void on_time(Clock::time_point now);
  /// For an answer. A rude one does not.
  [[nodiscard]] bool waits() const noexcept { return kind_ != Kind::Rude && !questions_.empty(); }
  [[nodiscard]] Clock::time_point waits_since() const noexcept { return questions_.front().asked; }
  [[nodiscard]] std::string describe() const;
  void close() { socket_.reset(); }

 private:
  void connect();
  void begin();
  [[nodiscard]] Question question();
  void write();
  void read();
  /// Takes whole answers off received_. False: it has failed.
  bool check();
  bool check_http(const Question& question, std::size_t& size);
  void answered(Clock::time_point now);
  void ended(int error);
  void fail(const std::string& what);
  void watch(bool writing);
  [[nodiscard]] std::uint64_t random() noexcept;
  [[nodiscard]] std::string octets(std::size_t size);

  const Protocol protocol_;
  const Kind kind_;
  const std::uint32_t number_;
  const std::uint16_t port_;
  const int epoll_;
  Tally& tally_;
  UniqueFd socket_;
  std::uint64_t random_;
  std::uint64_t asked_ = 0;
  std::deque<Question> questions_;
  std::string sending_;
  std::size_t held_back_ = 0;  // octets at the end of sending_ for which it is not time yet
  std::string received_;
  bool closes_ = false;  // the server is to close behind its answer
  bool writing_ = false;
  Clock::time_point due_ = Clock::time_point::max();
};

}  // namespace baton::restart
