// SPDX-License-Identifier: MIT
// baton: baton/listener.hpp: a listening socket, TCP or AF_ISO, that accepts connections.
//
// Invariant: a Listener owns its descriptor and closes it when it goes.
// For event loops: native_handle() is readable when accept(Deadline::now()) may have something to give.
// Threads: any number may accept at one Listener.
#ifndef BATON_LISTENER_HPP
#define BATON_LISTENER_HPP

#include <baton/address.hpp>
#include <baton/connection.hpp>
#include <baton/deadline.hpp>
#include <baton/detail.hpp>
#include <baton/error.hpp>

#include <utility>

namespace baton {

/// AF_ISO: when a connection request is answered.
enum class Confirmation {
  AtOnce,  ///< by accept
  Later,   ///< by Connection::confirm() or the first write; until then closing refuses it
};

class Listener {
 public:
  static constexpr int default_backlog = 1024;

  Listener() noexcept = default;
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) noexcept = default;
  ~Listener() = default;

  /// At a TCP address (port 0: local_address() tells which), or at a TSAP of this host. `backlog`: connections that
  /// wait for accept. EADDRINUSE, EACCES ...
  [[nodiscard]] static std::expected<Listener, Error> listen(const Address& at,
                                                             int backlog = default_backlog) noexcept {
    const int flags = SOCK_CLOEXEC | (at.is_iso() ? 0 : SOCK_NONBLOCK);
    detail::Handle handle{::soc_socket(at.family(), SOCK_STREAM | flags, 0)};
    if (!handle.valid()) return detail::failed();
    const int on = 1;
    if (!at.is_iso() && ::soc_setsockopt(handle.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
      return detail::failed();
    if (::soc_bind(handle.get(), at.data(), static_cast<int>(at.size())) < 0 || ::soc_listen(handle.get(), backlog) < 0)
      return detail::failed();
    return Listener{std::move(handle), at.family()};
  }
  /// Takes over a listening descriptor that something else has made (systemd, a parent), and makes it non-blocking.
  [[nodiscard]] static std::expected<Listener, Error> adopt(int number) noexcept {
    Listener listener{detail::Handle{number}, AF_UNSPEC};
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    if (::soc_getsockopt(number, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0) return detail::failed();
    listener.family_ = family;
    if (family == AF_ISO) return listener;
    if (auto done = detail::set_nonblocking(number, true); !done) return std::unexpected{done.error()};
    return listener;
  }

  /// The next connection, in blocking mode, closed on exec.
  [[nodiscard]] std::expected<Connection, Error> accept(Deadline deadline = Deadline::never(),
                                                        Confirmation confirmation = Confirmation::AtOnce) noexcept {
    if (family_ == AF_ISO) return accept_iso(deadline, confirmation);
    const auto number = detail::attempt(native_handle(), POLLIN, deadline, [&] { return accept_tcp(); });
    if (!number) return std::unexpected{number.error()};
    return detail::Construct::from<Connection>(detail::Handle{*number}, family_);
  }

  [[nodiscard]] bool is_open() const noexcept { return handle_.valid(); }
  [[nodiscard]] int native_handle() const noexcept { return handle_.get(); }
  [[nodiscard]] int release() && noexcept { return handle_.release(); }
  void close() noexcept { handle_.reset(); }
  [[nodiscard]] std::expected<Address, Error> local_address() const noexcept {
    sockaddr_storage room{};
    socklen_t size = sizeof room;
    if (::soc_getsockname(native_handle(), &room, &size) < 0) return detail::failed();
    return Address::from_socket(&room, size);
  }
  /// AF_INET, AF_INET6, AF_ISO.
  [[nodiscard]] std::expected<int, Error> family() const noexcept { return family_; }

 private:
  friend struct detail::Construct;
  Listener(detail::Handle handle, int family) noexcept : handle_{std::move(handle)}, family_{family} {}

  [[nodiscard]] int accept_tcp() const noexcept {
    const int number = ::accept4(native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
    // A client that was gone before it was accepted (accept(2)): not the caller's matter.
    if (number < 0 && (errno == ECONNABORTED || errno == EPROTO)) errno = EINTR;
    return number;
  }
  std::expected<Connection, Error> accept_iso(Deadline deadline, Confirmation confirmation) noexcept {
    const detail::Limit limit{deadline};
    for (;;) {
      const int number = detail::repeat([&] { return ::soc_accept(native_handle(), nullptr, nullptr); });
      if (number < 0) return detail::failed();
      auto connection = detail::Construct::from<Connection>(detail::Handle{number}, AF_ISO);
      // One that has gone meanwhile is closed, and the next one has its turn.
      if (confirmation == Confirmation::Later || connection.confirm()) return connection;
    }
  }

  detail::Handle handle_;
  int family_ = AF_UNSPEC;
};

}  // namespace baton
#endif
