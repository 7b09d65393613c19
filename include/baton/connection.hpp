// SPDX-License-Identifier: MIT
// baton: baton/connection.hpp: one end point of a connection, over TCP or ISO transport: what moves.
//
// Invariant: a Connection owns its descriptor and closes it when it goes; there is never a second owner. Offering or
// giving one (link.hpp) takes it away; what could not be moved comes back as a Connection in the failure.
// The descriptor is a real one, native_handle(): poll(2), epoll(7) and event loops work on it. Take it out of them
// before it moves: they watch the open file, not the number. Every call works on a blocking and on a non-blocking
// descriptor alike: how long it waits its deadline says. Threads: distinct objects are independent; one object: as a
// descriptor, one reader and one writer at a time. While one is inside a call the end point does not move (EBUSY).
#ifndef BATON_CONNECTION_HPP
#define BATON_CONNECTION_HPP

#include <baton/soc.h>
#include <baton/address.hpp>
#include <baton/deadline.hpp>
#include <baton/detail.hpp>
#include <baton/error.hpp>
#include <baton/octets.hpp>

#include <concepts>
#include <cstdint>
#include <span>
#include <utility>

namespace baton {

/// How far a TCP stream has been read and written, by the kernel's counters. Only differences have a meaning; they hold
/// across a move, so both sides can log that no octet was lost between them.
struct StreamPosition {
  std::uint64_t consumed = 0;  ///< octets that were read
  std::uint64_t written = 0;   ///< octets that were written
  std::uint64_t unread = 0;    ///< octets that have arrived and were not read
};

/// What a read brought.
struct Received {
  std::size_t size = 0;         ///< octets; 0 without end_of_message: the stream has ended
  bool end_of_message = false;  ///< AF_ISO: the TSDU ends here. TCP has no messages
};

template <class Socket>
class Connecting;

class Connection {
 public:
  /// None: as after a move. is_open() is false, every call gives EBADF.
  Connection() noexcept = default;
  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&&) noexcept = default;
  ~Connection() = default;

  /// To a TCP or an AF_ISO address. ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH ...; no deadline is kept longer than the
  /// transport's own (AF_ISO: 30 s).
  [[nodiscard]] static std::expected<Connection, Error> connect(const Address& to,
                                                                Deadline deadline = Deadline::never()) noexcept;
  /// The same for event loops: begins, and goes on in Connecting::finish().
  [[nodiscard]] static std::expected<Connecting<Connection>, Error> begin_connect(const Address& to) noexcept;
  /// Takes over a connected descriptor that something else has made.
  [[nodiscard]] static Connection adopt(int number) noexcept { return Connection{detail::Handle{number}, AF_UNSPEC}; }

  [[nodiscard]] bool is_open() const noexcept { return handle_.valid(); }
  [[nodiscard]] int native_handle() const noexcept { return handle_.get(); }
  /// Gives the descriptor to something else: `std::move(connection).release()`.
  [[nodiscard]] int release() && noexcept { return handle_.release(); }
  void close() noexcept { handle_.reset(); }
  /// Whether plain calls on the descriptor wait. The mode moves along.
  [[nodiscard]] std::expected<void, Error> set_nonblocking(bool on) noexcept {
    return detail::set_nonblocking(native_handle(), on);
  }

