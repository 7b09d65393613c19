// SPDX-License-Identifier: MIT
// baton: baton/express.hpp: many end points in one round trip: what is given, what became of it, what has come.
//
//   L: give --> (in doubt) --> outcomes: moved, or given back         S: credit, take
//
// The server says beforehand how many it takes (credit), so there is no offer to refuse; it takes or gives back each
// one. The guarantees are those of an offer. Threads: values.
#ifndef BATON_EXPRESS_HPP
#define BATON_EXPRESS_HPP

#include <baton/soc.h>
#include <baton/connection.hpp>
#include <baton/error.hpp>
#include <baton/octets.hpp>

#include <cstdint>
#include <optional>
#include <vector>

namespace baton {

/// One of those that Link::give gives.
struct Outgoing {
  Connection connection;     ///< not open any more once it is on its way
  Octets already_read = {};  ///< what was read of the client; together up to 64 KiB in one call
  std::uint64_t id = 0;      ///< of the move, once it is on its way: the outcome brings it
};

/// What became of an end point that was given.
struct Outcome {
  std::uint64_t id = 0;
  /// None: moved. Else as of a MoveFailure: ECONNABORTED, EAGAIN (no credit), ECONNRESET, ECANCELED, EUCLEAN ...
  std::optional<Error> error = std::nullopt;
  /// Given back, if is_open().
  Connection connection = {};
  [[nodiscard]] bool moved() const noexcept { return !error; }
};

/// An end point that has come: data flows here.
struct Taken {
  Connection connection;
  std::uint64_t id = 0;                      ///< of the move
  std::vector<std::byte> already_read = {};  ///< what the listener has read of the client
};

}  // namespace baton
#endif
