// SPDX-License-Identifier: MIT
// baton: os/memfd.hpp: octets in sealed memory that a descriptor carries to another process (memfd_create(2)).
//
// Invariant: what has been found sealed can no longer change, whoever else holds it.
// Threads: any.
#pragma once

#include <cstddef>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "os/result.hpp"

namespace baton::os {

/// A memfd with these octets, sealed against writing, shrinking and growing. Errors: memfd_create(2), write(2).
[[nodiscard]] Result<UniqueFd> sealed_memory(Bytes octets) noexcept;
/// True where `descriptor` is a memfd so sealed, and holds exactly `size` octets. Never waits, whatever it is.
[[nodiscard]] bool is_sealed_memory(FdRef descriptor, std::size_t size) noexcept;
/// Copies the first octets into all of `room`. Only of what is_sealed_memory(): nothing else is sure not to wait.
Result<void> read_memory(FdRef descriptor, MutableBytes room) noexcept;

}  // namespace baton::os
