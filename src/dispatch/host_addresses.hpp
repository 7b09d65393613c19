// SPDX-License-Identifier: MIT
// baton: dispatch/host_addresses.hpp: where a host is, by address or by name, and when its name is looked up again.
//
//   look_up() --> waits, 1 s after the last time --> asked --found--> all() is the answer; changed() where it is new
//                   ^                                  |
//                   '--1 s, twice as long each time----' not found: all() stays as it is
//
// An address in text is one at once, and is never asked for. Threads: the one of the event loop.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "dispatch/host_lookup.hpp"
#include "os/socket.hpp"

namespace baton::dispatch {

class HostAddresses {
 public:
  /// A name is looked up from now on. `user`: whom the log says it is for. `changed` may be called by await(), too.
  HostAddresses(asio::io_context& loop, std::string host, std::uint16_t port, std::string user,
                std::function<void()> changed);
  /// One that has no name: a socket of this host.
  HostAddresses(asio::io_context& loop, const os::Address& address);
  ~HostAddresses();
  HostAddresses(const HostAddresses&) = delete;
  HostAddresses& operator=(const HostAddresses&) = delete;

  /// In the order in which they are to be tried. None: the name has not been found yet.
  [[nodiscard]] const std::vector<os::Address>& all() const noexcept { return addresses_; }
  /// It may be elsewhere now.
  void look_up();
  /// The same without a wait.
  void look_up_now();
  /// What another has found, until it is found anew.
  void know(const std::vector<os::Address>& addresses) { addresses_ = addresses; }
  /// Waits for the answer, and runs no event loop meanwhile. `until`: CLOCK_MONOTONIC.
  void await(Instant until);

 private:
  using Clock = std::chrono::steady_clock;

  void ask();
  void take_answer();
  void found(std::vector<os::Address> addresses);
  void not_found(int error);

  const std::string host_;
  const std::uint16_t port_ = 0;
  const std::string user_;
  const std::function<void()> changed_;
  std::vector<os::Address> addresses_;
  std::optional<HostLookup> lookup_;
  asio::posix::stream_descriptor watched_;  // the lookup's number, which it does not own
  asio::steady_timer timer_;
  std::chrono::milliseconds pause_;
  Clock::time_point earliest_{};
  bool has_name_ = false;
  bool waiting_ = false;  // for its time
  bool again_ = false;    // asked for while it was being looked up
  bool missed_ = false;   // and the log has said so
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::dispatch
