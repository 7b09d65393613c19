// SPDX-License-Identifier: MIT
#include "os/bell.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "os/like_accepted.hpp"
#include "os/option.hpp"

namespace baton::os {

Result<Address> reached_at(FdRef listening) noexcept {
  const auto local = local_address(listening);
  if (!local) return local;
  sockaddr_storage storage{};
  std::memcpy(&storage, local->data(), local->size());
  auto& four = reinterpret_cast<sockaddr_in&>(storage);
  auto& six = reinterpret_cast<sockaddr_in6&>(storage);
  if (local->family() == AF_INET && four.sin_addr.s_addr == htonl(INADDR_ANY))
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (local->family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr)) {
    // Where IPv6 is switched off there is no ::1, and yet sockets that listen on [::]: for IPv4.
    constexpr in6_addr mapped{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}}};
    six.sin6_addr = shown_family(listening) == AF_INET6 ? mapped : in6addr_loopback;
  }
  return Address{reinterpret_cast<const sockaddr*>(&storage), local->size()};
}

Result<Bell> Bell::ring(const Address& to) noexcept {
  UniqueFd socket{adopt, ::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.valid()) return failure();
  set_linger_time(socket.ref(), 0);  // reset: neither end waits in TIME-WAIT
  if (::connect(socket.get(), to.data(), to.size()) != 0 && errno != EINPROGRESS) return failure();
  const auto own = local_address(socket.ref());
  if (!own) return std::unexpected{own.error()};
  Bell bell{std::move(socket), *own};
  if (bell.look() == Heard::NobodyListens) return failure(ECONNREFUSED);
  return bell;
}

short Bell::events() const noexcept { return rung_ ? POLLIN : POLLIN | POLLOUT; }

Bell::Heard Bell::look() noexcept {
  const char octet = 0;
  if (!rung_) {
    rung_ = ::send(socket_.get(), &octet, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
    if (!rung_ && errno == ECONNREFUSED) return Heard::NobodyListens;
  }
  pollfd entry{socket_.get(), POLLIN, 0};
  if (::poll(&entry, 1, 0) <= 0) return Heard::NotYet;
  return int_option({SOL_SOCKET, SO_ERROR}, socket_.ref()) == ECONNREFUSED ? Heard::NobodyListens : Heard::ByAnother;
}

}  // namespace baton::os
