// SPDX-License-Identifier: MIT
// baton: baton/link.hpp: the local AF_ISO connection between a listener and a server, on which moves are agreed.
//
//   listener                                              server
//   Link::connect("work")                                 LinkListener::listen("work"), accept()
//   link.offer(std::move(connection))   one by one, the server may refuse   link.await_offer(), accept() or refuse()
//   link.give(batch), link.outcomes()   many in a round trip, by credit     link.take()
//   link.send(octets)                   messages of the program's own       link.receive(room)
//
// Either side may do either. The promise holds for each: a move commits, or the connection stays where it was.
// What is on a link has an order. User data that stands in front of a frame of a move must be received before it, and
// the calls for moves say so (ENOMSG); the other way round receive() says EIO.
//
// Invariant: a Link owns its connection; what still goes on over it (OutgoingMove, Accepting, Incoming) keeps it open.
// For event loops: native_handle() is readable when there is something new; ask pending() before waiting, for the
// library reads ahead (as with SSL_pending), and make the calls with Deadline::now(). Threads: any number on one link.
#ifndef BATON_LINK_HPP
#define BATON_LINK_HPP

#include <baton/soc.h>
#include <baton/address.hpp>
#include <baton/connection.hpp>
#include <baton/deadline.hpp>
#include <baton/detail.hpp>
#include <baton/error.hpp>
#include <baton/express.hpp>
#include <baton/incoming.hpp>
#include <baton/listener.hpp>
#include <baton/octets.hpp>
#include <baton/outgoing.hpp>
#include <baton/selector.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace baton {

/// Who is at the other end of a link.
struct Partner {
  Selector selector;
  pid_t process = 0;  ///< that sent last, as the kernel says; 0: none has yet
};

class Link {
 public:
  /// End points in one message, at most.
  static constexpr std::size_t max_batch = SOC_MOVES_MAX;
  /// Octets of the clients that an offer or a batch brings along, at most.
  static constexpr std::size_t max_already_read = 65536;

  /// None: every call gives EBADF.
  Link() noexcept = default;
  Link(Link&&) noexcept = default;
  Link& operator=(Link&&) noexcept = default;
  ~Link() = default;

  /// To the process that listens at `server` on this host. `own`: this side's name; empty: any that is free.
  /// ECONNREFUSED: nobody listens there; EACCES: another user does, who admits no links from this one; ETIMEDOUT.
  [[nodiscard]] static std::expected<Link, Error> connect(const Selector& server, Deadline deadline = Deadline::never(),
                                                          const Selector& own = {}) noexcept {
    auto connecting = begin_connect(server, own);
    if (!connecting) return std::unexpected{connecting.error()};
    return connecting->finish(deadline);
  }
  /// The same for event loops.
  [[nodiscard]] static std::expected<Connecting<Link>, Error> begin_connect(const Selector& server,
                                                                            const Selector& own = {}) noexcept {
    return Connecting<Link>::begin(Address{server}, own);
  }
  /// Takes over a connected AF_ISO descriptor that soc_* calls have made.
  [[nodiscard]] static Link adopt(int number) noexcept { return Link{detail::Handle{number}, AF_ISO}; }

