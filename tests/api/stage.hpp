// SPDX-License-Identifier: MIT
// baton: api/stage.hpp: client, listener and server of a scenario, as processes, with the C++ API in between.
//
//   client --"hello"--> whoever has the connection --its letter, 'L' or 'S'--> client   (then the client closes)
//
// The listener gets its link and an accepted connection, the server its link. Threads: one in each process.
#pragma once

#include <baton/baton.hpp>

#include <functional>
#include <string>
#include <string_view>

#include "api/style.hpp"
#include "support/process.hpp"
#include "support/runtime_dir.hpp"

namespace baton::test {

inline constexpr Selector server_name = "api";
/// For what has to come; far more than it needs.
inline constexpr std::chrono::seconds patience{30};
/// For what must not come: passes in each test that uses it.
inline constexpr std::chrono::milliseconds impatience{100};

/// Whom the client hears from in the end.
enum class Serves { Listener, Server, Nobody };  // Nobody: end of file, or a reset

struct Stage {
  RuntimeDir folder;
  Mailbox listening;
  Mailbox port;
  Mailbox step;   // for a scenario: from the server to the listener
  Mailbox reply;  // ... and back

  using ListenerRole = std::function<void(Link&, Connection)>;
  using ServerRole = std::function<void(Link&)>;
  /// Runs the three, and gives "" or what went wrong. `family`: of the connection.
  [[nodiscard]] std::string play(const Style& style, int family, Serves who, const ListenerRole& listener,
                                 const ServerRole& server) const;
};

/// The value of a call that must succeed; else the role fails with its sentence.
template <class Value>
Value got(std::expected<Value, Error> result, std::source_location where = std::source_location::current()) {
  if (!result) fail(std::to_string(result.error().number()) + " " + result.error().text(), where);
  if constexpr (!std::is_void_v<Value>) return std::move(*result);
}
template <class EndPoint>
Moved got(std::expected<Moved, MoveFailure<EndPoint>> result,
          std::source_location where = std::source_location::current()) {
  if (!result) fail(std::to_string(result.error().error.number()) + " " + result.error().error.text(), where);
  return *result;
}
/// The failure of a call that must fail, with this errno.
template <class Value>
void refused(const std::expected<Value, Error>& result, int number,
             std::source_location where = std::source_location::current()) {
  if (result) fail("it succeeded", where);
  if (result.error().number() != number)
    fail("errno " + std::to_string(result.error().number()) + " " + result.error().text(), where);
  require(!result.error().text().empty(), "a failure has a sentence", where);
}
/// The connection that a move that must fail has given back.
Connection given_back(std::expected<Moved, MoveFailure<Connection>> result, int number,
                      std::source_location where = std::source_location::current());

/// Answers the client's "hello", of which `already_read` octets have been read, and reads to its end.
void serve(Connection& connection, char letter, std::string_view already_read = {});
/// The first octets of the client.
std::string read_octets(Connection& connection, std::size_t size);
/// Waits until something has come on the link, and leaves it there.
void await_arrival(Link& link);

}  // namespace baton::test
