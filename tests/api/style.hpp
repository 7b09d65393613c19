// SPDX-License-Identifier: MIT
// baton: api/style.hpp: the ways in which a program may use the C++ API, one interface: the scenarios know nothing
// else.
//
//   blocking   the calls wait, until their deadline
//   polling    Deadline::now(), and plain poll(2) on native_handle() in between: as in an event loop of a program's own
//   Asio       the operations of baton/asio.hpp, one at a time; TCP end points go in as asio::ip::tcp::socket
//
// Another way is one more class and its name in styles(). Threads: one.
#pragma once

#include <baton/baton.hpp>

#include <span>
#include <vector>

namespace baton::test {

class Style {
 public:
  virtual ~Style() = default;
  [[nodiscard]] virtual const char* name() const = 0;

  [[nodiscard]] virtual std::expected<Link, Error> connect(const Selector& server, Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<Link, Error> accept(LinkListener& listener, Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<Connection, Error> accept(Listener& listener, Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<Moved, MoveFailure<Connection>> offer(Link& link, Connection connection,
                                                                            Octets already_read,
                                                                            Deadline deadline) const = 0;
  /// A move that is under way already, on `link`.
  [[nodiscard]] virtual std::expected<Moved, MoveFailure<Connection>> outcome(Link& link,
                                                                              OutgoingMove<Connection>& move,
                                                                              Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<Incoming, Error> await_offer(Link& link, Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<Connection, Error> accept(Link& link, Incoming incoming,
                                                                Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<std::size_t, Error> give(Link& link, std::span<Outgoing> moves,
                                                               Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<std::vector<Outcome>, Error> outcomes(Link& link, Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<std::vector<Taken>, Error> take(Link& link, Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<std::size_t, Error> send(Link& link, Octets message, Deadline deadline) const = 0;
  [[nodiscard]] virtual std::expected<Received, Error> receive(Link& link, std::span<std::byte> room,
                                                               Deadline deadline) const = 0;
};

[[nodiscard]] const Style& blocking_style();
[[nodiscard]] const Style& polling_style();
[[nodiscard]] const Style& asio_style();
[[nodiscard]] std::vector<const Style*> styles();

}  // namespace baton::test
