// SPDX-License-Identifier: MIT
// baton: cli/trace_way.hpp: one connection's way from process to process, as a sequence diagram in text.
//
// A connection is known by its socket's cookie, which L writes where a move begins; a trace of an earlier version has
// none: then a move is a way of its own. Text is printable ASCII.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/trace_moves.hpp"
#include "cli/trace_sequence.hpp"

namespace baton::cli {

/// The newest move of a client, by address and port or by address alone: "192.0.2.7:1234", "192.0.2.7",
/// "[2001:db8::7]:1234", "2001:db8::7".
[[nodiscard]] const Move* newest_of_client(const MoveTable& table, std::string_view client);
/// The newest move of the connection with this cookie.
[[nodiscard]] const Move* newest_of_connection(const MoveTable& table, std::uint64_t cookie);
/// The newest one of all.
[[nodiscard]] const Move* newest(const MoveTable& table);
/// The ids of all moves of the same connection, the earliest first.
[[nodiscard]] std::vector<std::uint64_t> way_of(const MoveTable& table, const Move& move);

/// A life line for each process, in the order in which the connection comes to it; arrows for the frames.
[[nodiscard]] std::string way_text(const std::vector<Sequence>& moves);

}  // namespace baton::cli
