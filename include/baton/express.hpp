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
#include <baton/deadline.hpp>
#include <baton/detail.hpp>
#include <baton/error.hpp>
#include <baton/listener.hpp>
#include <baton/octets.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace baton {

/// One of those that Link::give gives.
struct Outgoing {
  Connection connection;     ///< not open any more once it is on its way
  Octets already_read = {};  ///< what was read of the client; together up to 64 KiB in one call
  Octets blob = {};          ///< what this program says of the connection, up to 16 MiB; the server gets it with it
  std::uint64_t id = 0;      ///< of the move, once it is on its way: the outcome brings it
};

/// What the listener says of an end point. Owns the octets; move-only.
class Blob {
 public:
  Blob() noexcept = default;
  [[nodiscard]] std::span<const std::byte> octets() const noexcept { return {octets_.get(), size_}; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// Takes over `size` octets of malloc(3), as soc_take gives them.
  [[nodiscard]] static Blob adopt(void* octets, std::size_t size) noexcept {
    Blob blob;
    blob.octets_.reset(static_cast<std::byte*>(octets));
    blob.size_ = octets == nullptr ? 0 : size;
    return blob;
  }

 private:
  struct Free {
    void operator()(std::byte* octets) const noexcept { std::free(octets); }
  };
  std::unique_ptr<std::byte[], Free> octets_;
  std::size_t size_ = 0;
};

/// What became of an end point that was given.
struct Outcome {
  std::uint64_t id = 0;
  /// None: moved. Else as of a MoveFailure: ECONNABORTED, EAGAIN (no credit), ECONNRESET, ECANCELED, EUCLEAN ...
  std::optional<Error> error = std::nullopt;
  /// Given back, the one that is_open(), if any.
  Connection connection = {};
  Listener listener = {};
  [[nodiscard]] bool moved() const noexcept { return !error; }
};

/// An end point that has come: data flows here.
struct Taken {
  Connection connection;                     ///< open, or
  Listener listener = {};                    ///< ... this one: a listening socket, with the connections in its queue
  std::uint64_t id = 0;                      ///< of the move
  std::vector<std::byte> already_read = {};  ///< what the listener has read of the client
  Blob blob = {};                            ///< what it says of the end point
};

namespace detail {

/// What soc_give and soc_hold are called with.
[[nodiscard]] inline soc_move to_move(int number, Octets already_read, Octets blob) noexcept {
  soc_move move{};
  move.fd = number;
  move.data = const_cast<std::byte*>(already_read.data());
  move.length = static_cast<std::uint32_t>(std::min<std::size_t>(already_read.size(), UINT32_MAX));
  move.blob = const_cast<std::byte*>(blob.data());
  move.blob_length = static_cast<std::uint32_t>(std::min<std::size_t>(blob.size(), UINT32_MAX));
  return move;
}

/// What soc_take gave: an end point, one that a group holds, or the end of a group.
struct Arrival {
  Handle handle;
  soc_move move{};
  std::vector<std::byte> already_read;
  Blob blob;

  [[nodiscard]] bool held() const noexcept { return (move.flags & SOC_HELD) != 0; }
  [[nodiscard]] bool ends_group() const noexcept { return (move.flags & SOC_GROUP_END) != 0; }
  /// Data flows at it.
  [[nodiscard]] Taken taken() && noexcept {
    Taken one{Connection{}, Listener{}, move.id, std::move(already_read), std::move(blob)};
    if (move.kind != SOC_LISTENING)
      one.connection = Connection::adopt(handle.release());
    else if (auto listener = Listener::adopt(handle.release()))
      one.listener = std::move(*listener);
    return one;
  }
};

/// At least one, at most `most`.
[[nodiscard]] inline std::expected<std::vector<Arrival>, Error> take(int link, Deadline deadline,
                                                                     std::size_t most) noexcept {
  // Most bring few octets or none. One that brings more than its share has the whole room to itself.
  static thread_local std::vector<std::byte> octets(std::size_t{4} * 65536);
  std::array<soc_move, SOC_MOVES_MAX> moves;
  std::size_t count = std::clamp<std::size_t>(most, 1, moves.size());
  int taken = 0;
  do {
    const std::size_t share = octets.size() / count;
    for (std::size_t i = 0; i < count; ++i) {
      moves[i] = {};
      moves[i].data = octets.data() + i * share;
      moves[i].length = static_cast<std::uint32_t>(share);
    }
    taken = repeat([&] { return ::soc_take(link, moves.data(), static_cast<int>(count), deadline.milliseconds()); });
    if (taken < 0 && (errno != EMSGSIZE || count == 1)) return failed();
    if (taken < 0) count = 1;
  } while (taken < 0 || (taken == 0 && !deadline.passed()));
  if (taken == 0) return late(deadline);
  std::vector<Arrival> arrivals;
  arrivals.reserve(static_cast<std::size_t>(taken));
  for (const soc_move& move : std::span{moves}.first(static_cast<std::size_t>(taken))) {
    const bool ends = (move.flags & SOC_GROUP_END) != 0;  // then the length counts moves
    const auto* const data = static_cast<const std::byte*>(move.data);
    arrivals.emplace_back(Handle{move.fd}, move, std::vector<std::byte>{data, data + (ends ? 0 : move.length)},
                          Blob::adopt(move.blob, move.blob_length));
  }
  return arrivals;
}

}  // namespace detail

}  // namespace baton
#endif
