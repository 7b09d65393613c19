// SPDX-License-Identifier: MIT
// baton: dispatch/passage.hpp: the fallback: a connection that batond copies to a program that cannot take it.
//
//   connecting --> copying both ways, by splice(2) --end of input of one side--> the other side's output ends;
//       |             |                                                          when both have ended: over
//       +--refused----+--reset of one side--> the other is reset: over
//       v
//   owner.passage_refused(): the visitor goes on to another target
//
// Invariant: until the target is connected no octet of the client has been read. Threads: the one of the event loop.
#pragma once

#include <array>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "dispatch/visitor.hpp"
#include "os/socket.hpp"

namespace baton::dispatch {

class Passage : public std::enable_shared_from_this<Passage> {
 public:
  class Owner {
   public:
    /// No target could be reached.
    virtual void passage_refused(Passage& passage, VisitorPtr visitor, int error) = 0;
    virtual void passage_over(Passage& passage) = 0;

   protected:
    ~Owner() = default;
  };

  /// `first`: octets for the target before the client's: a PROXY header.
  Passage(asio::io_context& loop, VisitorPtr visitor, std::uint64_t target, std::string first, Owner& owner);
  ~Passage();
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

  /// Calls the owner later, never from here. `addresses` in the order in which they are tried.
  void start(std::vector<os::Address> addresses);
  /// Ends it, and tells nobody: for an owner that goes.
  void stop();
  [[nodiscard]] std::uint64_t target() const noexcept { return target_; }
  [[nodiscard]] std::uint64_t octets() const noexcept { return octets_; }

 private:
  /// One way: `from` --pipe--> `to`.
  struct Way {
    FdRef from;
    FdRef to;
    UniqueFd pipe_out;  // to read from
    UniqueFd pipe_in;
    std::size_t in_pipe = 0;
    bool input_ended = false;
    bool over = false;
  };
  enum class Wait : std::uint8_t { Nothing, Input, Output, Broken };

  void connect_next();
  void connected();
  void begin();
  void refused(int error);
  bool begin_copying();
  void run(std::size_t way);
  [[nodiscard]] Wait pump(Way& way);
  void break_off();
  void finish();

  VisitorPtr visitor_;
  UniqueFd server_;
  asio::posix::stream_descriptor watched_client_;  // numbers that these do not own
  asio::posix::stream_descriptor watched_server_;
  asio::steady_timer timer_;
  std::uint64_t target_;
  std::string first_;
  Owner& owner_;
  std::vector<os::Address> addresses_;
  std::size_t next_ = 0;
  int error_ = EHOSTUNREACH;  // why the target before the next could not be reached
  std::array<Way, 2> ways_;
  std::uint64_t octets_ = 0;
  bool done_ = false;
};

}  // namespace baton::dispatch
