// SPDX-License-Identifier: MIT
// baton: os/bell.hpp: makes another process's listening TCP socket readable, by a connection that asks for nothing.
//
// Whoever accepts in that process's place knows it by its address. Nothing waits. Threads: distinct objects are
// independent.
#pragma once

#include <utility>

#include "base/unique_fd.hpp"
#include "os/result.hpp"
#include "os/socket.hpp"

namespace baton::os {

/// Where this host reaches a listening socket, as a socket of its family names it.
[[nodiscard]] Result<Address> reached_at(FdRef listening) noexcept;

class Bell {
 public:
  /// Connects, to reached_at(). ECONNREFUSED: nobody listens there. Others: socket(2), connect(2).
  [[nodiscard]] static Result<Bell> ring(const Address& to) noexcept;

  /// As the listening socket's accept shows its peer.
  [[nodiscard]] const Address& address() const noexcept { return address_; }
  [[nodiscard]] FdRef descriptor() const noexcept { return socket_.ref(); }
  /// For poll(2): then look() has something to do.
  [[nodiscard]] short events() const noexcept;

  enum class Heard {
    NotYet,
    NobodyListens,
    ByAnother,  // who has sent something or ended it; or the network has
  };
  [[nodiscard]] Heard look() noexcept;

 private:
  Bell(UniqueFd socket, const Address& address) noexcept : socket_{std::move(socket)}, address_{address} {}
  UniqueFd socket_;
  Address address_;
  bool rung_ = false;  // its octet is on the way: some sockets show only connections with one (TCP_DEFER_ACCEPT)
};

}  // namespace baton::os
