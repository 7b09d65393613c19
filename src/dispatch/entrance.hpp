// SPDX-License-Identifier: MIT
// baton: dispatch/entrance.hpp: one listening TCP socket: accepts, and looks at the first octets without reading them.
//
//   accepted --> looked at --facts--> owner.arrived()
//                  |    ^
//      NeedMore:   v    | that many octets are there (SO_RCVLOWAT), no more will come, or the time is up
//                 waiting --gone, or too many wait--> closed
//
// A PROXY header is the one thing that is read: it is none of the client's octets.
// Invariant: SO_RCVLOWAT is 1 again, and no epoll set holds it, when a visitor leaves. What waits is bounded (Limits).
// Full descriptor table: accepting pauses for a moment; nothing is lost that the kernel queues.
// Threads: the one of the event loop.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.hpp"
#include "dispatch/accept_pause.hpp"
#include "dispatch/undecided.hpp"
#include "dispatch/visitor.hpp"
#include "os/result.hpp"
#include "os/socket.hpp"
#include "recognise/recognise.hpp"
#include "routing/configuration.hpp"

namespace baton::dispatch {

struct EntranceCounters {
  std::uint64_t accepted = 0;
  std::uint64_t gone = 0;       // the client closed or reset before it had said enough
  std::uint64_t too_many = 0;   // closed for Limits
  std::uint64_t unwelcome = 0;  // closed, for it has to send a PROXY header and may not
  std::uint64_t late = 0;       // decided by the time
};

class Entrance {
 public:
  class Owner {
   public:
    virtual void arrived(VisitorPtr visitor) = 0;
    /// accept(2) failed for want of descriptors or memory; it is tried again.
    virtual void cannot_accept(const Entrance& entrance, int error) = 0;

   protected:
    ~Owner() = default;
  };
  /// What is asked of the connections; replaced as a whole when the configuration changes.
  struct Manner {
    routing::Listener settings{};
    recognise::Questions questions{};
    bool routes_silence = false;
  };

  /// `listener`: non-blocking; none: it comes with listen_on(), or never. Errors: epoll_create1(2).
  [[nodiscard]] static os::Result<std::unique_ptr<Entrance>> open(asio::io_context& loop, UniqueFd listener,
                                                                  Manner manner, Undecided& undecided, Owner& owner);
  ~Entrance();
  Entrance(const Entrance&) = delete;
  Entrance& operator=(const Entrance&) = delete;

  void set_manner(Manner manner) { manner_ = std::move(manner); }
  /// The listening socket, where there is none yet.
  void listen_on(UniqueFd listener);
  /// Accepts no more, and closes the listening socket; who waits is waited for.
  void stop();
  /// Accepts nobody until go_on(); the kernel queues.
  void hold_back();
  void go_on();
  /// Those who wait, who are no longer this entrance's.
  [[nodiscard]] std::vector<VisitorPtr> take_waiting();
  /// One that another entrance has accepted: is looked at again, with the time that is left to it.
  void resume(VisitorPtr visitor);

  [[nodiscard]] FdRef listener() const noexcept { return listener_.ref(); }

  /// Of the listening socket.
  [[nodiscard]] const os::Address& address() const noexcept { return address_; }
  [[nodiscard]] const Manner& manner() const noexcept { return manner_; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }
  [[nodiscard]] bool accepts() const noexcept { return listener_.valid(); }
  [[nodiscard]] const EntranceCounters& counters() const noexcept { return counters_; }

 private:
  using Key = std::uint64_t;
  struct Waiting {
    VisitorPtr visitor;
    Clock::time_point until{};  // as it stands in deadlines_
    std::size_t low_mark = 1;
    bool may_be_silent = false;  // Listener::silence has not passed
  };
  enum class Step : std::uint8_t { Left, Stays };

  Entrance(asio::io_context& loop, UniqueFd listener, UniqueFd set, Manner manner, Undecided& undecided, Owner& owner);
  void watch_listener();
  void watch_waiting();
  void accept_all();
  void pause(int error);
  void begin(UniqueFd connection, const os::Address& peer);
  void place(Waiting waiting);
  [[nodiscard]] Step look(Waiting& waiting);
  void decide(Waiting& waiting, recognise::Facts facts);
  [[nodiscard]] os::Result<Bytes> peek(const Visitor& visitor);
  [[nodiscard]] const recognise::Questions& questions_for(const Visitor& visitor);
  void look_at_ready();
  void look_again(Key key);
  void forget(Key key);
  void set_deadline(Key key, Waiting& waiting, Clock::time_point until);
  void arm();
  void time_is_up(Key key);

  UniqueFd listener_;
  UniqueFd set_;  // epoll: those who wait
  os::Address address_;
  asio::posix::stream_descriptor watched_listener_;  // numbers that these do not own
  asio::posix::stream_descriptor watched_set_;
  AcceptPause pause_;
  asio::steady_timer timer_;
  Manner manner_;
  Undecided& undecided_;
  Owner& owner_;
  Key last_key_ = 0;
  std::unordered_map<Key, Waiting> waiting_;
  std::multimap<Clock::time_point, Key> deadlines_;
  std::vector<std::byte> octets_;  // what is looked at, one connection at a time
  std::uint64_t turn_ = 0;         // of accepting: what the loop still holds of one before counts no more
  EntranceCounters counters_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what the loop still holds
};

}  // namespace baton::dispatch
