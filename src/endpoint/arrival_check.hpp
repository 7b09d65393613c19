// SPDX-License-Identifier: MIT
// baton: endpoint/arrival_check.hpp: whether a descriptor that has come is the end point that its sender says.
//
// Threads: any.
#pragma once

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "handoff/frames.hpp"

namespace baton::endpoint {

/// Taken: the kind of socket that `item` describes, the very one (cookie), and its stream where L had left it.
[[nodiscard]] handoff::TakeOutcome check_arrival(FdRef end_point, const handoff::CallItem& item, Bytes iso_image);

}  // namespace baton::endpoint
