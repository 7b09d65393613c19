// SPDX-License-Identifier: MIT
// baton: dispatch/container.hpp: batond as process 1 of a container, or right below one that does nothing but wait.
//
// With process 1 the kernel ends all of its PID namespace (pid_namespaces(7)), which a small init leaves when its first
// child ends. Threads: any.
#pragma once

#include <optional>
#include <string>

namespace baton::dispatch {

/// As process 1: those whose parents have ended become its children, and are not left as zombies. It has no children of
/// its own then, as there is no upgrade.
void mind_orphans();

/// Why this process cannot end without the one that follows it: a sentence. Nothing: it can.
[[nodiscard]] std::optional<std::string> container_ends_with_it();

}  // namespace baton::dispatch