  [[nodiscard]] bool is_open() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] int native_handle() const noexcept { return handle_ ? handle_->get() : -1; }
  /// Lets go of it: closed once no move goes on over it.
  void close() noexcept { handle_.reset(); }
  /// What the library has read and this process not yet fetched: parts of messages, offers, answers, outcomes, end
  /// points.
  [[nodiscard]] std::expected<std::size_t, Error> pending() const noexcept {
    const int units = ::soc_pending(native_handle());
    if (units < 0) return detail::failed();
    return static_cast<std::size_t>(units);
  }
  [[nodiscard]] std::expected<Partner, Error> partner() const noexcept;

  // --- Listener: one end point after the other -------------------------------------------------------------------

  /// Offers `connection` and moves it, if the server accepts. `already_read`: what was read of the client, up to 64
  /// KiB. Whatever goes wrong gives the connection back: failure.end_point (outgoing.hpp). Take it out of event loops
  /// first.
  template <class EndPoint>
    requires std::same_as<EndPoint, Connection>
  [[nodiscard]] std::expected<Moved, MoveFailure<EndPoint>> offer(EndPoint&& connection, Octets already_read,
                                                                  Deadline deadline = Deadline::never()) noexcept {
    auto move = begin_offer(std::move(connection), already_read, deadline);
    if (!move) return std::unexpected{std::move(move.error())};
    auto outcome = move->outcome(deadline);
    if (outcome || !move->pending()) return outcome;
    return give_up(std::move(*move), std::move(outcome.error()));
  }
  template <class EndPoint>
    requires std::same_as<EndPoint, Connection>
  [[nodiscard]] std::expected<Moved, MoveFailure<EndPoint>> offer(EndPoint&& connection,
                                                                  Deadline deadline = Deadline::never()) noexcept {
    return offer(std::move(connection), Octets{}, deadline);
  }
  /// Sends the offer; the rest is the OutgoingMove's. `deadline` is for room in the link.
  template <class EndPoint>
    requires std::same_as<EndPoint, Connection>
  [[nodiscard]] std::expected<OutgoingMove<EndPoint>, MoveFailure<EndPoint>> begin_offer(
      EndPoint&& connection, Octets already_read = {}, Deadline deadline = Deadline::never()) noexcept {
    const auto family = connection.family();
    if (!family) return std::unexpected{MoveFailure<EndPoint>{family.error(), std::move(connection)}};
    detail::Departure departure{connection.native_handle(), *family};
    if (auto offered = departure.offer(native_handle(), already_read, deadline); !offered)
      return std::unexpected{MoveFailure<EndPoint>{std::move(offered.error()), std::move(connection)}};
    return OutgoingMove<EndPoint>{handle_, std::move(connection), departure};
  }

  // --- Server: one end point after the other ---------------------------------------------------------------------

  /// The next offer. ECONNRESET: the link has ended. EOVERFLOW: this process has more than 32767 descriptors open; the
  /// offer is refused.
  [[nodiscard]] std::expected<Incoming, Error> await_offer(Deadline deadline = Deadline::never()) noexcept;

  // --- Express ---------------------------------------------------------------------------------------------------

  /// Sends the first of `moves` on their way: how many; these are no longer open, and their outcomes will come. The
  /// others are as before. Waits for credit alone. Failures: of the first one, and nothing has gone; EWOULDBLOCK: no
  /// credit now.
  [[nodiscard]] std::expected<std::size_t, Error> give(std::span<Outgoing> moves,
                                                       Deadline deadline = Deadline::never()) noexcept;
  /// One alone, or a listening TCP socket with what waits in its queue: its id. `blob`: what this program says of it.
  template <class EndPoint>
    requires(std::same_as<EndPoint, Connection> || std::same_as<EndPoint, Listener>)
  [[nodiscard]] std::expected<std::uint64_t, MoveFailure<EndPoint>> give(
      EndPoint&& end_point, Octets already_read = {}, Octets blob = {},
      Deadline deadline = Deadline::never()) noexcept {
    soc_move move = detail::to_move(end_point.native_handle(), already_read, blob);
    const detail::Limit limit{deadline};
    if (detail::repeat([&] { return ::soc_give(native_handle(), &move, 1); }) < 0)
      return std::unexpected{MoveFailure<EndPoint>{Error::last(), std::move(end_point)}};
    (void)std::move(end_point).release();  // the library's now
    return move.id;
  }
  /// Outcomes of what was given, as they come: at least one, at most `most`. ENOENT: none is outstanding.
  [[nodiscard]] std::expected<std::vector<Outcome>, Error> outcomes(Deadline deadline = Deadline::never(),
                                                                    std::size_t most = max_batch) noexcept;
  /// Asks the server for what was given and has no outcome back; 0: for all of it. Outcomes tell, as ever: ECANCELED,
  /// moved, or any other. How many were asked for: fewer than all if the link is full (then again, after outcomes()),
  /// 0 if it has ended.
  std::expected<std::size_t, Error> recall(std::uint64_t id = 0) noexcept {
    const int asked = ::soc_recall(native_handle(), id);
    if (asked < 0) return detail::failed();
    return static_cast<std::size_t>(asked);
  }
  /// Server: announces room for `count` end points in all, each held as a real descriptor: how many are held. take()
  /// does it with 64 if nobody has, and announces what is taken again, unless the last call was with 0. EMFILE.
  [[nodiscard]] std::expected<std::size_t, Error> credit(std::size_t count) noexcept {
    const int held = ::soc_credit(native_handle(), static_cast<int>(std::min<std::size_t>(count, 1U << 20U)));
    if (held < 0) return detail::failed();
    return static_cast<std::size_t>(held);
  }
  /// Server: end points that were given: at least one, at most `most`. ECONNRESET: the link has ended. ENOMSG: an offer
  /// or user data stands in front.
  [[nodiscard]] std::expected<std::vector<Taken>, Error> take(Deadline deadline = Deadline::never(),
                                                              std::size_t most = max_batch) noexcept;

  // --- User data, either way -------------------------------------------------------------------------------------

  /// One message: how many octets were taken. Fewer than all only where the deadline came in between: the next send has
  /// to begin with the others, which belong to the same message. No message is empty: EINVAL.
  [[nodiscard]] std::expected<std::size_t, Error> send(Octets message, Deadline deadline = Deadline::never()) noexcept {
    const detail::Limit limit{deadline};
    const ssize_t size =
        detail::repeat([&] { return ::soc_send(native_handle(), message.data(), message.size(), MSG_NOSIGNAL); });
    if (size < 0) return detail::failed();
    return static_cast<std::size_t>(size);
  }
  /// Octets of one message, perhaps not its last: end_of_message says it. EIO: a frame of a move stands in front:
  /// await_offer, take, outcome ... ECONNRESET: the link has ended.
  [[nodiscard]] std::expected<Received, Error> receive(std::span<std::byte> room,
                                                       Deadline deadline = Deadline::never()) noexcept {
    const detail::Limit limit{deadline};
    iovec part{room.data(), room.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t size = detail::repeat([&] { return ::soc_recvmsg(native_handle(), &message, 0); });
    if (size < 0) return detail::failed();
    return Received{static_cast<std::size_t>(size), (message.msg_flags & MSG_EOR) != 0};
  }

 private:
  friend struct detail::Construct;
  friend class Group;
  friend class HeldGroup;
  explicit Link(std::shared_ptr<const detail::Handle> handle) noexcept : handle_{std::move(handle)} {}
  Link(detail::Handle handle, int) noexcept : handle_{std::make_shared<const detail::Handle>(std::move(handle))} {}

  /// At the deadline: a move that is not called yet is off, one that is goes on.
  template <class EndPoint>
  static std::expected<Moved, MoveFailure<EndPoint>> give_up(OutgoingMove<EndPoint> move,
                                                             MoveFailure<EndPoint> failure) noexcept {
    move.cancel();
    auto outcome = move.outcome(Deadline::now());
    if (outcome) return outcome;
    if (move.pending())
      failure.in_doubt = std::move(move);
    else
      failure.end_point = std::move(outcome.error().end_point);
    return std::unexpected{std::move(failure)};
  }

  std::shared_ptr<const detail::Handle> handle_;
};

