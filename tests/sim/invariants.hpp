// SPDX-License-Identifier: MIT
// baton: sim/invariants.hpp: what has to hold in every world, and in one where nothing more happens by itself.
// Threads: pure functions.
#pragma once

#include <string>

#include "world.hpp"

namespace baton::sim {

/// In every world:
///  * who can use an end point is its owner by the books, and no CALL of it is open: so nobody else reads or writes;
///  * an owner that lives has the end point, or the CALL that commits it is in its link;
///  * each descriptor in a process's table belongs to a number or to a move of that process;
///  * a stream that a stranger has read is not served.
/// Empty where all holds.
[[nodiscard]] std::string broken_in(const Setup& setup, const World& world);

/// At rest: every move of a living process has ended, unless the program at the other end closed the link behind the
/// library's back or a forked child holds it; every connection whose owner lives can be used by it; nothing is held by
/// anyone else.
[[nodiscard]] std::string broken_at_rest(const Setup& setup, const World& world);

}  // namespace baton::sim