  /// Some octets, at least one; 0: end of file. Over AF_ISO never more than the rest of a TSDU, and an end is
  /// ECONNRESET. `room` is not empty.
  [[nodiscard]] std::expected<std::size_t, Error> read_some(std::span<std::byte> room,
                                                            Deadline deadline = Deadline::never()) noexcept {
    const auto size = detail::attempt(native_handle(), POLLIN, deadline, [&] {
      return ::soc_recv(native_handle(), room.data(), room.size(), MSG_DONTWAIT);
    });
    if (!size) return std::unexpected{size.error()};
    return static_cast<std::size_t>(*size);
  }
  /// As read_some, and says where a TSDU ends.
  [[nodiscard]] std::expected<Received, Error> receive(std::span<std::byte> room,
                                                       Deadline deadline = Deadline::never()) noexcept {
    iovec part{room.data(), room.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const auto size = detail::attempt(native_handle(), POLLIN, deadline,
                                      [&] { return ::soc_recvmsg(native_handle(), &message, MSG_DONTWAIT); });
    if (!size) return std::unexpected{size.error()};
    return Received{static_cast<std::size_t>(*size), (message.msg_flags & MSG_EOR) != 0};
  }
  /// At least one octet is taken: how many. Over AF_ISO all that is taken whole is a TSDU; what is left over belongs to
  /// the same one, and the next write has to begin with it.
  [[nodiscard]] std::expected<std::size_t, Error> write_some(Octets octets,
                                                             Deadline deadline = Deadline::never()) noexcept {
    const auto size = detail::attempt(native_handle(), POLLOUT, deadline, [&] {
      return ::soc_send(native_handle(), octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    });
    if (!size) return std::unexpected{size.error()};
    return static_cast<std::size_t>(*size);
  }
  /// All octets; over AF_ISO: one TSDU. After a failure it is not known how many were taken: close it.
  [[nodiscard]] std::expected<void, Error> write(Octets octets, Deadline deadline = Deadline::never()) noexcept {
    while (!octets.empty()) {
      const auto size = write_some(octets, deadline);
      if (!size) return std::unexpected{size.error()};
      octets = octets.from(*size);
    }
    return {};
  }
  /// The other end reads an end of file; reading goes on. TCP only: EOPNOTSUPP.
  [[nodiscard]] std::expected<void, Error> shutdown_write() noexcept {
    if (::soc_shutdown(native_handle(), SHUT_WR) < 0) return detail::failed();
    return {};
  }
  /// AF_ISO, accepted with Confirmation::Later: says yes to the other end, with up to 32 octets of data. The first
  /// write does it too; closing says no.
  [[nodiscard]] std::expected<void, Error> confirm(Octets data = {}) noexcept {
    if (::soc_setsockopt(native_handle(), SOL_TRANSPORT, TPOPT_CFRM_DATA, data.data(), static_cast<int>(data.size())) <
        0)
      return detail::failed();
    return {};
  }

  [[nodiscard]] std::expected<Address, Error> local_address() const noexcept {
    return name(
        [&](sockaddr_storage* room, socklen_t* size) { return ::soc_getsockname(native_handle(), room, size); });
  }
  [[nodiscard]] std::expected<Address, Error> peer_address() const noexcept {
    return name(
        [&](sockaddr_storage* room, socklen_t* size) { return ::soc_getpeername(native_handle(), room, size); });
  }
  /// EOPNOTSUPP: AF_ISO within the host, of which the kernel keeps no count. EAGAIN: changes too fast, try again.
  [[nodiscard]] std::expected<StreamPosition, Error> position() const noexcept {
    soc_stream_position position{};
    if (::soc_position(native_handle(), &position) < 0) return detail::failed();
    return StreamPosition{position.consumed, position.written, position.unread};
  }
  /// AF_INET, AF_INET6, AF_ISO. EBADF, ENOTSOCK.
  [[nodiscard]] std::expected<int, Error> family() const noexcept {
    if (family_ != AF_UNSPEC) return family_;
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    if (::soc_getsockopt(native_handle(), SOL_SOCKET, SO_DOMAIN, &family, &size) < 0) return detail::failed();
    return family;
  }

 private:
  friend struct detail::Construct;
  Connection(detail::Handle handle, int family) noexcept : handle_{std::move(handle)}, family_{family} {}

  template <class Call>
  static std::expected<Address, Error> name(Call call) noexcept {
    sockaddr_storage room{};
    socklen_t size = sizeof room;
    if (call(&room, &size) < 0) return detail::failed();
    return Address::from_socket(&room, size);
  }

  detail::Handle handle_;
  int family_ = AF_UNSPEC;  // where it is known already
};

/// A connection that is being made. It is finished when finish() gives it, or an error that is none of EWOULDBLOCK and
/// ETIMEDOUT. To wait for it with poll(2) or epoll(7): events(), on native_handle(), each time before finish(). Over
/// AF_ISO to another host the number may name another open file afterwards: register it anew.
template <class Socket>
class Connecting {
 public:
  Connecting(Connecting&&) noexcept = default;
  Connecting& operator=(Connecting&&) noexcept = default;

  [[nodiscard]] int native_handle() const noexcept { return handle_.get(); }
  /// POLLIN or POLLOUT: what the next finish() waits for.
  [[nodiscard]] short events() const noexcept { return events_; }

  [[nodiscard]] std::expected<Socket, Error> finish(Deadline deadline = Deadline::never()) noexcept {
    if (!handle_.valid()) return detail::failed(EBADF, "the connection has been made, or could not be made");
    const auto done = to_.is_iso() ? finish_iso(deadline) : finish_tcp(deadline);
    if (done) return detail::Construct::from<Socket>(std::move(handle_), to_.family());
    if (!done.error().would_block() && !done.error().timed_out()) handle_.reset();
    return std::unexpected{done.error()};
  }

 private:
  friend class Connection;
  friend class Link;

  Connecting(detail::Handle handle, const Address& to) noexcept : handle_{std::move(handle)}, to_{to} {}

  static std::expected<Connecting, Error> begin(const Address& to, const Selector& own) noexcept {
    const int flags = SOCK_CLOEXEC | (to.is_iso() ? 0 : SOCK_NONBLOCK);
    detail::Handle handle{::soc_socket(to.family(), SOCK_STREAM | flags, 0)};
    if (!handle.valid()) return detail::failed();
    if (to.is_iso()) {
      const Address named{own};
      if (::soc_bind(handle.get(), named.data(), static_cast<int>(named.size())) < 0) return detail::failed();
    }
    Connecting made{std::move(handle), to};
    // The request goes out now; a refusal that is there at once shows here or in finish().
    if (auto begun = made.request(Deadline::now()); !begun && !begun.error().would_block())
      return std::unexpected{begun.error()};
    return made;
  }
  std::expected<void, Error> request(Deadline deadline) noexcept {
    const detail::Limit limit{deadline};
    const int done =
        detail::repeat([&] { return ::soc_connect(handle_.get(), to_.data(), static_cast<int>(to_.size())); });
    if (done == 0) {
      connected_ = true;
      return {};
    }
    return detail::failed();
  }
  std::expected<void, Error> finish_iso(Deadline deadline) noexcept {
    if (connected_) return {};
    auto done = request(deadline);
    // To another host: TCP first, whose end is writing; then the answer, which is read.
    if (!done && done.error().would_block()) events_ = POLLIN;
    return done;
  }
  std::expected<void, Error> finish_tcp(Deadline deadline) noexcept {
    if (!connected_) {
      if (auto ready = detail::wait(handle_.get(), POLLOUT, deadline); !ready) return ready;
      int error = 0;
      socklen_t size = sizeof error;
      if (::soc_getsockopt(handle_.get(), SOL_SOCKET, SO_ERROR, &error, &size) < 0) return detail::failed();
      if (error != 0) return std::unexpected{Error{error}};
    }
    return detail::set_nonblocking(handle_.get(), false);
  }

  detail::Handle handle_;
  Address to_;
  short events_ = POLLOUT;
  bool connected_ = false;
};

inline std::expected<Connecting<Connection>, Error> Connection::begin_connect(const Address& to) noexcept {
  return Connecting<Connection>::begin(to, Selector{});
}

inline std::expected<Connection, Error> Connection::connect(const Address& to, Deadline deadline) noexcept {
  auto connecting = begin_connect(to);
  if (!connecting) return std::unexpected{connecting.error()};
  return connecting->finish(deadline);
}

}  // namespace baton
#endif