/// A TSAP of this host at which links are accepted. Threads: any number may accept.
class LinkListener {
 public:
  static constexpr int default_backlog = 64;

  /// EADDRINUSE: another process has the name; EACCES: the folder of names is not this user's, or not safe.
  [[nodiscard]] static std::expected<LinkListener, Error> listen(const Selector& at,
                                                                 int backlog = default_backlog) noexcept {
    auto listener = Listener::listen(Address{at}, backlog);
    if (!listener) return std::unexpected{listener.error()};
    return LinkListener{std::move(*listener)};
  }
  /// The next link, confirmed.
  [[nodiscard]] std::expected<Link, Error> accept(Deadline deadline = Deadline::never()) noexcept {
    auto connection = listener_.accept(deadline);
    if (!connection) return std::unexpected{connection.error()};
    return Link::adopt(std::move(*connection).release());
  }

  [[nodiscard]] bool is_open() const noexcept { return listener_.is_open(); }
  /// Readable: accept(Deadline::now()) may have something to give.
  [[nodiscard]] int native_handle() const noexcept { return listener_.native_handle(); }
  /// With the TSEL that an empty one has become.
  [[nodiscard]] std::expected<Address, Error> local_address() const noexcept { return listener_.local_address(); }
  void close() noexcept { listener_.close(); }

