// SPDX-License-Identifier: MIT
// baton: capi/resolve.hpp: what a number means to a call, and how long the call may wait.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "endpoint/iso_socket.hpp"
#include "endpoint/link.hpp"
#include "endpoint/moves.hpp"

namespace baton::capi {

/// What a number stands for, seen by a call.
struct Plain {               // the kernel's own
  std::uint64_t cookie = 0;  // 0: it is no socket, or was not asked
};
struct Inherited {};  // made by the process that this one was forked from
using Target = std::variant<Plain, Inherited, std::shared_ptr<endpoint::IsoSocket>,
                            std::shared_ptr<endpoint::GivenMove>, std::shared_ptr<endpoint::AwaitedMove>>;
[[nodiscard]] Target resolve(int number);

/// The AF_ISO socket that a number names. NotIso, OtherProcess, BadDescriptor.
[[nodiscard]] endpoint::Result<std::shared_ptr<endpoint::IsoSocket>> resolve_iso(int number);
/// The AF_ISO connection that a number names.
struct LinkAt {
  std::shared_ptr<endpoint::IsoSocket> socket;
  std::shared_ptr<endpoint::Link> link;
};
[[nodiscard]] endpoint::Result<LinkAt> resolve_link(int number);

/// Until when the calls of this thread wait (soc_deadline). Nothing: as the mode of their number says.
[[nodiscard]] std::optional<Instant>& thread_deadline() noexcept;
/// A thread_deadline() that lets no call wait.
inline constexpr Instant at_once{0};

/// As the number's mode says, or the thread's deadline; `flags` may add MSG_DONTWAIT.
[[nodiscard]] endpoint::Waiting waiting_of(int number, int flags = 0);
/// The same with the socket's time for moves.
[[nodiscard]] endpoint::Waiting waiting_for_move(int number, endpoint::IsoSocket& socket);
/// From a timeout in milliseconds: -1 for ever, 0 not at all.
[[nodiscard]] endpoint::Waiting waiting_ms(int timeout_ms);

/// A call on a number that a move of ours stands for: blocks until the move has ended and the number is a plain end
/// point again. Otherwise: WouldBlock (reading, non-blocking), Busy (writing), Moved, Touched.
enum class Use { Read, Write, Other };
endpoint::Result<void> await_give_back(endpoint::GivenMove& move, Use use, const endpoint::Waiting& waiting);

}  // namespace baton::capi
