// SPDX-License-Identifier: MIT
// baton: dispatch/proxy_header.hpp: where a visitor comes from, in the words of the PROXY protocol, version 2.
//
// A target that copies go to has it before the client's octets, where it is configured so; a worker has it as the blob
// of the move, where a proxy has told the addresses: else the connection's own are the client's. Threads: any.
#pragma once

#include <string>

#include "dispatch/visitor.hpp"

namespace baton::dispatch {

/// Whether the client's address is not the connection's own, but a proxy's word.
[[nodiscard]] bool is_told_by_proxy(const Visitor& visitor) noexcept;

/// A header without vectors: the client's address and the one that it has connected to.
[[nodiscard]] std::string proxy_header_for(const Visitor& visitor);

}  // namespace baton::dispatch