 private:
  explicit LinkListener(Listener listener) noexcept : listener_{std::move(listener)} {}
  Listener listener_;
};

inline std::expected<Partner, Error> Link::partner() const noexcept {
  cmsg_redhdr head{};
  head.cmsg_len = sizeof head;
  head.cmsg_level = SOL_TRANSPORT;
  head.cmsg_type = TPOPT_REDI_DATA;
  socklen_t size = sizeof head;
  if (::soc_getsockopt(native_handle(), SOL_TRANSPORT, TPOPT_REDI_DATA, &head, &size) < 0) return detail::failed();
  const std::size_t length = static_cast<std::size_t>(std::clamp<int>(head.tsap_name_len, 0, TSAPNAMMAXLEN));
  return Partner{Selector::from_text({head.redhdr_tsap_name, length}).value_or(Selector{}), head.tsn};
}

inline std::expected<Incoming, Error> Link::await_offer(Deadline deadline) noexcept {
  static thread_local std::vector<std::byte> room(max_already_read);
  const detail::Limit limit{deadline};
  cmsg_redhdr head{};
  head.cmsg_len = sizeof head;
  head.cmsg_level = SOL_TRANSPORT;
  head.cmsg_type = TPOPT_REDI_DATA;
  iovec part{room.data(), room.size()};
  msghdr message{};
  message.msg_control = &head;
  message.msg_controllen = sizeof head;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t size = detail::repeat([&] { return ::soc_recvmsg(native_handle(), &message, 0); });
  if (size < 0) return detail::failed();
  return Incoming{handle_, head, {room.data(), room.data() + size}};
}

inline std::expected<std::size_t, Error> Link::give(std::span<Outgoing> moves, Deadline deadline) noexcept {
  std::array<soc_move, max_batch> given;
  const std::size_t count = std::min(moves.size(), max_batch);
  for (std::size_t i = 0; i < count; ++i)
    given[i] = detail::to_move(moves[i].connection.native_handle(), moves[i].already_read, moves[i].blob);
  const detail::Limit limit{deadline};
  const int gone = detail::repeat([&] { return ::soc_give(native_handle(), given.data(), static_cast<int>(count)); });
  if (gone < 0) return detail::failed();
  for (std::size_t i = 0; i < static_cast<std::size_t>(gone); ++i) {
    moves[i].id = given[i].id;
    // The library's now.
    (void)std::move(moves[i].connection).release();
  }
  return static_cast<std::size_t>(gone);
}

inline std::expected<std::vector<Outcome>, Error> Link::outcomes(Deadline deadline, std::size_t most) noexcept {
  std::array<soc_move, max_batch> ended;
  const int room = static_cast<int>(std::min(most, max_batch));
  int count = 0;
  do {
    count =
        detail::repeat([&] { return ::soc_outcomes(native_handle(), ended.data(), room, deadline.milliseconds()); });
    if (count < 0) return detail::failed();
  } while (count == 0 && !deadline.passed());
  if (count == 0) return detail::late(deadline);
  std::vector<Outcome> outcomes;
  outcomes.reserve(static_cast<std::size_t>(count));
  for (const soc_move& move : std::span{ended}.first(static_cast<std::size_t>(count))) {
    Outcome& outcome = outcomes.emplace_back(move.id);
    if (move.error != 0) outcome.error = Error{move.error};
    if (move.fd < 0) continue;
    if (move.kind != SOC_LISTENING)
      outcome.connection = Connection::adopt(move.fd);
    else if (auto listener = Listener::adopt(move.fd))
      outcome.listener = std::move(*listener);
  }
  return outcomes;
}

inline std::expected<std::vector<Taken>, Error> Link::take(Deadline deadline, std::size_t most) noexcept {
  for (;;) {
    auto arrivals = detail::take(native_handle(), deadline, most);
    if (!arrivals && arrivals.error().number() == ECANCELED) continue;  // a group is off
    if (!arrivals) return std::unexpected{std::move(arrivals.error())};
    std::vector<Taken> all;
    all.reserve(arrivals->size());
    // What a group holds is closed, and so refused.
    for (detail::Arrival& arrival : *arrivals)
      if (!arrival.held() && !arrival.ends_group()) all.push_back(std::move(arrival).taken());
    if (!all.empty()) return all;
  }
}

}  // namespace baton
#endif
