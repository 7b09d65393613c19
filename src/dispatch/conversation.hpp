// SPDX-License-Identifier: MIT
// baton: dispatch/conversation.hpp: what two batonds say to each other in an upgrade, on the link between them.
//
//   the one that goes (upgrade.hpp)                             the one that comes (predecessor.hpp)
//     starts it: $BATOND_TAKES_OVER names a TSAP
//                                     <-- hello: protocol, version    connects to it
//     what it has                     --> inheritance                 reads its configuration, opens what is new
//                                     <-- prepared
//     accepts and gives no more; its TSAPs are free
//     a group: listening sockets, clients  --> held                   binds the TSAPs
//     commits                         <-> ready, commit               it is all its own
//                                     <-- running                     accepts
//     express moves: who comes back later  -->
//     ends, and so does the link
//
// "failed" with a sentence, from the one that comes, instead of any other. A message is a JSON object in one TSDU.
// Threads: any, one a link.
#pragma once

#include <baton/link.hpp>

#include <cstddef>
#include <expected>
#include <nlohmann/json.hpp>
#include <string>

namespace baton::dispatch {

inline constexpr const char* takes_over_variable = "BATOND_TAKES_OVER";
/// Another number: the two do not understand each other.
inline constexpr int upgrade_protocol = 1;

/// What has come of a message whose end has not.
struct Inbox {
  std::string octets{};
};

[[nodiscard]] std::expected<void, Error> say(Link& link, const nlohmann::json& message, Deadline deadline);
/// The next message; EPROTO: it is none. Others: of Link::receive().
[[nodiscard]] std::expected<nlohmann::json, Error> hear(Link& link, Inbox& inbox, Deadline deadline);

/// The text at `key`, or nothing.
[[nodiscard]] std::string text_at(const nlohmann::json& message, const char* key);

}  // namespace baton::dispatch
