// SPDX-License-Identifier: MIT
// baton: endpoint/outcome_reader.hpp: the library's one thread.
//
// L keeps a duplicate of an end point until it knows the outcome, and while it does the client sees no end of file when
// S closes. A program that has closed its numbers may sit in accept for hours and never look at the link again. So the
// first close that leaves a move without outcome starts this thread, which alone reads those links; it ends soon after
// the last such move. It also answers the status socket while that is switched on. Signals: all blocked. fork: not
// inherited; the child's moves are the parent's. Threads: any.
#pragma once

#include <memory>

#include "endpoint/fault.hpp"

namespace baton::endpoint {

class Link;

/// Reads `link` until none of its moves that the program has closed is in doubt.
void outcome_reader_watch(std::shared_ptr<Link> link);
/// Something that the reader waited for has been read by the program.
void outcome_reader_look_again();
/// Serves the status socket (status/<pid> in the runtime folder), or no longer. Errors of bind(2) and the folder.
Result<void> serve_status(bool on);

}  // namespace baton::endpoint
