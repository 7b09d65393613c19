// SPDX-License-Identifier: MIT
// baton: sim/codec.hpp: the model's frames through the real codec.
#pragma once

#include "world.hpp"

namespace baton::sim {

/// Writes the frame with handoff::encode, into `octets`. False where it does not fit or does not read as it was.
[[nodiscard]] bool travel(Frame& frame);
/// What `octets` say, with the descriptors that travelled beside. Of a frame that never travelled: the frame itself.
[[nodiscard]] Frame arrive(const Frame& frame);

}  // namespace baton::sim
