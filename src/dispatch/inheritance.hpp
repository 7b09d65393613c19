// SPDX-License-Identifier: MIT
// baton: dispatch/inheritance.hpp: what a batond tells the one that follows it, as values and as JSON.
//
// Both may be of different versions: what one does not know it skips, what is missing has its default.
// Threads: values.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/unique_fd.hpp"
#include "dispatch/visitor.hpp"

namespace baton::dispatch {

/// What it has, before anything of it moves.
struct Inheritance {
  struct PoolBefore {
    std::string name{};
    std::string tsap{};            // its octets; bound by the one that goes. Empty: it goes to its workers or targets
    std::size_t workers = 0;       // that have a link
    std::vector<pid_t> drained{};  // those that get nothing
    std::vector<std::string> drained_targets{};  // PoolKind::Connect: the same
    friend bool operator==(const PoolBefore&, const PoolBefore&) = default;
  };
  std::set<std::string> listeners{};             // their keys: listening_key()
  std::map<std::string, std::size_t> systemd{};  // FileDescriptorName= and how many sockets
  std::vector<PoolBefore> pools{};
  std::string control{};  // [batond] control
  std::string metrics{};  // [batond] metrics; empty: none
  friend bool operator==(const Inheritance&, const Inheritance&) = default;
};

[[nodiscard]] nlohmann::json to_json(const Inheritance& inheritance);
[[nodiscard]] Inheritance inheritance_of(const nlohmann::json& told);

/// One listening socket.
struct Heirloom {
  enum class Kind { Listener, Systemd, Metrics };
  Kind kind = Kind::Listener;
  std::string name{};  // listening_key(), FileDescriptorName=, or the address as the configuration has it
  UniqueFd socket{};
};

/// What the blob of an end point says: an Heirloom without its socket, or a visitor without its connection.
struct Legacy {
  Heirloom listening{};
  VisitorPtr visitor{};  // none: it is the listening socket
};

[[nodiscard]] std::string told_of(const Heirloom& heirloom);
[[nodiscard]] std::string told_of(const Visitor& visitor);
/// Failure: a sentence.
[[nodiscard]] std::expected<Legacy, std::string> legacy_of(Bytes blob);

}  // namespace baton::dispatch
